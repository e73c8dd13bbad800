//! The client: its settings, its connections, and the calls.

#[cfg(test)]
mod bandwidth_tests;
mod builder;
mod call;
mod file_urls_support;
mod http_settings;
mod request;
#[cfg(any(test, feature = "test-util"))]
mod test_settings;

use std::{
    fmt,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use reqwest::header::DATE;

pub use builder::ClientBuilder;
pub(crate) use call::{Call, call, get_context, is_missing_file, remove};
pub use request::Request;

use crate::{
    clock::Time,
    config::Endpoint,
    error::{Error, ErrorKind, Result, http_date},
    model::PresignedUrl,
    retry::{Jitter, Overload, RateLimiter, RetryBudget, RetryContext, RetryPolicy},
    service_clock::ServiceClock,
    transfer::Store,
    wire::{ContextApi, HttpApi},
};
use builder::ClientSettings;
use file_urls_support::FileUrlsSupport;

/// Minimum of [`ClientBuilder::timeout`].
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// A client of the AGB Cloud Context API.
///
/// Clones are cheap and share connections. Use one client per process.
///
/// ```
/// # agbcloud_doctest::run(async |client| {
/// # let (key, endpoint) = ("doc", client.endpoint());
/// let client = agbcloud::Client::builder().api_key(key).endpoint(endpoint).build()?;
/// let context = client.contexts().get_or_create("my-project").await?;
/// println!("{} has the id {}", context.name, context.id);
/// # Ok(()) });
/// ```
#[derive(Clone)]
#[doc(alias = "AGB")]
pub struct Client(Arc<ClientInner>);

/// Clones share everything but the retry policy and the timeout.
#[derive(Clone)]
struct ClientInner {
    api: Arc<dyn ContextApi>,
    store: Arc<Store>,
    time: Time,
    /// Maximum time of an attempt.
    timeout: Duration,
    /// Whether the retry loop limits the time of attempts. Otherwise the HTTP client does, whose errors have more details of an
    /// incomplete response.
    is_stub: bool,
    retry: RetryPolicy,
    budget: RetryBudget,
    limiter: Arc<RateLimiter>,
    overload: Overload,
    jitter: Jitter,
    endpoint: Arc<Endpoint>,
    service_clock: ServiceClock,
    file_urls: Arc<FileUrlsSupport>,
    allow_insecure_urls: bool,
    /// Folder of the records of partial downloads.
    partial_downloads: Option<Arc<Path>>,
}

impl Client {
    /// Returns a builder of a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Creates a client with all settings from the environment and `.env`: see [`ClientBuilder`].
    ///
    /// ```no_run
    /// let client = agbcloud::Client::from_env()?;
    /// # Ok::<(), agbcloud::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if there is no `AGB_API_KEY`, or a setting is invalid.
    pub fn from_env() -> Result<Self> {
        Self::builder().build()
    }

    /// Returns the base URL of the service.
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint.url
    }

    /// Returns a client with another retry policy, which shares everything else: connections, retry budget and rate limit.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// use agbcloud::RetryPolicy;
    ///
    /// let once = client.with_retry(RetryPolicy::never());
    /// let context = once.contexts().get_or_create("my-project").await?;
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn with_retry(&self, policy: RetryPolicy) -> Self {
        let mut inner = ClientInner::clone(&self.0);
        inner.retry = policy;
        Self(Arc::new(inner))
    }

    /// Returns a client with another maximum time of one attempt, which shares everything else: connections, retry budget and
    /// rate limit. At least one millisecond. Like [`ClientBuilder::timeout`], it does not apply to transfers, and
    /// [`RetryPolicy::deadline`] limits a call with all its attempts.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// use std::time::Duration;
    ///
    /// let patient = client.with_timeout(Duration::from_secs(120));
    /// let context = patient.contexts().get_or_create("my-project").await?;
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        let mut inner = ClientInner::clone(&self.0);
        inner.timeout = timeout.max(MIN_TIMEOUT);
        Self(Arc::new(inner))
    }

    /// Returns the retry budget, which clones share.
    pub fn retry_budget(&self) -> &RetryBudget {
        &self.0.budget
    }

    /// Sends one request without the API key to the endpoint, to diagnose why calls fail.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// let probe = client.probe().await?;
    /// println!("HTTP {}, date {:?}", probe.status, probe.date);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`Connection`](crate::ErrorKind::Connection) or [`Timeout`](crate::ErrorKind::Timeout) if there is no response.
    pub async fn probe(&self) -> Result<Probe> {
        let response = self.0.store.probe(self.endpoint()).await?;
        Ok(Probe {
            status: response.status().as_u16(),
            date: http_date(response.headers(), &DATE),
        })
    }

    fn new(mut settings: ClientSettings) -> Result<Self> {
        let service_clock = ServiceClock::default();
        let (api, is_stub): (Arc<dyn ContextApi>, _) = match settings.stub.take() {
            Some(stub) => (stub.0, true),
            None => (Arc::new(http_api(&settings, &service_clock)?), false),
        };
        let limiter = || RateLimiter::new(settings.adaptive_rate_limit);
        let store = Store::new(
            settings.time.clone(),
            settings.idle_timeout,
            limiter(),
            settings.max_bytes_per_second,
            settings.http,
            settings.stub_store,
        );
        Ok(Self(Arc::new(ClientInner {
            api,
            store: Arc::new(store),
            time: settings.time,
            timeout: settings.timeout,
            is_stub,
            retry: settings.retry,
            budget: settings.retry_budget,
            limiter: Arc::new(limiter()),
            overload: Overload::default(),
            jitter: settings.jitter,
            endpoint: Arc::new(settings.endpoint),
            service_clock,
            file_urls: Arc::default(),
            allow_insecure_urls: settings.allow_insecure_urls,
            partial_downloads: settings.partial_downloads.map(Arc::from),
        })))
    }

    fn endpoint_parts(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Rejects an insecure presigned URL of an endpoint with TLS.
    pub(crate) fn check_url(&self, url: &PresignedUrl) -> Result<()> {
        let secure = self.0.endpoint.url.starts_with("https:");
        if !secure || self.0.allow_insecure_urls || url.is_secure() {
            return Ok(());
        }
        let message = "the https endpoint returned a presigned http URL, so that others could read and change the file";
        Err(Error::new(ErrorKind::InsecureUrl, message))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn partial_downloads(&self) -> Option<&Path> {
        self.0.partial_downloads.as_deref()
    }

    pub(crate) fn time(&self) -> &Time {
        &self.0.time
    }

    pub(crate) fn service_clock(&self) -> &ServiceClock {
        &self.0.service_clock
    }

    /// Whether the service has the extension `file-urls`.
    pub(crate) fn file_urls(&self) -> &FileUrlsSupport {
        &self.0.file_urls
    }

    pub(crate) fn overload(&self) -> &Overload {
        &self.0.overload
    }

    pub(crate) fn retry_context(&self) -> RetryContext<'_> {
        let ClientInner {
            retry,
            budget,
            limiter,
            overload,
            jitter,
            time,
            timeout,
            is_stub,
            ..
        } = &*self.0;
        RetryContext {
            policy: retry,
            budget,
            limiter,
            overload,
            jitter,
            time,
            timeout: is_stub.then_some(*timeout),
        }
    }

    /// A client of a mock, with the longest waits between attempts.
    #[cfg(test)]
    pub(crate) fn on(api: impl ContextApi + 'static) -> Self {
        let builder = Self::builder().endpoint("http://wire.test");
        builder.stub(api).jitter(|| 1.0).build().unwrap()
    }
}

fn http_api(settings: &ClientSettings, service_clock: &ServiceClock) -> Result<HttpApi> {
    let url = &settings.endpoint.url;
    let client = settings.http.service_client(url)?;
    let hook = settings.http.service_hook(&settings.api_key)?;
    Ok(HttpApi {
        client: agbcloud_api::Client::new_with_client(url, client, hook),
        api_key: settings.api_key.clone(),
        time: settings.time.clone(),
        service_clock: service_clock.clone(),
    })
}

/// The response of an endpoint to [`Client::probe`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// The HTTP status. Any status shows that the endpoint is reachable.
    pub status: u16,
    /// The `Date` header, to the second.
    pub date: Option<SystemTime>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint())
            .finish_non_exhaustive()
    }
}
