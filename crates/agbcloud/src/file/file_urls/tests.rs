use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::{
    Client, ContextId, Response,
    testing::{MockContextApi, Script, Step, error, fail},
    wire::ResponseFuture,
};

fn files(client: &Client) -> Files {
    client.contexts().files(ContextId::new("SdkCtx-1").unwrap())
}

fn url(path: &RemotePath) -> Result<PresignedUrl> {
    PresignedUrl::new(format!("http://store.test{path}?signature=1"))
}

fn answer<T: Send + 'static>(value: T, announces: bool) -> ResponseFuture<T> {
    let response = Response::new(value, Some("r-1".into())).announcing_file_urls(announces);
    Box::pin(async { Ok(response) })
}

fn paths(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("/f{n}")).collect()
}

/// A service whose responses for single files announce the extension, or not.
fn service(announces: bool, single: usize) -> MockContextApi {
    let mut api = MockContextApi::new();
    api.expect_upload_url()
        .times(single)
        .returning(move |_, path| answer(url(&path).unwrap(), announces));
    api
}

async fn upload_urls(client: &Client, count: usize) -> Vec<Result<PresignedUrl>> {
    let paths = paths(count);
    let urls = files(client)
        .upload_urls(paths.iter().map(String::as_str))
        .await;
    assert_eq!(urls.len(), count);
    for (path, url) in paths.iter().zip(&urls) {
        if let Ok(url) = url {
            assert_eq!(url.parsed().path(), path);
        }
    }
    urls
}

#[tokio::test]
async fn many_urls_are_requested_by_one_call_once_it_is_announced() {
    let mut api = service(true, 1);
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let seen = sizes.clone();
    api.expect_upload_urls().returning(move |_, paths| {
        seen.lock().unwrap().push(paths.len());
        answer(paths.iter().map(url).collect(), true)
    });
    let client = Client::on(api);
    assert!(upload_urls(&client, 300).await.iter().all(Result::is_ok));
    assert_eq!(*sizes.lock().unwrap(), [256, 43]);
    // A clone knows it too.
    let clone = client.with_retry(crate::RetryPolicy::never());
    assert!(upload_urls(&clone, 2).await.iter().all(Result::is_ok));
    assert_eq!(*sizes.lock().unwrap(), [256, 43, 2]);
}

