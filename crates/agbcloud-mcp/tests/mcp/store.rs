//! Stores that `agb serve` is not: with lost responses, weak ETags or none.

use std::sync::{Arc, Mutex};

use agbcloud::{
    Client, Error, ErrorKind, PresignedUrl,
    testing::{MockContextApi, context, error, ok},
};
use agbcloud_mcp::McpServer;
use axum::{
    body::Bytes,
    http::{Method, Request, Response, StatusCode},
};
use serde_json::json;

use super::support::{Agent, CONTEXT, at, with};

/// A store with one file, apart from those that detect the guard.
#[derive(Default)]
struct Store {
    content: Option<Bytes>,
    version: u32,
    /// The start of ETags: `W/` if they are weak.
    etags: Option<&'static str>,
    /// Loses the response to the next write of the file.
    loses_response: bool,
    /// Executes writes with a condition that does not hold.
    ignores_conditions: bool,
    /// What another client writes while the guard is detected.
    rival: Option<Bytes>,
    /// Rejects the next write of the file with 409, as S3 does for writes at the same time.
    races: bool,
}

impl Store {
    fn etag(&self) -> Option<String> {
        let start = self.etags?;
        Some(format!("{start}\"version-{}\"", self.version))
    }

    fn answer(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let response = |status: StatusCode, body: Bytes, etag: Option<String>| {
            let mut response = Response::new(body);
            *response.status_mut() = status;
            if let Some(etag) = etag {
                response.headers_mut().insert("etag", etag.parse().unwrap());
            }
            response
        };
        if request.method() == Method::GET {
            return Ok(match self.content.clone() {
                Some(content) => response(StatusCode::OK, content, self.etag()),
                None => {
                    let body = Bytes::from_static(b"<Error><Code>NoSuchKey</Code></Error>");
                    response(StatusCode::NOT_FOUND, body, None)
                }
            });
        }
        let is_guard = request.uri().path().starts_with("/.agb-guard");
        let exists = is_guard || self.content.is_some();
        let header = |name| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let is_allowed = match (header("if-match"), header("if-none-match")) {
            (Some(etag), _) => !is_guard && exists && Some(etag) == self.etag().as_deref(),
            (None, Some(_)) => !exists,
            (None, None) => true,
        };
        if is_guard && let Some(content) = self.rival.take() {
            self.content = Some(content);
            self.version += 1;
        }
        if !is_allowed && !self.ignores_conditions {
            return Ok(response(
                StatusCode::PRECONDITION_FAILED,
                Bytes::new(),
                None,
            ));
        }
        if is_guard {
            return Ok(response(StatusCode::OK, Bytes::new(), None));
        }
        if std::mem::take(&mut self.races) {
            let body = b"<Error><Code>ConditionalRequestConflict</Code></Error>";
            let body = Bytes::from_static(body);
            return Ok(response(StatusCode::CONFLICT, body, None));
        }
        self.content = Some(request.into_body());
        self.version += 1;
        match std::mem::take(&mut self.loses_response) {
            true => Err(error(ErrorKind::Connection).into()),
            false => Ok(response(StatusCode::OK, Bytes::new(), self.etag())),
        }
    }
}

/// A client of a server whose store has these contents.
async fn agent(store: Store) -> (Agent, Arc<Mutex<Store>>) {
    let mut api = MockContextApi::new();
    api.expect_get_context()
        .returning(|_| ok(context("SdkCtx-1", CONTEXT)));
    let url = |path: &str| PresignedUrl::new(format!("https://store.test{path}")).unwrap();
    api.expect_upload_url()
        .returning(move |_, path| ok(url(path.as_str())));
    api.expect_download_url()
        .returning(move |_, path| ok(url(path.as_str())));
    api.expect_delete_file().returning(|_, _| ok(()));
    let store = Arc::new(Mutex::new(store));
    let stored = store.clone();
    let client = Client::builder()
        .stub(api)
        .stub_store(move |request| stored.lock().unwrap().answer(request));
    let server = McpServer::builder(client.build().unwrap()).allow_write(true);
    (Agent::of(server).await, store)
}

fn content(store: &Mutex<Store>) -> Bytes {
    store.lock().unwrap().content.clone().unwrap()
}

