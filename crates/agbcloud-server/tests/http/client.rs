//! A minimal HTTP client for the tests.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agbcloud_server::{ManualClock, Server, ServerBuilder, test_store};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::schema;

pub(crate) const KEY: &str = "akm-test";

/// A caller with one key.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) key: String,
}

/// The response of a control call.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

pub(crate) async fn start() -> (Server, Client) {
    start_with(test_store::builder()).await
}

pub(crate) async fn start_in(folder: &Path) -> (Server, Client) {
    start_with(test_store::builder_in(folder)).await
}

pub(crate) async fn start_with(builder: ServerBuilder) -> (Server, Client) {
    let server = builder.start().await.unwrap();
    let client = Client::new(server.url(), KEY);
    (server, client)
}

pub(crate) async fn start_at(clock: &ManualClock) -> (Server, Client) {
    start_with(test_store::builder().clock(Arc::new(clock.clone()))).await
}

pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02x}"),
        })
        .collect()
}

impl Client {
    pub(crate) fn new(url: &str, key: &str) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self {
            http,
            url: url.to_owned(),
            key: key.to_owned(),
        }
    }

    /// Returns a client for the same server with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    pub(crate) fn request(&self, method: &Method, target: &str) -> RequestBuilder {
        self.http
            .request(method.clone(), format!("{}{target}", self.url))
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer {
            status,
            headers,
            body,
        }
    }

    /// Calls an operation with a raw query string.
    pub(crate) async fn call(&self, operation: &str, query: &str) -> Answer {
        let gets = ["ListContexts", "GetContext"];
        let method = if gets.contains(&operation) {
            Method::GET
        } else {
            Method::POST
        };
        let target = format!("/sdk/{operation}?{query}");
        let answer = self
            .send(self.request(&method, &target).bearer_auth(&self.key))
            .await;
        answer.check_envelope();
        schema::check(operation, answer.status.as_u16(), &answer.body);
        answer
    }

    /// Encodes the parameters, calls an operation and expects success.
    pub(crate) async fn ok(&self, operation: &str, params: &[(&str, &str)]) -> Value {
        let answer = self.call(operation, &query(params)).await;
        assert_eq!(
            answer.status, 200,
            "{operation} {params:?}: {:?}",
            answer.body
        );
        answer.body
    }

    /// Calls an operation and expects an error.
    pub(crate) async fn fails(
        &self,
        operation: &str,
        params: &[(&str, &str)],
        status: u16,
        code: &str,
    ) {
        let answer = self.call(operation, &query(params)).await;
        answer.assert_failure(status, code, &format!("{operation} {params:?}"));
    }

    pub(crate) async fn create(&self, name: &str) -> String {
        let body = self
            .ok("GetContext", &[("name", name), ("allowCreate", "true")])
            .await;
        body["data"]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn state(&self, id: &str) -> String {
        self.ok("GetContext", &[("id", id)]).await["data"]["state"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) async fn wait_available(&self, id: &str) {
        for _ in 0..500 {
            if self.state(id).await == "available" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the clear does not complete");
    }

    pub(crate) async fn upload_url(&self, id: &str, path: &str) -> String {
        let body = self
            .ok(
                "GetContextFileUploadUrl",
                &[("contextId", id), ("filePath", path)],
            )
            .await;
        body["data"]["url"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn download_url(&self, id: &str, path: &str) -> String {
        let body = self
            .ok(
                "GetContextFileDownloadUrl",
                &[("contextId", id), ("filePath", path)],
            )
            .await;
        body["data"]["url"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn put(
        &self,
        url: &str,
        bytes: impl Into<reqwest::Body>,
    ) -> reqwest::Response {
        let body = bytes.into();
        let mut request = self.http.put(url);
        // Hyper sends no length for an empty body, but uploads require one.
        if body.as_bytes().is_some_and(<[u8]>::is_empty) {
            request = request.header("content-length", "0");
        }
        request.body(body).send().await.unwrap()
    }

    pub(crate) async fn upload(&self, id: &str, path: &str, bytes: impl Into<reqwest::Body>) {
        let url = self.upload_url(id, path).await;
        let response = self.put(&url, bytes).await;
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
    }

    /// Returns the body of a GET as text.
    pub(crate) async fn text(&self, url: impl reqwest::IntoUrl) -> String {
        let response = self.http.get(url).send().await.unwrap();
        response.text().await.unwrap()
    }

    pub(crate) async fn download(&self, id: &str, path: &str) -> Vec<u8> {
        let url = self.download_url(id, path).await;
        let response = self.http.get(url).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap().to_vec()
    }

    /// Returns paths, types and sizes of the direct entries of a folder, over all pages, and the count.
    pub(crate) async fn list(&self, id: &str, folder: &str) -> (Vec<(String, String, i64)>, i64) {
        let mut entries = Vec::new();
        for page in 1.. {
            let page = page.to_string();
            let body = self
                .ok(
                    "DescribeContextFiles",
                    &[
                        ("contextId", id),
                        ("parentFolderPath", folder),
                        ("pageNumber", &page),
                        ("pageSize", "1000"),
                    ],
                )
                .await;
            let found = body["data"].as_array().unwrap();
            entries.extend(found.iter().map(|entry| {
                let text = |name: &str| entry[name].as_str().unwrap().to_owned();
                (
                    text("filePath"),
                    text("fileType"),
                    entry["size"].as_i64().unwrap(),
                )
            }));
            let count = body["count"].as_i64().unwrap();
            if found.is_empty() || entries.len() as i64 >= count {
                return (entries, count);
            }
        }
        unreachable!()
    }
}

pub(crate) fn query(params: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = params
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    pairs.join("&")
}

/// Returns the status and the code of an XML error.
pub(crate) async fn xml_code(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/xml");
    assert!(response.headers().contains_key("x-request-id"));
    let text = response.text().await.unwrap();
    let code = text
        .split("<Code>")
        .nth(1)
        .unwrap()
        .split("</Code>")
        .next()
        .unwrap()
        .to_owned();
    assert!(
        text.contains("<RequestId>") && text.contains("<Message>"),
        "{text}"
    );
    (status, code)
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// Checks all five fields of the envelope against the HTTP response.
    pub(crate) fn check_envelope(&self) {
        let body = &self.body;
        assert_eq!(body["httpStatusCode"], self.status.as_u16(), "{body}");
        assert_eq!(
            body["requestId"].as_str().unwrap(),
            self.headers["x-request-id"].to_str().unwrap()
        );
        assert_eq!(self.headers["content-type"], "application/json");
        assert_eq!(body["success"], self.status == 200, "{body}");
        if self.status == 200 {
            assert_eq!(
                (body["code"].as_str(), body["message"].as_str()),
                (Some("ok"), Some(""))
            );
        } else {
            assert!(body["message"].as_str().unwrap().len() > 20, "{body}");
        }
    }

    pub(crate) fn assert_failure(&self, status: u16, code: &str, what: &str) {
        assert_eq!(
            (self.status.as_u16(), self.code()),
            (status, code),
            "{what}: {:?}",
            self.body
        );
        self.check_envelope();
    }
}
