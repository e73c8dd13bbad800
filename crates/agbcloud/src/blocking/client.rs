//! The blocking client and its settings.

use std::{fmt, time::Duration};

use super::{Contexts, driver::Driver};
use crate::{OutgoingRequest, Probe, Result, RetryBudget, RetryPolicy};

blocking_type! {
    /// A client of the AGB Cloud Context API whose calls block: an [`agbcloud::Client`](crate::Client) and one thread.
    ///
    /// Cheap to clone. Clones share the connections and the thread, which end when the last clone and everything that
    /// was made from the client are dropped. Keep one client per process; any number of threads can use it concurrently.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking(|client| {
    /// # let (key, endpoint) = ("doc", client.endpoint());
    /// let client = agbcloud::blocking::Client::builder().api_key(key).endpoint(endpoint).build()?;
    /// let context = client.contexts().get_or_create("my-project").send()?;
    /// println!("{} has the id {}", context.name, context.id);
    /// # Ok(()) });
    /// ```
    #[derive(Clone)]
    pub struct Client;

    /// Returns the contexts of the API key.
    make fn contexts() -> Contexts;

    /// Returns a client with another retry policy, which shares everything else.
    make fn with_retry(policy: RetryPolicy) -> Client;

    /// Returns a client with another maximum time of one attempt, which shares everything else.
    make fn with_timeout(timeout: Duration) -> Client;

    /// Sends one request without the API key to the endpoint.
    call fn probe() -> Probe;
}

impl Client {
    /// Returns a builder of a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Creates a client with all settings from the environment and `.env`.
    ///
    /// See [`Client::from_env`](crate::Client::from_env).
    ///
    /// # Errors
    ///
    /// Those of [`ClientBuilder::build`].
    pub fn from_env() -> Result<Self> {
        Self::builder().build()
    }

    /// Returns the base URL of the service.
    pub fn endpoint(&self) -> &str {
        self.inner.endpoint()
    }

    /// Returns the retry budget, which clones share.
    pub fn retry_budget(&self) -> &RetryBudget {
        self.inner.retry_budget()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("blocking::Client")
            .field("endpoint", &self.endpoint())
            .finish_non_exhaustive()
    }
}

/// Builds a [`Client`]. The settings and their sources are those of [`agbcloud::ClientBuilder`](crate::ClientBuilder).
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientBuilder {
    inner: crate::ClientBuilder,
}

methods! {
    ClientBuilder;

    set fn api_key(key: impl Into<String>);
    set fn endpoint(endpoint: impl Into<String>);
    set fn fallback_api_key(key: impl Into<String>);
    set fn fallback_endpoint(endpoint: impl Into<String>);
    set fn dotenv(read: bool);
    set fn allow_insecure_urls(allow: bool);
    set fn timeout(timeout: Duration);
    set fn idle_timeout(timeout: Duration);
    set fn max_bytes_per_second(bytes: u64);
    set fn proxy(url: impl Into<String>);
    set fn no_proxy();
    set fn connect_timeout(timeout: Duration);
    set fn pool_idle_timeout(timeout: Duration);
    set fn pool_max_idle_per_host(connections: usize);
    set fn user_agent_suffix(program: impl Into<String>);
    set fn default_header(name: impl Into<String>, value: impl Into<String>);
    set fn on_request(hook: impl Fn(&mut OutgoingRequest<'_>) + Send + Sync + 'static);
    set fn retry(policy: RetryPolicy);
    set fn retry_budget(budget: RetryBudget);
    set fn adaptive_rate_limit(enabled: bool);
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "rustls", feature = "native-tls"))))]
methods! {
    ClientBuilder;

    set fn root_certificates(pem: impl Into<Vec<u8>>);
    set fn client_certificate(chain_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>);
}

impl ClientBuilder {
    /// Resolves the settings, starts the thread and makes the client. Sends nothing.
    ///
    /// # Errors
    ///
    /// Those of [`ClientBuilder::build`](crate::ClientBuilder::build), and
    /// [`Configuration`](crate::ErrorKind::Configuration) [inside a tokio runtime](super#inside-a-tokio-runtime) or if
    /// the system can't start a thread.
    pub fn build(self) -> Result<Client> {
        let driver = Driver::start()?;
        Ok(Client::new(self.inner.build()?, driver))
    }
}

impl From<crate::ClientBuilder> for ClientBuilder {
    /// Keeps all settings, including certificates and those of the features `reqwest-0_13` and `test-util`.
    fn from(inner: crate::ClientBuilder) -> Self {
        Self { inner }
    }
}
