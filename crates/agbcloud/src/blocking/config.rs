//! Settings of the blocking client: those of the async one.

use std::time::Duration;

use super::{Client, Driver};
use crate::{Result, RetryPolicy};

/// Makes an [`Client`]: the settings of [`agbcloud::ClientBuilder`](crate::ClientBuilder), from the same places.
///
/// ```
/// use std::time::Duration;
///
/// let client = agbcloud::blocking::Client::builder()
///     .api_key("my-api-key")
///     .endpoint("http://127.0.0.1:8780")
///     .timeout(Duration::from_secs(10))
///     .build()?;
/// # Ok::<(), agbcloud::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientBuilder(crate::ClientBuilder);

impl ClientBuilder {
    /// The API key: see [`ClientBuilder::api_key`](crate::ClientBuilder::api_key).
    pub fn api_key(self, key: impl Into<String>) -> Self {
        Self(self.0.api_key(key))
    }

    /// The service's base URL: see [`ClientBuilder::endpoint`](crate::ClientBuilder::endpoint).
    pub fn endpoint(self, endpoint: impl Into<String>) -> Self {
        Self(self.0.endpoint(endpoint))
    }

    /// The API key where nothing else names one: see [`ClientBuilder::fallback_api_key`](crate::ClientBuilder::fallback_api_key).
    pub fn fallback_api_key(self, key: impl Into<String>) -> Self {
        Self(self.0.fallback_api_key(key))
    }

    /// The endpoint where nothing else names one: see
    /// [`ClientBuilder::fallback_endpoint`](crate::ClientBuilder::fallback_endpoint).
    pub fn fallback_endpoint(self, endpoint: impl Into<String>) -> Self {
        Self(self.0.fallback_endpoint(endpoint))
    }

    /// Whether `.env` is read: see [`ClientBuilder::dotenv`](crate::ClientBuilder::dotenv).
    pub fn dotenv(self, read: bool) -> Self {
        Self(self.0.dotenv(read))
    }

    /// Whether an https endpoint may hand out http URLs: see
    /// [`ClientBuilder::allow_insecure_urls`](crate::ClientBuilder::allow_insecure_urls).
    pub fn allow_insecure_urls(self, allow: bool) -> Self {
        Self(self.0.allow_insecure_urls(allow))
    }

    /// How long one try of a call may take: see [`ClientBuilder::timeout`](crate::ClientBuilder::timeout).
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(self.0.timeout(timeout))
    }

    /// How long no byte of a transfer may move: see [`ClientBuilder::idle_timeout`](crate::ClientBuilder::idle_timeout).
    pub fn idle_timeout(self, timeout: Duration) -> Self {
        Self(self.0.idle_timeout(timeout))
    }

    /// How often and how long a call is tried: see [`ClientBuilder::retry`](crate::ClientBuilder::retry).
    pub fn retry(self, policy: RetryPolicy) -> Self {
        Self(self.0.retry(policy))
    }

    /// Settles the settings, and makes the client with its thread. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if there is no API key, a setting can't be
    /// used, this is [inside a tokio runtime](super#inside-a-tokio-runtime), or the system gives no thread.
    pub fn build(self) -> Result<Client> {
        let driver = Driver::start()?;
        Ok(Client::new(self.0.build()?, driver))
    }
}

impl From<crate::ClientBuilder> for ClientBuilder {
    /// With all that was set, what a test can set with the feature `test-util` included.
    fn from(builder: crate::ClientBuilder) -> Self {
        Self(builder)
    }
}
