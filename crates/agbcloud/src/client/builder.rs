//! The builder of a client: resolves the settings.

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use agbcloud_api::SignedUrl;

use super::{Client, MIN_TIMEOUT};
use crate::{
    clock::Time,
    config::{
        ApiKey, DEFAULT_ENDPOINT, DEFAULT_IDLE_TIMEOUT, DEFAULT_TIMEOUT, Endpoint, SettingSource,
        SettingSources, Sources, invalid_setting,
    },
    error::{Error, ErrorDetail, Result},
    http_client::{HttpSettings, HttpStack},
    retry::{Jitter, RetryBudget, RetryPolicy},
    transfer::StubStore,
    wire::StubApi,
};

/// Builds a [`Client`].
///
/// Each setting is taken from the first of these sources that has it: this builder, the environment, the
/// [fallback](Self::fallback_endpoint) of this builder (such as a profile), the file `.env` in the working directory, the
/// default. `.env` files in parent folders are ignored, and [`dotenv(false)`](Self::dotenv) ignores all. A `$` in a `.env`
/// file is an ordinary character.
///
/// The API key is sent only to an endpoint from the same or a more trusted source. The sources above are in the order of
/// trust, except that [`DEFAULT_ENDPOINT`](crate::DEFAULT_ENDPOINT) is trusted most. Otherwise, for example with a key from
/// the environment and an endpoint from a `.env` file, [`build`](Self::build) fails.
///
/// | setting | environment and `.env` | default |
/// | --- | --- | --- |
/// | [`api_key`](Self::api_key) | `AGB_API_KEY` | required |
/// | [`endpoint`](Self::endpoint) | `AGB_ENDPOINT` | [`DEFAULT_ENDPOINT`](crate::DEFAULT_ENDPOINT) |
/// | [`timeout`](Self::timeout) | `AGB_TIMEOUT_MS`, in milliseconds | [`DEFAULT_TIMEOUT`](crate::DEFAULT_TIMEOUT) |
///
/// The variables `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR` apply too, but not
/// from a `.env` file: see the [guide](crate::guide::network).
///
/// ```
/// use std::{path::PathBuf, time::Duration};
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
    // `Debug` hides a password in the URL.
    endpoint: Option<SignedUrl>,
    fallback_api_key: Option<ApiKey>,
    fallback_endpoint: Option<SignedUrl>,
    timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    max_bytes_per_second: Option<u64>,
    pub(super) http: HttpSettings,
    ignores_dotenv: bool,
    allow_insecure_urls: bool,
    retry: RetryPolicy,
    retry_budget: Option<RetryBudget>,
    fixed_rate: bool,
    partial_downloads: Option<PathBuf>,
    pub(super) time: Time,
    pub(super) jitter: Jitter,
    pub(super) stub: Option<StubApi>,
    pub(super) stub_store: Option<StubStore>,
}

