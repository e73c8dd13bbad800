//! [`Proxy`]: forwards requests to a service, and changes or fails some of them.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use agbcloud_server::Server;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{
        Method, StatusCode,
        header::{CONNECTION, CONTENT_LENGTH, IF_MATCH, IF_NONE_MATCH, TRANSFER_ENCODING},
    },
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

use crate::support::TestConsole;

/// Maximum bytes of a forwarded body.
const MAX_BYTES: usize = 16 * 1024 * 1024;

type Action = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What happens to the requests to a service, whose public URL leads through the proxy.
#[derive(Default)]
pub(crate) struct Proxy {
    upstream: OnceLock<String>,
    http: reqwest::Client,
    /// Whether uploads lose their conditions, as in a store that ignores them.
    pub(crate) ignores_conditions: AtomicBool,
    /// How many further deletions of files fail with status 503.
    pub(crate) failing_deletions: AtomicU32,
    /// Runs before the next deletion fails.
    before_failure: Mutex<Option<Action>>,
    /// How many further uploads are answered with status 503 after they were stored.
    lost_responses: AtomicU32,
    /// Runs before the next response of an upload is lost.
    before_loss: Mutex<Option<Action>>,
    /// How many uploads reached the proxy.
    pub(crate) uploads: AtomicU32,
    /// Whether uploads are answered with status 503 without being stored.
    pub(crate) fails_uploads: AtomicBool,
}

impl Proxy {
    /// Starts a console whose service is behind a proxy.
    pub(crate) async fn start() -> (TestConsole, Arc<Self>) {
        let proxy = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(forward).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let builder = Server::builder().public_url(&url);
        let upstream = proxy.clone();
        let console = TestConsole::at(Some(url), builder, move |server, builder| {
            let url = format!("http://{}", server.local_addr());
            upstream.upstream.set(url).unwrap();
            builder
        });
        (console.await, proxy)
    }

    /// Makes the next deletion fail after this.
    pub(crate) fn fail_deletion_after(&self, action: impl Future<Output = ()> + Send + 'static) {
        *self.before_failure.lock().unwrap() = Some(Box::pin(action));
        self.failing_deletions.store(1, Ordering::Relaxed);
    }

    /// Loses the response of the next upload, after this.
    pub(crate) fn lose_response_after(&self, action: impl Future<Output = ()> + Send + 'static) {
        *self.before_loss.lock().unwrap() = Some(Box::pin(action));
        self.lost_responses.store(1, Ordering::Relaxed);
    }
}

/// Whether one of the requests of this number remains.
fn takes_one(remaining: &AtomicU32) -> bool {
    let less = |count: u32| count.checked_sub(1);
    let update = remaining.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    update.is_ok()
}

/// Runs the action, then fails.
async fn fail_after(action: &Mutex<Option<Action>>) -> Response {
    let action = action.lock().unwrap().take();
    if let Some(action) = action {
        action.await;
    }
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

async fn forward(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let is_deletion = parts.uri.path().ends_with("/DeleteContextFile");
    if is_deletion && takes_one(&proxy.failing_deletions) {
        return fail_after(&proxy.before_failure).await;
    }
    let is_upload = parts.method == Method::PUT;
    let upstream = proxy.upstream.get().unwrap();
    let path = parts.uri.path_and_query().unwrap();
    let mut headers = parts.headers;
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    if proxy.ignores_conditions.load(Ordering::Relaxed) {
        headers.remove(IF_MATCH);
        headers.remove(IF_NONE_MATCH);
    }
    let body = to_bytes(body, MAX_BYTES).await.unwrap();
    if is_upload {
        proxy.uploads.fetch_add(1, Ordering::Relaxed);
        if proxy.fails_uploads.load(Ordering::Relaxed) {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    }
    let request = proxy
        .http
        .request(parts.method, format!("{upstream}{path}"));
    let answer = request.headers(headers).body(body).send().await.unwrap();
    if is_upload && answer.status().is_success() && takes_one(&proxy.lost_responses) {
        return fail_after(&proxy.before_loss).await;
    }
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if *name != TRANSFER_ENCODING && *name != CONNECTION {
            response = response.header(name, value);
        }
    }
    let body = Body::from(answer.bytes().await.unwrap());
    response.body(body).unwrap()
}
