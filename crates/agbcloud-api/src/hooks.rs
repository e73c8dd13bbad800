//! Hooks of the generated client.

use std::{fmt, sync::Arc, time::Duration};

use progenitor_client::{ClientHooks, ClientInfo, Error, OperationInfo};
use reqwest::{
    Method, Request,
    header::{CONTENT_LENGTH, HeaderValue},
};

use crate::Client;

tokio::task_local! {
    static REQUEST_TIMEOUT: Duration;
}

/// Runs requests of the generated client with this timeout instead of that of its HTTP client.
///
/// ```
/// # async fn run(client: agbcloud_api::Client) {
/// use agbcloud_api::with_request_timeout;
/// use std::time::Duration;
///
/// let request = client.get_context().name("my-project").send();
/// let response = with_request_timeout(Duration::from_secs(5), request).await;
/// # let _ = response;
/// # }
/// ```
pub async fn with_request_timeout<F: Future>(timeout: Duration, requests: F) -> F::Output {
    REQUEST_TIMEOUT.scope(timeout, requests).await
}

/// Changes each request of a [`Client`] before it is sent, for example to add headers. The default changes nothing.
///
/// ```
/// use agbcloud_api::{Client, RequestHook};
/// use reqwest::header::{AUTHORIZATION, HeaderValue};
///
/// let hook = RequestHook::new(|request| {
///     let key = HeaderValue::from_static("Bearer my-api-key");
///     request.headers_mut().insert(AUTHORIZATION, key);
/// });
/// let client = Client::new("https://sdk-api.agb.cloud", hook);
/// ```
#[derive(Clone, Default)]
pub struct RequestHook(Option<Arc<Hook>>);

type Hook = dyn Fn(&mut Request) + Send + Sync;

impl RequestHook {
    /// Calls this before each request, in the task that sends it.
    pub fn new(hook: impl Fn(&mut Request) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }
}

impl fmt::Debug for RequestHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHook").finish_non_exhaustive()
    }
}

impl ClientHooks<RequestHook> for Client {
    /// Sets the timeout of [`with_request_timeout`], adds `Content-Length: 0` to a POST without a body (RFC 9110, section 8.6),
    /// since some gateways require it (411), and calls the [`RequestHook`].
    async fn pre<E>(&self, request: &mut Request, _: &OperationInfo) -> Result<(), Error<E>> {
        if let Ok(timeout) = REQUEST_TIMEOUT.try_get() {
            *request.timeout_mut() = Some(timeout);
        }
        if request.method() == Method::POST && request.body().is_none() {
            request
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if let Some(hook) = &self.inner().0 {
            hook(request);
        }
        Ok(())
    }
}
