//! A function that changes each request.

use std::{fmt, sync::Arc};

use reqwest::Request;

/// Changes each request of a [`Client`](crate::Client) before it is sent, for example to add headers. The default changes nothing.
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

    pub(crate) fn call(&self, request: &mut Request) {
        if let Some(hook) = &self.0 {
            hook(request);
        }
    }
}

impl fmt::Debug for RequestHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHook").finish_non_exhaustive()
    }
}
