//! Hooks of the generated client.

use std::time::Duration;

use progenitor_client::{ClientHooks, ClientInfo, Error, OperationInfo};
use reqwest::{
    Method, Request,
    header::{CONTENT_LENGTH, HeaderValue},
};

use crate::{Client, RequestHook};

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
        self.inner().call(request);
        Ok(())
    }
}
