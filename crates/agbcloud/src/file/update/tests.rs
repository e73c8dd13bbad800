use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Method, Request, Response, StatusCode};
use serde_json::json;

use super::*;
use crate::{
    Client, Operation,
    lock::lock,
    testing::{Script, Step, error},
};

/// A store with one file, apart from those that detect the guard.
#[derive(Default)]
struct Store {
    content: Option<Bytes>,
    version: u32,
    /// Whether conditions are ignored, or rejected with this status.
    ignores: bool,
    rejects: Option<u16>,
    /// Rejects all writes after this number of them.
    fails_after: Option<u32>,
    has_etags: bool,
    /// Loses the response to the next write under a condition, and then writes this.
    loses_response: Option<&'static str>,
    /// Acknowledges the next write with a wrong checksum.
    wrong_checksum: bool,
    /// What another client appends while the guard is detected.
    rival: Option<&'static str>,
    guard_writes: u32,
    writes: u32,
}

impl Store {
    fn etag(&self) -> String {
        format!("\"version-{}\"", self.version)
    }

    fn write(&mut self, content: Bytes) {
        self.content = Some(content);
        self.version += 1;
    }

    fn answer(&mut self, request: Request<Bytes>) -> crate::Result<Response<Bytes>> {
        let status = |status: u16| {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        };
        let header = |name| {
            request
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let (if_match, if_absent) = (header("if-match"), header("if-none-match").is_some());
        let conditional = if_match.is_some() || if_absent;
        if request.method() == Method::GET {
            let Some(content) = self.content.clone() else {
                let missing = b"<Error><Code>NoSuchKey</Code></Error>";
                return Ok(status(404).map(|_| Bytes::from_static(missing)));
            };
            let mut response = Response::new(content);
            if self.has_etags {
                response
                    .headers_mut()
                    .insert("etag", self.etag().parse().unwrap());
            }
            return Ok(response);
        }
        if self
            .fails_after
            .is_some_and(|writes| self.guard_writes >= writes)
        {
            return Ok(status(400));
        }
        if let Some(rejected) = self.rejects.filter(|_| conditional) {
            return Ok(status(rejected));
        }
        let is_guard = request.body() == &b"guard"[..];
        if is_guard {
            self.guard_writes += 1;
            if let Some(rival) = self.rival.take() {
                let mut content = self.content.take().map_or(Vec::new(), Vec::from);
                content.extend_from_slice(rival.as_bytes());
                self.write(content.into());
            }
            return Ok(status(if conditional && !self.ignores {
                412
            } else {
                200
            }));
        }
        let holds = match &if_match {
            Some(etag) => self.content.is_some() && *etag == self.etag(),
            None => !if_absent || self.content.is_none(),
        };
        if !holds && !self.ignores {
            return Ok(status(412));
        }
        self.writes += 1;
        self.write(request.into_body());
        if let Some(next) = self.loses_response.take() {
            self.write(Bytes::from_static(next.as_bytes()));
            return Err(error(ErrorKind::Connection).into());
        }
        if std::mem::take(&mut self.wrong_checksum) {
            let mut response = status(200);
            let other = format!("\"{}\"", "0".repeat(32));
            response
                .headers_mut()
                .insert("etag", other.parse().unwrap());
            return Ok(response);
        }
        Ok(status(200))
    }
}

fn files(store: Store) -> (Files, Arc<Mutex<Store>>) {
    let state = Arc::new(Mutex::new(store));
    let shared = state.clone();
    let url = json!({"url": "https://store.test/a?signature=1", "expireTime": 3600});
    let script = Script::new([]).then_always(Step::ok(url));
    let builder = Client::builder().stub(script);
    let client = builder.stub_store(move |request| lock(&shared).answer(request));
    (client.build().unwrap().contexts().files("SdkCtx-1"), state)
}

fn append(old: Option<Bytes>) -> Vec<u8> {
    [old.as_deref().unwrap_or_default(), b"x"].concat()
}

#[tokio::test(start_paused = true)]
async fn a_store_that_ignores_conditions_is_reported_and_detected_once() {
    for (ignores, rejects) in [(true, None), (false, Some(501)), (false, Some(400))] {
        let (files, store) = files(Store {
            ignores,
            rejects,
            has_etags: true,
            ..Store::default()
        });
        let error = files.update("/a", append).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert_eq!(error.detail(), Some(ErrorDetail::UpdateUnguarded));
        assert_eq!(error.context_id(), Some("SdkCtx-1"));
        assert_eq!(lock(&store).content, None);
        let detected = lock(&store).guard_writes;
        for content in ["x", "xx"] {
            let updated = files.update("/a", append).allow_unguarded(true).await;
            assert_eq!(updated.unwrap().guard, UpdateGuard::Unavailable);
            assert_eq!(lock(&store).content.as_deref(), Some(content.as_bytes()));
        }
        assert_eq!(lock(&store).guard_writes, detected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_during_the_detection_is_kept_without_a_guard() {
    for has_etags in [true, false] {
        let (files, store) = files(Store {
            ignores: true,
            has_etags,
            rival: Some("rival"),
            ..Store::default()
        });
        let updated = files.update("/a", append).allow_unguarded(true).await;
        assert_eq!(updated.unwrap().guard, UpdateGuard::Unavailable);
        let content = lock(&store).content.clone().unwrap();
        assert_eq!(content, "rivalx");
    }
}

/// A store that fails with the status of one that rejects conditions may have them.
#[tokio::test(start_paused = true)]
async fn a_store_that_fails_during_the_detection_is_not_called_one_without_conditions() {
    for fails_after in [0, 1, 2] {
        let (files, store) = files(Store {
            fails_after: Some(fails_after),
            ..Store::default()
        });
        let error = files.update_guard().await.unwrap_err();
        assert_eq!(error.status(), Some(400));
        lock(&store).fails_after = None;
        let guard = files.update_guard().await.unwrap();
        assert_eq!(guard, UpdateGuard::Conditions);
    }
}

#[tokio::test(start_paused = true)]
async fn a_detection_that_is_given_up_still_deletes_its_file() {
    let latency = Duration::from_millis(10);
    let url = json!({"url": "https://store.test/a?signature=1", "expireTime": 3600});
    let script = Script::new([]).then_always(Step::ok(url).after(latency));
    let store = Mutex::new(Store::default());
    let builder = Client::builder().stub(script.clone());
    let client = builder.stub_store(move |request| lock(&store).answer(request));
    let files = client.build().unwrap().contexts().files("SdkCtx-1");
    let given_up = tokio::time::timeout(latency / 2, files.update_guard()).await;
    assert!(given_up.is_err());
    tokio::time::sleep(5 * latency).await;
    let calls = script.calls();
    assert_eq!(calls.last(), Some(&Operation::DeleteContextFile));
}

#[tokio::test(start_paused = true)]
async fn a_store_with_conditions_is_detected_once() {
    let (files, store) = files(Store {
        has_etags: true,
        ..Store::default()
    });
    for _ in 0..3 {
        let updated = files.update("/a", append).await.unwrap();
        assert_eq!(updated.guard, UpdateGuard::Conditions);
    }
    let store = lock(&store);
    assert_eq!((store.guard_writes, store.writes), (3, 3));
    assert_eq!(store.content.as_deref(), Some(&b"xxx"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_file_without_an_etag_is_not_guarded() {
    let (files, store) = files(Store {
        content: Some(Bytes::from_static(b"old")),
        ..Store::default()
    });
    let error = files.update("/a", append).await.unwrap_err();
    assert_eq!(error.detail(), Some(ErrorDetail::UpdateUnguarded));
    assert_eq!(lock(&store).content.as_deref(), Some(&b"old"[..]));
}

/// The first write succeeds, its response is lost, and another client writes. Writing again would append twice.
#[tokio::test(start_paused = true)]
async fn a_lost_response_before_another_change_is_not_repeated() {
    let (files, store) = files(Store {
        content: Some(Bytes::from_static(b"old")),
        has_etags: true,
        loses_response: Some("oldx and another"),
        ..Store::default()
    });
    let error = files.update("/a", append).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.detail(), Some(ErrorDetail::OutcomeUnknown));
    let store = lock(&store);
    assert_eq!(store.content.as_deref(), Some(&b"oldx and another"[..]));
    assert_eq!(store.writes, 1);
}

/// The write is stored, and its acknowledgement has another checksum.
#[tokio::test(start_paused = true)]
async fn a_write_with_a_wrong_checksum_is_not_repeated() {
    let (files, store) = files(Store {
        content: Some(Bytes::from_static(b"old")),
        has_etags: true,
        wrong_checksum: true,
        ..Store::default()
    });
    let error = files.update("/a", append).await.unwrap_err();
    assert_eq!(error.detail(), Some(ErrorDetail::OutcomeUnknown));
    let store = lock(&store);
    assert_eq!(store.content.as_deref(), Some(&b"oldx"[..]));
    assert_eq!(store.writes, 1);
}
