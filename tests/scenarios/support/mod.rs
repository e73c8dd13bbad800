//! Shared helpers: a service, clients of it, and raw calls.

pub(crate) mod faulty_store;
pub(crate) mod proxy;
pub(crate) mod rewriting_proxy;
mod schema;
pub(crate) mod scripted_server;

use std::sync::Arc;

use agbcloud::{Client, ContextId, Files, RetryPolicy};
use agbcloud_server::{ManualClock, Server, ServerBuilder, test_store};
use serde_json::Value;

pub(crate) const KEY: &str = "test-key-0123456789";

/// Makes this the subscriber of the thread until the value is dropped.
///
/// The second dispatcher works around tracing-core: while there is only one, an event that another thread creates first is
/// disabled permanently if that thread has no subscriber.
pub(crate) fn subscribe(
    subscriber: impl tracing::Subscriber + Send + Sync + 'static,
) -> (tracing::subscriber::DefaultGuard, tracing::Dispatch) {
    let second = tracing::Dispatch::new(tracing_subscriber::registry());
    (tracing::subscriber::set_default(subscriber), second)
}

/// A service with a store of its own and a client of it.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) clock: ManualClock,
    pub(crate) client: Client,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// Starts a service with further settings.
    pub(crate) async fn with(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let clock = ManualClock::starting_now();
        let builder = test_store::builder()
            .api_key(KEY)
            .clock(Arc::new(clock.clone()));
        let server = settings(builder).start().await.unwrap();
        let client = client_of(&server, KEY);
        Self {
            server,
            clock,
            client,
        }
    }

    /// Returns the files of a new context, for a client that does not retry.
    pub(crate) async fn files_without_retries(&self, name: &str) -> Files {
        let (id, _) = self.files(name).await;
        let builder = Client::builder().api_key(KEY).endpoint(self.server.url());
        let client = builder.retry(RetryPolicy::never()).build().unwrap();
        client.contexts().files(&id)
    }

    /// Creates a context, and returns its id and its files.
    pub(crate) async fn files(&self, name: &str) -> (ContextId, Files) {
        let id = self.client.contexts().get_or_create(name).await.unwrap().id;
        let files = self.client.contexts().files(&id);
        (id, files)
    }

    /// Sends a call without the SDK.
    pub(crate) async fn call(&self, method: &str, path_and_query: &str) -> RawResponse {
        let authorization = format!("Bearer {KEY}");
        call(
            &self.server,
            method,
            path_and_query,
            &[("authorization", &authorization)],
            "",
        )
        .await
    }
}

/// Returns a client of a service.
pub(crate) fn client_of(server: &Server, key: &str) -> Client {
    Client::builder()
        .api_key(key)
        .endpoint(server.url())
        .build()
        .unwrap()
}

/// The response to a call without the SDK.
pub(crate) struct RawResponse {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl RawResponse {
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

pub(crate) async fn call(
    server: &Server,
    method: &str,
    path_and_query: &str,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> RawResponse {
    let url = format!("{}{path_and_query}", server.url());
    let mut request = reqwest::Client::new()
        .request(method.parse().unwrap(), url)
        .body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
    schema::check(method, path_and_query, status, &body);
    RawResponse {
        status,
        headers,
        body,
    }
}