impl ClientBuilder {
    /// Sets the API key. It is sent only to the endpoint, and never shown.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(ApiKey::new(key.into()));
        self
    }

    /// Sets the base URL of the service. Without a scheme it is `https://`.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(SignedUrl::from(endpoint.into()));
        self
    }

    /// Sets the API key to use if neither code nor the environment has one, for example from a profile. It precedes a
    /// `.env` file.
    pub fn fallback_api_key(mut self, key: impl Into<String>) -> Self {
        self.fallback_api_key = Some(ApiKey::new(key.into()));
        self
    }

    /// Sets the endpoint to use if neither code nor the environment has one. It precedes a `.env` file and
    /// [`DEFAULT_ENDPOINT`](crate::DEFAULT_ENDPOINT).
    pub fn fallback_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.fallback_endpoint = Some(SignedUrl::from(endpoint.into()));
        self
    }

    /// Whether to read the file `.env` in the working directory. Defaults to true.
    ///
    /// ```
    /// let builder = agbcloud::Client::builder().dotenv(false);
    /// ```
    pub fn dotenv(mut self, read: bool) -> Self {
        self.ignores_dotenv = !read;
        self
    }

    /// Whether an https endpoint may return presigned http URLs. Defaults to false: such a URL fails with
    /// [`ErrorKind::InsecureUrl`](crate::ErrorKind::InsecureUrl), unless its host is loopback. Without TLS, others can read
    /// and change the transferred content.
    pub fn allow_insecure_urls(mut self, allow: bool) -> Self {
        self.allow_insecure_urls = allow;
        self
    }

    /// Sets the maximum time of one attempt of a call, from connecting to the last byte of the response. At least one
    /// millisecond; defaults to [`DEFAULT_TIMEOUT`](crate::DEFAULT_TIMEOUT). Transfers have no such limit: see
    /// [`idle_timeout`](Self::idle_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the maximum time of a transfer without a transferred byte, after which the attempt fails. Defaults to
    /// [`DEFAULT_IDLE_TIMEOUT`](crate::DEFAULT_IDLE_TIMEOUT). The total time of a transfer is not limited.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Sets the maximum number of bytes that all transfers of the client and its clones send in a second, and the maximum
    /// that they receive. At least 1; unlimited by default.
    ///
    /// The limit counts the content of files in uploads and downloads, also of syncs. It counts neither HTTP headers and TLS nor
    /// the calls to the service. A transfer that waits for the limit is not idle: see [`idle_timeout`](Self::idle_timeout).
    /// An object store has timeouts of its own, which a rate of a few bytes may exceed.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, _| {
    /// # let (key, endpoint) = ("doc", client.endpoint());
    /// use agbcloud::Client;
    ///
    /// let builder = Client::builder().api_key(key).endpoint(endpoint);
    /// let client = builder.max_bytes_per_second(2 * 1024 * 1024).build()?;
    /// client.contexts().files(&context.id).upload("/a.txt", "hello").await?;
    /// # Ok(()) });
    /// ```
    pub fn max_bytes_per_second(mut self, bytes: u64) -> Self {
        self.max_bytes_per_second = Some(bytes);
        self
    }

    /// Keeps the received parts of interrupted downloads to local files, also after the process ends. A later download of the
    /// same file to the same path continues, if the file has not changed. By default, nothing is kept.
    ///
    /// Applies to files of more than 16 MiB with a strong ETag, of [`download`](crate::Files::download) and
    /// [`download_dir`](crate::Files::download_dir). Completed parts of 16 MiB are kept in a hidden file beside the target,
    /// and a record of each download in this folder, which is created if necessary. [`PartialDownload`](crate::PartialDownload)
    /// lists and deletes them. If the folder can't be written, or another process is downloading the file to the same path,
    /// downloads start from the beginning. On Windows, nothing is kept.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// # let (key, endpoint) = ("doc", client.endpoint());
    /// use agbcloud::{Client, PartialDownload};
    ///
    /// let builder = Client::builder().api_key(key).endpoint(endpoint);
    /// let client = builder.partial_downloads("state/downloads").build()?;
    /// // After an interruption:
    /// for partial in PartialDownload::list("state/downloads")? {
    ///     client.contexts().files(partial.context_id()).download(partial.path(), partial.target()).await?;
    /// }
    /// # Ok(()) });
    /// ```
    pub fn partial_downloads(mut self, folder: impl Into<PathBuf>) -> Self {
        self.partial_downloads = Some(folder.into());
        self
    }

    /// Sets how often and how long calls are retried. Defaults to [`RetryPolicy::default`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets the budget of the retries of the client and its clones. Defaults to a budget of its own with
    /// [`RetryBudget::DEFAULT_CAPACITY`] tokens. Clients with clones of one budget share it.
    ///
    /// ```
    /// use agbcloud::{Client, RetryBudget};
    ///
    /// let budget = RetryBudget::new(1000);
    /// let builder = Client::builder().api_key("k").endpoint("localhost:8780");
    /// let client = builder.retry_budget(budget.clone()).build()?;
    /// assert_eq!(client.retry_budget().available(), budget.available());
    /// # Ok::<(), agbcloud::Error>(())
    /// ```
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.retry_budget = Some(budget);
        self
    }

    /// Whether the client and its clones limit the rate of their requests while the service throttles. Defaults to true.
    ///
    /// Nothing is limited before the first throttling, and from a minute after the last. In between, requests wait in the
    /// order of the calls: the rate falls by 30 % on throttling, returns to the rate at which the service throttled, and
    /// then grows beyond it (CUBIC, as in the adaptive retry mode of the AWS SDKs). It is at least 10 requests a second.
    /// Requests to presigned URLs have a limit of their own. A call whose turn does not come before its deadline fails with
    /// [`ErrorKind::Throttled`](crate::ErrorKind::Throttled) without being sent.
    ///
    /// Set it to false if the requests are limited elsewhere. Throttled calls are still retried.
    pub fn adaptive_rate_limit(mut self, enabled: bool) -> Self {
        self.fixed_rate = !enabled;
        self
    }

    /// Returns the sources that [`build`](Self::build) would take the endpoint and the API key from, for example to
    /// diagnose why a program uses another service than intended.
    ///
    /// ```
    /// use agbcloud::{Client, SettingSource};
    ///
    /// let sources = Client::builder().api_key("my-api-key").setting_sources();
    /// assert_eq!(sources.api_key, SettingSource::Code);
    /// ```
    pub fn setting_sources(&self) -> SettingSources {
        self.setting_sources_in(&Sources::of_process(!self.ignores_dotenv))
    }

    /// Returns the endpoint that [`build`](Self::build) would use, with its scheme. Needs no API key.
    ///
    /// ```
    /// let builder = agbcloud::Client::builder().endpoint("agb.example");
    /// assert_eq!(builder.resolved_endpoint()?, "https://agb.example");
    /// # Ok::<(), agbcloud::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if the endpoint is not valid.
    pub fn resolved_endpoint(&self) -> Result<String> {
        let sources = Sources::of_process(!self.ignores_dotenv);
        Ok(self.endpoint_in(&sources)?.url)
    }

    fn endpoint_in(&self, sources: &Sources) -> Result<Endpoint> {
        let text = |url: &Option<SignedUrl>| url.clone().map(SignedUrl::into_string);
        let endpoint = match self.setting_sources_in(sources).endpoint {
            SettingSource::Code => text(&self.endpoint),
            SettingSource::Fallback => text(&self.fallback_endpoint),
            source => sources.find(source, "AGB_ENDPOINT"),
        };
        Endpoint::parse(endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT))
    }

    /// Resolves the settings and builds the client. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if there is no API key, a setting is invalid, the system
    /// has no root certificates, or the
    /// endpoint is from a less trusted source than the API key.
    pub fn build(self) -> Result<Client> {
        let sources = match self.stub {
            // A client of a stub must not depend on the environment.
            Some(_) => Sources::default(),
            None => Sources::of_process(!self.ignores_dotenv),
        };
        Client::new(self.resolve(&sources)?)
    }

    fn setting_sources_in(&self, sources: &Sources) -> SettingSources {
        let source = |in_code: bool, name: &str, has_fallback: bool| {
            if in_code {
                SettingSource::Code
            } else if sources.has(SettingSource::Environment, name) {
                SettingSource::Environment
            } else if has_fallback {
                SettingSource::Fallback
            } else if sources.has(SettingSource::Dotenv, name) {
                SettingSource::Dotenv
            } else {
                SettingSource::Default
            }
        };
        SettingSources {
            endpoint: source(
                self.endpoint.is_some(),
                "AGB_ENDPOINT",
                self.fallback_endpoint.is_some(),
            ),
            api_key: source(
                self.api_key.is_some(),
                "AGB_API_KEY",
                self.fallback_api_key.is_some(),
            ),
        }
    }

    fn resolve(self, sources: &Sources) -> Result<ClientSettings> {
        let from = self.setting_sources_in(sources);
        let api_key = match from.api_key {
            SettingSource::Code => self.api_key.clone(),
            _ if self.stub.is_some() => Some(ApiKey::new("stub".to_owned())),
            SettingSource::Fallback => self.fallback_api_key.clone(),
            source => sources.find(source, "AGB_API_KEY").map(ApiKey::new),
        };
        let api_key = api_key.ok_or_else(|| no_api_key(sources))?;
        if self.stub.is_none() && !from.trusts_endpoint() {
            return Err(untrusted_endpoint(from));
        }
        let endpoint = self.endpoint_in(sources)?;
        let http = self.http.resolve()?;
        if self.stub.is_none() {
            http.check_tls(&endpoint.url)?;
        }
        let timeout = match self.timeout {
            Some(timeout) => timeout,
            None => sources
                .first("AGB_TIMEOUT_MS")
                .map_or(Ok(DEFAULT_TIMEOUT), |text| milliseconds(&text))?,
        };
        if timeout < MIN_TIMEOUT {
            return Err(invalid_setting(
                "the timeout must be at least one millisecond",
            ));
        }
        let max_bytes_per_second = match self.max_bytes_per_second.map(NonZeroU64::new) {
            Some(None) => {
                return Err(invalid_setting(
                    "the maximum number of bytes per second must be at least 1",
                ));
            }
            limit => limit.flatten(),
        };
        Ok(ClientSettings {
            api_key: api_key.checked()?,
            endpoint,
            timeout,
            idle_timeout: self.idle_timeout.unwrap_or(DEFAULT_IDLE_TIMEOUT),
            max_bytes_per_second,
            http,
            allow_insecure_urls: self.allow_insecure_urls,
            retry: self.retry,
            retry_budget: self.retry_budget.unwrap_or_default(),
            adaptive_rate_limit: !self.fixed_rate,
            partial_downloads: self.partial_downloads,
            time: self.time,
            jitter: self.jitter,
            stub: self.stub,
            stub_store: self.stub_store,
        })
    }
}

