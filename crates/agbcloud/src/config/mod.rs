//! Settings: from code, the environment and `.env`, in this order.

mod api_key;
mod endpoint;
mod setting_source;
mod sources;
pub(crate) mod tls;

use std::time::Duration;

use agbcloud_api::SignedUrl;

pub(crate) use api_key::ApiKey;
pub(crate) use endpoint::Endpoint;
use endpoint::endpoint as endpoint_of;
pub use setting_source::{SettingSource, SettingSources};
use sources::Sources;

use crate::{
    Client, Error, ErrorDetail, ErrorKind, Result, RetryPolicy, clock::Time, retry::Jitter,
    wire::Stub,
};

/// The service that is called when no other is named.
pub const DEFAULT_ENDPOINT: &str = "https://sdk-api.agb.cloud";

/// How long one call may take when nothing else is said.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long no byte of a transfer may move when nothing else is said.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes an [`Client`]. Each setting is taken from the first of these that has it: this builder, the environment, the
/// builder's [fallback](Self::fallback_endpoint) (a profile), a file `.env` in the working directory, the default. A `$` in a
/// `.env` file is an ordinary character. Files in parent folders are not read; [`dotenv(false)`](Self::dotenv) reads none.
///
/// The API key is sent only to an endpoint from the same or a more trusted source. The order of trust is that of the list
/// above; [`DEFAULT_ENDPOINT`] is trusted most. With any other pair, such as a key from the environment and an endpoint from
/// a `.env` file, [`build`](Self::build) fails.
///
/// | setting | environment and `.env` | default |
/// | --- | --- | --- |
/// | [`api_key`](Self::api_key) | `AGB_API_KEY` | none: it is an error |
/// | [`endpoint`](Self::endpoint) | `AGB_ENDPOINT` | [`DEFAULT_ENDPOINT`] |
/// | [`timeout`](Self::timeout) | `AGB_TIMEOUT_MS`, milliseconds | [`DEFAULT_TIMEOUT`] |
///
/// ```
/// use std::time::Duration;
///
/// let client = agbcloud::Client::builder()
///     .api_key("my-api-key")
///     .endpoint("http://127.0.0.1:8780")
///     .timeout(Duration::from_secs(10))
///     .build()?;
/// # Ok::<(), agbcloud::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientBuilder {
    api_key: Option<ApiKey>,
    // Shown without a password that somebody may have put into it.
    endpoint: Option<SignedUrl>,
    fallback_api_key: Option<ApiKey>,
    fallback_endpoint: Option<SignedUrl>,
    timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    ignores_dotenv: bool,
    allow_insecure_urls: bool,
    retry: RetryPolicy,
    pub(crate) time: Time,
    pub(crate) jitter: Jitter,
    pub(crate) stub: Option<Stub>,
}