#[tokio::test]
async fn a_conflict_after_a_lost_response_may_contain_the_change() {
    let stored = Store {
        etags: Some(""),
        ..Store::default()
    };
    let (agent, store) = agent(stored).await;
    let new = with(at("/a"), json!({ "content": "start\n" }));
    let edit = json!({ "old_text": "start\n", "new_text": "start\nline\n" });
    for (tool, arguments) in [("write_file", new), ("edit_file", with(at("/a"), edit))] {
        store.lock().unwrap().loses_response = true;
        let failure = agent.fail(tool, arguments).await;
        assert_eq!(failure["kind"], "conflict", "{tool}");
        let message = failure["message"].as_str().unwrap();
        assert!(message.contains("may contain your change"), "{message}");
        assert_eq!(
            failure["next_step"],
            "read the file; repeat only what is missing"
        );
    }
    assert_eq!(content(&store), "start\nline\n");
}

#[tokio::test]
async fn writes_at_the_same_time_are_conflicts() {
    let stored = Store {
        content: Some("one".into()),
        etags: Some(""),
        ..Store::default()
    };
    let (agent, store) = agent(stored).await;
    let edit = with(at("/a"), json!({ "old_text": "one", "new_text": "1" }));
    store.lock().unwrap().races = true;
    let failure = agent.fail("edit_file", edit).await;
    assert_eq!(failure["kind"], "conflict");
    let next_step = failure["next_step"].as_str().unwrap();
    assert!(next_step.contains("read the file again"), "{next_step}");
    store.lock().unwrap().content = None;
    store.lock().unwrap().races = true;
    let new = with(at("/a"), json!({ "content": "two" }));
    let failure = agent.fail("write_file", new).await;
    assert_eq!(failure["kind"], "conflict");
    let next_step = failure["next_step"].as_str().unwrap();
    assert!(next_step.contains("if_version"), "{next_step}");
}

#[tokio::test]
async fn a_change_while_the_guard_is_detected_is_a_conflict() {
    let edit = json!({ "old_text": "one", "new_text": "1" });
    let version = json!({ "content": "two", "if_version": "\"version-0\"" });
    let absent = json!({ "content": "two" });
    for (tool, arguments, old) in [
        ("edit_file", edit, Some("one")),
        ("write_file", version, Some("one")),
        ("write_file", absent, None),
    ] {
        let stored = Store {
            content: old.map(Bytes::from),
            etags: Some(""),
            ignores_conditions: true,
            rival: Some("rival".into()),
            ..Store::default()
        };
        let (agent, store) = agent(stored).await;
        let kind = agent.kind(tool, with(at("/a"), arguments)).await;
        assert_eq!(kind, "conflict", "{tool} {old:?}");
        assert_eq!(content(&store), "rival");
    }
}

#[tokio::test]
async fn a_weak_version_is_no_condition_of_the_store() {
    let stored = Store {
        content: Some("one".into()),
        etags: Some("W/"),
        ..Store::default()
    };
    let (agent, store) = agent(stored).await;
    let version = agent.call("read_file", at("/a")).await["version"].clone();
    assert_eq!(version, "W/\"version-0\"");
    let edit = with(at("/a"), json!({ "old_text": "one", "new_text": "1" }));
    let edited = agent.call("edit_file", edit).await;
    assert_eq!(edited["guard"], "unavailable");
    let new = json!({ "content": "two", "if_version": edited["version"] });
    let written = agent.call("write_file", with(at("/a"), new)).await;
    assert_eq!(written["guard"], "unavailable");
    let stale = json!({ "content": "three", "if_version": version });
    let kind = agent.kind("write_file", with(at("/a"), stale)).await;
    assert_eq!(kind, "conflict");
    assert_eq!(content(&store), "two");
}

#[tokio::test]
async fn a_version_that_can_not_be_compared_is_an_error() {
    let stored = Store {
        content: Some("one".into()),
        ..Store::default()
    };
    let (agent, store) = agent(stored).await;
    let edit = json!({ "old_text": "one", "new_text": "1" });
    let new = json!({ "content": "two", "if_version": "\"version-0\"" });
    for (tool, arguments) in [
        ("edit_file", edit),
        ("write_file", new),
        ("read_file", json!({ "version": "\"version-0\"" })),
    ] {
        let kind = agent.kind(tool, with(at("/a"), arguments)).await;
        assert_eq!(kind, "unsupported", "{tool}");
    }
    assert_eq!(content(&store), "one");
    let overwrite = json!({ "content": "two", "overwrite": true });
    agent.call("write_file", with(at("/a"), overwrite)).await;
    assert_eq!(content(&store), "two");
}
