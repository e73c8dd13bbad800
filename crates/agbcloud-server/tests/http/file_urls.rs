//! The extension `file-urls`: the URLs of many files by one call.

use std::time::Duration;

use agbcloud_server::{ManualClock, Server, test_store};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client, encode, start_at, start_with};
use crate::schema;

impl Client {
    async fn urls(&self, id: &str, body: impl Into<reqwest::Body>) -> Answer {
        let target = format!("/sdk/GetContextFileUrls?contextId={}", encode(id));
        let request = self.request(&Method::POST, &target).bearer_auth(&self.key);
        let answer = self.send(request.body(body)).await;
        answer.check_envelope();
        schema::check("GetContextFileUrls", answer.status.into(), &answer.body);
        answer
    }

    /// Returns the results of these paths.
    async fn results(&self, id: &str, operation: &str, paths: &[&str]) -> Vec<Value> {
        let body = json!({"operation": operation, "filePaths": paths});
        let answer = self.urls(id, body.to_string()).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let data = answer.body["data"].as_array().unwrap().clone();
        let named: Vec<_> = data
            .iter()
            .map(|result| result["filePath"].as_str().unwrap())
            .collect();
        assert_eq!(named, paths);
        data
    }
}

/// A context with a file. The clock stands, so that all URLs expire at the same time.
async fn with_file() -> (Server, Client, String) {
    let (server, client) = start_at(&ManualClock::starting_now()).await;
    let id = client.create("c").await;
    client.upload(&id, "/a b/ü#1", "content").await;
    (server, client, id)
}

#[tokio::test]
async fn the_urls_are_those_of_single_calls() {
    let (_server, client, id) = with_file().await;
    let put = client.results(&id, "upload", &["/new", "/a b/ü#1"]).await;
    assert_eq!(put[0]["url"], client.upload_url(&id, "/new").await);
    assert_eq!(put[0]["expireTime"], 3600);
    let stored = client.put(put[0]["url"].as_str().unwrap(), "other").await;
    assert_eq!(stored.status(), 200);
    let get = client.results(&id, "download", &["/new", "/a b/ü#1"]).await;
    for (result, content) in get.iter().zip(["other", "content"]) {
        let url = result["url"].as_str().unwrap();
        assert_eq!(
            url,
            client
                .download_url(&id, result["filePath"].as_str().unwrap())
                .await
        );
        assert_eq!(client.text(url).await, content);
    }
}

#[tokio::test]
async fn each_path_fails_like_a_single_call_and_for_itself() {
    let (_server, client, id) = with_file().await;
    let long = format!("/{}", "x".repeat(1024));
    let paths = [
        "/a b/ü#1",
        "/missing",
        "",
        "relative",
        "/../up",
        "/a b/ü#1",
        "/a b",
        &long,
        "/b\\c",
        "/nul\0",
    ];
    for (operation, single) in [
        ("upload", "GetContextFileUploadUrl"),
        ("download", "GetContextFileDownloadUrl"),
    ] {
        let results = client.results(&id, operation, &paths).await;
        for (path, result) in paths.iter().zip(results) {
            let target = format!("contextId={}&filePath={}", encode(&id), encode(path));
            let alone = client.call(single, &target).await;
            if alone.status == 200 {
                assert_eq!(result["url"], alone.body["data"]["url"], "{path:?}");
                assert_eq!(result["code"], Value::Null);
            } else {
                for field in ["code", "message", "httpStatusCode"] {
                    assert_eq!(result[field], alone.body[field], "{path:?}");
                }
                assert_eq!(result["url"], Value::Null);
            }
        }
    }
}

#[tokio::test]
async fn a_call_takes_1_to_1000_paths() {
    let (_server, client, id) = with_file().await;
    let paths: Vec<_> = (0..1001).map(|n| format!("/f{n}")).collect();
    let body = |paths: &[String]| json!({"operation": "upload", "filePaths": paths}).to_string();
    let answer = client.urls(&id, body(&paths[..1000])).await;
    assert_eq!(answer.body["data"].as_array().unwrap().len(), 1000);
    for wrong in [&paths[..], &[]] {
        let answer = client.urls(&id, body(wrong)).await;
        answer.assert_failure(400, "InvalidParameter.FilePaths", "count");
    }
}