#[tokio::test]
async fn a_service_that_does_not_announce_it_is_not_asked() {
    let client = Client::on(service(false, 40));
    assert!(upload_urls(&client, 40).await.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_call_is_not_repeated() {
    for failure in [
        error(ErrorKind::WrongEndpoint)
            .status(404)
            .code("InvalidAction.NotFound"),
        error(ErrorKind::WrongEndpoint).status(405),
        error(ErrorKind::Rejected)
            .status(400)
            .code("InvalidParameter.FilePath"),
        error(ErrorKind::Rejected).status(413),
        error(ErrorKind::Unavailable).status(501),
        error(ErrorKind::InvalidResponse).status(200),
    ] {
        let mut api = service(true, 20);
        api.expect_upload_urls()
            .times(1)
            .returning(move |_, _| fail(failure.clone()));
        let client = Client::on(api);
        for _ in 0..2 {
            assert!(upload_urls(&client, 10).await.iter().all(Result::is_ok));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_or_failed_call_is_retried_and_stays_available() {
    for kind in [
        ErrorKind::Throttled,
        ErrorKind::Unavailable,
        ErrorKind::Connection,
    ] {
        let mut api = service(true, 1);
        let mut failures = 2;
        api.expect_upload_urls()
            .times(4)
            .returning(move |_, paths| {
                if failures > 0 {
                    failures -= 1;
                    return fail(error(kind));
                }
                answer(paths.iter().map(url).collect(), true)
            });
        let client = Client::on(api);
        for _ in 0..2 {
            assert!(
                upload_urls(&client, 10).await.iter().all(Result::is_ok),
                "{kind:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_error_that_concerns_the_context_is_that_of_each_file() {
    let clearing = || {
        let clearing = error(ErrorKind::Conflict).status(409);
        clearing.code("InvalidContext.Clearing")
    };
    let mut api = MockContextApi::new();
    let mut first = true;
    api.expect_upload_url()
        .times(4)
        .returning(move |_, path| match std::mem::take(&mut first) {
            true => answer(url(&path).unwrap(), true),
            false => fail(clearing().request_id("own")),
        });
    api.expect_upload_urls()
        .times(1)
        .returning(move |_, _| fail(clearing()));
    let client = Client::on(api);
    for url in upload_urls(&client, 4).await.into_iter().skip(1) {
        let error = url.unwrap_err();
        assert_eq!(error.detail(), Some(ErrorDetail::ContextClearing));
        assert_eq!(error.request_id(), Some("own"));
    }
    assert!(
        client.file_urls().is_available(),
        "it has answered like a service with it"
    );
}

/// Announces the extension, then answers a call for three files.
async fn decoded(answer: Step, then: Vec<Step>) -> (Vec<Result<PresignedUrl>>, Script) {
    let first = Step::ok(json!({"url": "http://store.test/f0", "expireTime": 3600}));
    let first = first.header("x-agb-extensions", "other, file-urls");
    let script = Script::new([first, answer].into_iter().chain(then));
    let builder = Client::builder()
        .endpoint("http://wire.test")
        .stub(script.clone());
    let client = builder.build().unwrap();
    let mut urls = upload_urls(&client, 4).await;
    urls.remove(0).unwrap();
    (urls, script)
}

fn good(path: &str) -> Value {
    json!({"filePath": path, "url": format!("http://store.test{path}"), "expireTime": "3600"})
}

#[tokio::test]
async fn a_file_fails_like_by_a_call_of_its_own() {
    let failed = json!({
        "filePath": "/f2", "code": "InvalidFile.NotFound", "message": "no such file", "httpStatusCode": 404,
    });
    let envelope = json!({"success": true, "code": "ok", "requestId": "batch-1", "data": [good("/f1"), failed, good("/f3")]});
    let (urls, script) = decoded(Step::json(envelope), Vec::new()).await;
    assert!(urls[0].is_ok() && urls[2].is_ok());
    let error = urls[1].as_ref().unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::NotFound, Some(404))
    );
    assert_eq!(error.detail(), Some(ErrorDetail::FileNotFound));
    assert_eq!(error.operation(), Some(Operation::GetContextFileUploadUrl));
    assert_eq!(
        (error.path(), error.context_id()),
        (Some("/f2"), Some("SdkCtx-1"))
    );
    assert_eq!(error.request_id(), Some("batch-1"));
    let calls = [
        Operation::GetContextFileUploadUrl,
        Operation::GetContextFileUrls,
    ];
    assert_eq!(script.calls(), calls);
}

#[tokio::test]
async fn a_file_that_the_service_could_not_handle_is_requested_again() {
    let failed =
        json!({"filePath": "/f2", "code": "InternalError", "message": "", "httpStatusCode": 500});
    let answer = Step::ok(json!([good("/f1"), failed, good("/f3")]));
    let single = Step::ok(json!({"url": "http://store.test/f2"}));
    let (urls, script) = decoded(answer, vec![single]).await;
    assert!(urls.iter().all(Result::is_ok), "{urls:?}");
    assert_eq!(script.calls().len(), 3);
}

#[tokio::test]
async fn a_url_is_not_used_for_another_path() {
    for data in [
        json!([good("/f2"), good("/f1"), good("/f3")]),
        json!([good("/f1"), good("/f2")]),
        json!([good("/f1"), good("/f2"), good("/f3"), good("/f4")]),
        json!([good("/f1"), {"url": "http://store.test/x"}, good("/f3")]),
        json!([]),
        Value::Null,
    ] {
        let single = ["/f1", "/f2", "/f3"].map(|path| Step::ok(good(path)));
        let (urls, script) = decoded(Step::ok(data), single.to_vec()).await;
        assert!(urls.iter().all(Result::is_ok), "{urls:?}");
        assert_eq!(script.calls().len(), 5);
    }
}

#[tokio::test]
async fn an_insecure_url_is_rejected() {
    let first = Step::ok(json!({"url": "https://store.test/f0"}));
    let first = first.header("x-agb-extensions", "file-urls");
    let script = Script::new([first, Step::ok(json!([good("/f1")]))]);
    let builder = Client::builder().endpoint("https://wire.test").stub(script);
    let urls = upload_urls(&builder.build().unwrap(), 2).await;
    let error = urls[1].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InsecureUrl);
}

#[tokio::test]
async fn an_invalid_path_or_context_is_the_error_of_the_files() {
    let client = Client::on(service(true, 1));
    let urls = files(&client).upload_urls(["/f0", "bad"]).await;
    assert!(urls[0].is_ok());
    assert_eq!(
        urls[1].as_ref().unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    let files = client.contexts().files("");
    let urls = files.upload_urls(["/a", "/b"]).await;
    for url in urls {
        assert_eq!(url.unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn batches_are_limited_by_paths_and_bytes() {
    let path = |bytes: usize| RemotePath::new(format!("/{}", "x".repeat(bytes - 1))).unwrap();
    let batches = |paths: &[RemotePath]| -> Vec<_> { batches(paths).collect() };
    assert!(batches(&[]).is_empty());
    assert_eq!(batches(&vec![path(10); 600]), [0..256, 256..512, 512..600]);
    assert_eq!(batches(&vec![path(1024); 50]), [0..24, 24..48, 48..50]);
}