/// Resolved settings.
#[derive(Debug, Clone)]
pub(super) struct ClientSettings {
    pub(super) api_key: ApiKey,
    pub(super) endpoint: Endpoint,
    pub(super) timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) max_bytes_per_second: Option<NonZeroU64>,
    pub(super) http: HttpStack,
    pub(super) allow_insecure_urls: bool,
    pub(super) retry: RetryPolicy,
    pub(super) retry_budget: RetryBudget,
    pub(super) adaptive_rate_limit: bool,
    pub(super) partial_downloads: Option<PathBuf>,
    pub(super) time: Time,
    pub(super) jitter: Jitter,
    /// Replaces the service.
    pub(super) stub: Option<StubApi>,
    /// Replaces the object store.
    pub(super) stub_store: Option<StubStore>,
}

fn untrusted_endpoint(sources: SettingSources) -> Error {
    invalid_setting(format!(
        "the API key comes from {}, and the endpoint from {}, which is less trusted: set both in the same place",
        sources.api_key.describe("AGB_API_KEY"),
        sources.endpoint.describe("AGB_ENDPOINT"),
    ))
}

fn no_api_key(sources: &Sources) -> Error {
    let hint = match sources.invalid_line() {
        Some(line) => format!(" (line {line} of the .env file is invalid)"),
        None => String::new(),
    };
    invalid_setting(format!(
        "no API key: set AGB_API_KEY in the environment or in a .env file{hint}"
    ))
    .with_detail(ErrorDetail::NoApiKey)
}

fn milliseconds(text: &str) -> Result<Duration> {
    match text.trim().parse() {
        Ok(number) if number > 0 => Ok(Duration::from_millis(number)),
        _ => Err(invalid_setting(
            "AGB_TIMEOUT_MS must be a whole number of milliseconds, at least 1",
        )),
    }
}

#[cfg(all(test, any(feature = "rustls", feature = "native-tls")))]
#[path = "builder_tests.rs"]
mod tests;
