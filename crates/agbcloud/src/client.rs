//! The client: the settings, the connections, and the way to everything else.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderValue, USER_AGENT};

use crate::{
    ClientBuilder, Contexts, Error, ErrorKind, PresignedUrl, Result, RetryPolicy,
    clock::Time,
    config::{Endpoint, Settings},
    error::date,
    file::Store,
    retry::{Budget, Jitter, Retrying, Strain},
    service_clock::ServiceClock,
    wire::{ContextApi, RawWire},
};

/// A client of the AGB Cloud Context API.
///
/// Cheap to clone; clones share their connections. Keep one per process.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let service = agbcloud_server::Server::builder().start().await?;
/// # let (key, endpoint) = ("doc", service.url());
/// let client = agbcloud::Client::builder().api_key(key).endpoint(endpoint).build()?;
/// let context = client.contexts().get_or_create("my-project").await?;
/// println!("{} has the id {}", context.name, context.id);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) api: Arc<dyn ContextApi>,
    pub(crate) store: Store,
    time: Time,
    /// How long a try may take; `None` where the HTTP library sees to it, which tells more of an answer that stopped
    /// half-way.
    timeout: Option<Duration>,
    retry: RetryPolicy,
    budget: Budget,
    strain: Strain,
    jitter: Jitter,
    endpoint: Endpoint,
    service_clock: ServiceClock,
    allow_insecure_urls: bool,
}

impl Client {
    /// Starts to set a client up.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A client with all settings from the environment and `.env`: see [`ClientBuilder`].
    ///
    /// ```no_run
    /// let client = agbcloud::Client::from_env()?;
    /// # Ok::<(), agbcloud::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if `AGB_API_KEY` is nowhere or a setting can't be used.
    pub fn from_env() -> Result<Self> {
        Self::builder().build()
    }

    /// The contexts of the API key.
    pub fn contexts(&self) -> Contexts {
        Contexts::new(self.clone())
    }

    /// The base URL that calls go to.
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint.url
    }

    /// Asks the endpoint for anything, once and without the API key: what can be told of it when calls fail.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// let probe = client.probe().await?;
    /// println!("it answers with HTTP {}; its clock says {:?}", probe.status, probe.date);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Connection`](crate::ErrorKind::Connection) or [`Timeout`](crate::ErrorKind::Timeout) if nothing answers.
    pub async fn probe(&self) -> Result<Probe> {
        let answer = self.0.store.probe(self.endpoint()).await?;
        Ok(Probe {
            status: answer.status().as_u16(),
            date: date(answer.headers(), &DATE),
        })
    }

    pub(crate) fn new(mut settings: Settings) -> Result<Self> {
        let shared = match settings.stub.take() {
            Some(stub) => Shared::new(stub.0, Some(settings.timeout), settings)?,
            None => {
                let raw = raw(&settings)?;
                let service_clock = raw.service_clock.clone();
                Shared {
                    service_clock,
                    ..Shared::new(Arc::new(raw), None, settings)?
                }
            }
        };
        Ok(Self(Arc::new(shared)))
    }

    pub(crate) fn endpoint_parts(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Refuses a presigned URL without TLS that an endpoint with TLS has handed out.
    pub(crate) fn check_url(&self, url: &PresignedUrl) -> Result<()> {
        let secure = self.0.endpoint.url.starts_with("https:");
        if !secure || self.0.allow_insecure_urls || url.is_secure() {
            return Ok(());
        }
        let message = "the endpoint is https, and the presigned URL that it handed out is http: everybody on the way could \
                       read and change the file";
        Err(Error::new(ErrorKind::InsecureUrl, message))
    }

    pub(crate) fn time(&self) -> &Time {
        &self.0.time
    }

    pub(crate) fn service_clock(&self) -> &ServiceClock {
        &self.0.service_clock
    }

    pub(crate) fn strain(&self) -> &Strain {
        &self.0.strain
    }

    pub(crate) fn retrying(&self) -> Retrying<'_> {
        let Shared {
            retry,
            budget,
            strain,
            jitter,
            time,
            timeout,
            ..
        } = &*self.0;
        Retrying {
            policy: retry,
            budget,
            strain,
            jitter,
            time,
            timeout: *timeout,
        }
    }

    /// A client that speaks to a mock, and waits as long as it ever would between tries.
    #[cfg(test)]
    pub(crate) fn on(api: impl ContextApi + 'static) -> Self {
        let builder = Self::builder().endpoint("http://wire.test");
        builder.stub(api).jitter(|| 1.0).build().unwrap()
    }
}

/// What an endpoint has answered: see [`Client::probe`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// The HTTP status. Any shows that something is there.
    pub status: u16,
    /// What its clock says, to the second, where it tells that.
    pub date: Option<SystemTime>,
}

impl Shared {
    fn new(
        api: Arc<dyn ContextApi>,
        timeout: Option<Duration>,
        settings: Settings,
    ) -> Result<Self> {
        Ok(Self {
            api,
            store: Store::new(settings.time.clone(), settings.idle_timeout),
            time: settings.time,
            timeout,
            retry: settings.retry,
            budget: Budget::default(),
            strain: Strain::default(),
            jitter: settings.jitter,
            endpoint: settings.endpoint,
            service_clock: ServiceClock::default(),
            allow_insecure_urls: settings.allow_insecure_urls,
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint())
            .finish_non_exhaustive()
    }
}

/// What the SDK calls itself in the `user-agent` header.
pub(crate) const AGENT: &str = concat!("agbcloud-rs/", env!("CARGO_PKG_VERSION"));

/// How long an unused connection is kept. Services and gateways close theirs after 30 seconds and more; a call
/// that meets the closing would fail.
pub(crate) const IDLE: Duration = Duration::from_secs(20);

fn raw(settings: &Settings) -> Result<RawWire> {
    let client = control_client(settings)?;
    Ok(RawWire {
        client: agbcloud_api::Client::new_with_client(&settings.endpoint.url, client),
        api_key: settings.api_key.clone(),
        time: settings.time.clone(),
        service_clock: ServiceClock::default(),
    })
}

/// How long connecting may take. A machine that is there answers within a second; one that is not should not use up
/// the time of the whole try.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);

fn control_client(settings: &Settings) -> Result<reqwest::Client> {
    let headers = HeaderMap::from_iter([
        (AUTHORIZATION, settings.api_key.authorization()?),
        (USER_AGENT, HeaderValue::from_static(AGENT)),
    ]);
    let builder = reqwest::Client::builder()
        .default_headers(headers)
        .timeout(settings.timeout)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        // A redirected call would carry the key to a place that nobody named.
        .redirect(reqwest::redirect::Policy::none());
    // Reading the system's certificates takes longer than a call. Without TLS they are not looked at.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let builder = match settings.endpoint.url.starts_with("http://") && !has_proxy() {
        true => builder.tls_certs_only([]),
        false => builder,
    };
    builder.build().map_err(client_error)
}

/// Whether there may be a proxy, which may be spoken to by TLS.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn has_proxy() -> bool {
    ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

pub(crate) fn client_error(error: reqwest::Error) -> Error {
    Error::new(ErrorKind::Configuration, "the HTTP client can't be made")
        .with_source(error.without_url())
}
