//! Settings of the blocking client: those of the async one.

use std::time::Duration;

use super::{Agb, Driver};
use crate::{Result, RetryPolicy};

/// Makes an [`Agb`]: the settings of [`agbcloud::AgbBuilder`](crate::AgbBuilder), from the same places.
///
/// ```
/// use std::time::Duration;
///
/// let agb = agbcloud::blocking::Agb::builder()
///     .api_key("my-api-key")
///     .endpoint("http://127.0.0.1:8780")
///     .timeout(Duration::from_secs(10))
///     .build()?;
/// # Ok::<(), agbcloud::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct AgbBuilder(crate::AgbBuilder);

impl AgbBuilder {
    /// The API key: see [`AgbBuilder::api_key`](crate::AgbBuilder::api_key).
    pub fn api_key(self, key: impl Into<String>) -> Self {
        Self(self.0.api_key(key))
    }

    /// The service's base URL: see [`AgbBuilder::endpoint`](crate::AgbBuilder::endpoint).
    pub fn endpoint(self, endpoint: impl Into<String>) -> Self {
        Self(self.0.endpoint(endpoint))
    }

    /// The API key where nothing else names one: see [`AgbBuilder::fallback_api_key`](crate::AgbBuilder::fallback_api_key).
    pub fn fallback_api_key(self, key: impl Into<String>) -> Self {
        Self(self.0.fallback_api_key(key))
    }

    /// The endpoint where nothing else names one: see
    /// [`AgbBuilder::fallback_endpoint`](crate::AgbBuilder::fallback_endpoint).
    pub fn fallback_endpoint(self, endpoint: impl Into<String>) -> Self {
        Self(self.0.fallback_endpoint(endpoint))
    }

    /// Whether `.env` is read: see [`AgbBuilder::dotenv`](crate::AgbBuilder::dotenv).
    pub fn dotenv(self, read: bool) -> Self {
        Self(self.0.dotenv(read))
    }

    /// Whether an https endpoint may hand out http URLs: see
    /// [`AgbBuilder::allow_insecure_urls`](crate::AgbBuilder::allow_insecure_urls).
    pub fn allow_insecure_urls(self, allow: bool) -> Self {
        Self(self.0.allow_insecure_urls(allow))
    }

    /// How long one try of a call may take: see [`AgbBuilder::timeout`](crate::AgbBuilder::timeout).
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(self.0.timeout(timeout))
    }

    /// How long no byte of a transfer may move: see [`AgbBuilder::stall_timeout`](crate::AgbBuilder::stall_timeout).
    pub fn stall_timeout(self, timeout: Duration) -> Self {
        Self(self.0.stall_timeout(timeout))
    }

    /// How often and how long a call is tried: see [`AgbBuilder::retry`](crate::AgbBuilder::retry).
    pub fn retry(self, policy: RetryPolicy) -> Self {
        Self(self.0.retry(policy))
    }

    /// Settles the settings, and makes the client with its thread. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if there is no API key, a setting can't be
    /// used, this is [inside a tokio runtime](super#inside-a-tokio-runtime), or the system gives no thread.
    pub fn build(self) -> Result<Agb> {
        let driver = Driver::start()?;
        Ok(Agb::new(self.0.build()?, driver))
    }
}

impl From<crate::AgbBuilder> for AgbBuilder {
    /// With all that was set, what a test can set with the feature `test-util` included.
    fn from(builder: crate::AgbBuilder) -> Self {
        Self(builder)
    }
}