impl ClientBuilder {
    /// The API key. It is sent to the endpoint alone, and shown nowhere.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(ApiKey::new(key.into()));
        self
    }

    /// The service's base URL. Without a scheme it means `https://`.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(SignedUrl::from(endpoint.into()));
        self
    }

    /// The API key where neither code nor the environment has one, from a program's own profile for example. It comes before
    /// a `.env` file.
    pub fn fallback_api_key(mut self, key: impl Into<String>) -> Self {
        self.fallback_api_key = Some(ApiKey::new(key.into()));
        self
    }

    /// The endpoint where neither code nor the environment names one. It comes before a `.env` file and
    /// [`DEFAULT_ENDPOINT`].
    pub fn fallback_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.fallback_endpoint = Some(SignedUrl::from(endpoint.into()));
        self
    }

    /// Whether the file `.env` in the working directory is read. Defaults to true.
    ///
    /// ```
    /// let builder = agbcloud::Client::builder().dotenv(false);
    /// ```
    pub fn dotenv(mut self, read: bool) -> Self {
        self.ignores_dotenv = !read;
        self
    }

    /// Whether an https endpoint may hand out presigned URLs without TLS. Defaults to false: such a URL fails with
    /// [`ErrorKind::InsecureUrl`], unless its host is loopback. Everybody on the way can read and change what such a URL
    /// transfers.
    pub fn allow_insecure_urls(mut self, allow: bool) -> Self {
        self.allow_insecure_urls = allow;
        self
    }

    /// How long one try of a call to the service may take, from connecting to the last byte of the answer; at least a
    /// millisecond. Transfers of files have no such limit: see [`idle_timeout`](Self::idle_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long no byte of a transfer may move before the try counts as failed; [`DEFAULT_IDLE_TIMEOUT`] if not said.
    /// There is no limit on the time that a transfer takes in all.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// How often and how long a call is tried; see [`RetryPolicy`] for what holds if this is not said.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Settles the settings and makes the client. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if there is no API key, a setting can't be used, or the endpoint comes from a less
    /// trusted source than the API key.
    pub fn build(self) -> Result<Client> {
        let sources = match self.stub {
            // What stands in for the service needs no settings of the machine, and is not to depend on them.
            Some(_) => Sources::default(),
            None => Sources::of_process(!self.ignores_dotenv),
        };
        let settings = self.settle(&sources)?;
        Client::new(settings)
    }

    fn settle(self, sources: &Sources) -> Result<Settings> {
        let setting_sources = self.setting_sources_by(sources);
        let api_key = match setting_sources.api_key {
            SettingSource::Code => self.api_key,
            _ if self.stub.is_some() => Some(ApiKey::new("stub".to_owned())),
            SettingSource::Fallback => self.fallback_api_key,
            origin => sources.find(origin, "AGB_API_KEY").map(ApiKey::new),
        };
        let api_key = api_key.ok_or_else(|| no_key(sources))?;
        if self.stub.is_none() && !setting_sources.trusts_endpoint() {
            return Err(untrusted(setting_sources));
        }
        let endpoint = match setting_sources.endpoint {
            SettingSource::Code => self.endpoint.map(SignedUrl::into_string),
            SettingSource::Fallback => self.fallback_endpoint.map(SignedUrl::into_string),
            origin => sources.find(origin, "AGB_ENDPOINT"),
        };
        let endpoint = endpoint_of(endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT))?;
        if self.stub.is_none() {
            tls::check(&endpoint.url)?;
        }
        let timeout = match self.timeout {
            Some(timeout) => timeout,
            None => sources
                .first("AGB_TIMEOUT_MS")
                .map_or(Ok(DEFAULT_TIMEOUT), |text| milliseconds(&text))?,
        };
        if timeout < Duration::from_millis(1) {
            return Err(wrong("the timeout must be at least one millisecond"));
        }
        Ok(Settings {
            api_key: api_key.checked()?,
            endpoint,
            timeout,
            idle_timeout: self.idle_timeout.unwrap_or(DEFAULT_IDLE_TIMEOUT),
            allow_insecure_urls: self.allow_insecure_urls,
            retry: self.retry,
            time: self.time,
            jitter: self.jitter,
            stub: self.stub,
        })
    }
}

/// Settings that can be used.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) api_key: ApiKey,
    pub(crate) endpoint: Endpoint,
    pub(crate) timeout: Duration,
    pub(crate) idle_timeout: Duration,
    /// Whether an https endpoint may hand out http URLs.
    pub(crate) allow_insecure_urls: bool,
    pub(crate) retry: RetryPolicy,
    pub(crate) time: Time,
    pub(crate) jitter: Jitter,
    /// What answers calls in place of the endpoint.
    pub(crate) stub: Option<Stub>,
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

fn untrusted(setting_sources: SettingSources) -> Error {
    wrong(format!(
        "the API key comes from {} and the endpoint from {}, which is less trusted: set both in one place, or name the \
         endpoint where the key is",
        setting_sources.api_key.place("AGB_API_KEY"),
        setting_sources.endpoint.place("AGB_ENDPOINT"),
    ))
}

fn no_key(sources: &Sources) -> Error {
    let hint = match sources.damaged_line() {
        Some(line) => format!(" (line {line} of the .env file can't be read)"),
        None => String::new(),
    };
    wrong(format!(
        "no API key: set AGB_API_KEY in the environment or in a .env file{hint}"
    ))
    .with_detail(ErrorDetail::NoApiKey)
}

fn milliseconds(text: &str) -> Result<Duration> {
    match text.trim().parse() {
        Ok(number) if number > 0 => Ok(Duration::from_millis(number)),
        _ => Err(wrong(
            "AGB_TIMEOUT_MS must be a whole number of milliseconds, at least 1",
        )),
    }
}

#[cfg(all(test, any(feature = "rustls", feature = "native-tls")))]
mod tests;