#[tokio::test]
async fn invalid_bodies_are_rejected() {
    let (_server, client, id) = with_file().await;
    for (body, code) in [
        ("", "MissingParameter.Operation"),
        ("{}", "MissingParameter.Operation"),
        (r#"{"operation": "upload"}"#, "MissingParameter.FilePaths"),
        (r#"{"filePaths": ["/f"]}"#, "MissingParameter.Operation"),
        (
            r#"{"operation": "UPLOAD", "filePaths": ["/f"]}"#,
            "InvalidParameter.Operation",
        ),
        (
            r#"{"operation": 1, "filePaths": ["/f"]}"#,
            "InvalidParameter.Operation",
        ),
        (
            r#"{"operation": "upload", "filePaths": "/f"}"#,
            "InvalidParameter.FilePaths",
        ),
        (
            r#"{"operation": "upload", "filePaths": ["/f", 1]}"#,
            "InvalidParameter.FilePaths",
        ),
        (
            r#"{"operation": "upload", "filePaths": ["/f", null]}"#,
            "InvalidParameter.FilePaths",
        ),
        (
            r#"{"operation": "upload", "operation": "download", "filePaths": ["/f"]}"#,
            "InvalidParameter.Body",
        ),
        ("{", "InvalidParameter.Body"),
        ("[]x", "InvalidParameter.Body"),
        ("1", "InvalidParameter.Body"),
    ] {
        let answer = client.urls(&id, body).await;
        answer.assert_failure(400, code, body);
        assert_eq!(answer.headers["x-agb-extensions"], "file-urls");
    }
    let more = r#"{"operation": "upload", "filePaths": ["/f"], "more": {}}"#;
    assert_eq!(
        client.urls(&id, more).await.status,
        200,
        "unknown fields are ignored"
    );
    let body = json!({"operation": "upload", "filePaths": vec!["/x".repeat(500); 100]}).to_string();
    client
        .urls(&id, body)
        .await
        .assert_failure(413, "RequestTooLarge", "64 KiB");
    let target = "/sdk/GetContextFileUrls";
    let request = client
        .request(&Method::POST, target)
        .bearer_auth(&client.key);
    client
        .send(request)
        .await
        .assert_failure(400, "MissingParameter.ContextId", target);
}

#[tokio::test]
async fn a_foreign_or_missing_context_has_no_urls() {
    let (_server, client, id) = with_file().await;
    for operation in ["upload", "download"] {
        let body = json!({"operation": operation, "filePaths": ["/a b/ü#1", "/x"]}).to_string();
        assert_eq!(client.urls(&id, body.clone()).await.status, 200);
        let foreign = client.with_key("other-key").urls(&id, body.clone()).await;
        foreign.assert_failure(404, "InvalidContext.NotFound", operation);
        let missing = client.urls("SdkCtx-none", body).await;
        missing.assert_failure(404, "InvalidContext.NotFound", operation);
        assert_eq!(foreign.body["message"], missing.body["message"]);
    }
}

#[tokio::test]
async fn a_clearing_context_has_no_upload_urls() {
    let builder = test_store::builder().clear_delay(Duration::from_secs(60));
    let (_server, client) = start_with(builder).await;
    let id = client.create("c").await;
    client.upload(&id, "/f", "x").await;
    let before = client.results(&id, "upload", &["/f", "/g"]).await;
    client.ok("ClearContext", &[("id", &id)]).await;
    let body = json!({"operation": "upload", "filePaths": ["/f"]}).to_string();
    client
        .urls(&id, body)
        .await
        .assert_failure(409, "InvalidContext.Clearing", "upload");
    let get = client.results(&id, "download", &["/f"]).await;
    assert_eq!(get[0]["code"], "InvalidFile.NotFound");
    for earlier in before {
        let put = client.put(earlier["url"].as_str().unwrap(), "y").await;
        assert_eq!(put.status(), 403, "URLs from before the clear are dead");
    }
}

#[tokio::test]
async fn only_calls_with_a_key_see_the_extension() {
    let builder = test_store::builder().api_key("akm-test");
    let (_server, client) = start_with(builder).await;
    let answer = client.call("ListContexts", "").await;
    assert_eq!(answer.headers["x-agb-extensions"], "file-urls");
    let other = client.with_key("unknown");
    let answer = other.urls("SdkCtx-1", "{}").await;
    answer.assert_failure(401, "Unauthorized", "key");
    assert!(!answer.headers.contains_key("x-agb-extensions"));
}

#[tokio::test]
async fn issued_urls_are_counted() {
    let builder = test_store::builder().metrics_listen("127.0.0.1:0".parse().unwrap());
    let (server, client) = start_with(builder).await;
    let id = client.create("c").await;
    client.upload(&id, "/f", "x").await;
    client.results(&id, "upload", &["/f", "/g", "/.."]).await;
    client.results(&id, "download", &["/f", "/g"]).await;
    let url = format!("http://{}/metrics", server.metrics_addr().unwrap());
    let text = client.text(url).await;
    for line in [
        r#"agb_presigned_urls_total{operation="upload"} 3"#,
        r#"agb_presigned_urls_total{operation="download"} 1"#,
        r#"agb_requests_total{operation="GetContextFileUrls",status="2xx"} 2"#,
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}
