//! The client: the settings, the connections, and the way to everything else.

use std::{fmt, sync::Arc, time::Duration};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};

use crate::{
    AgbBuilder, Contexts, Error, ErrorKind, Result, RetryPolicy,
    config::{ApiKey, Settings},
    file::Store,
    retry::{Budget, Jitter, Retrying},
    wire::{RawWire, Wire},
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
/// let agb = agbcloud::Agb::builder().api_key(key).endpoint(endpoint).build()?;
/// let context = agb.contexts().get_or_create("my-project").await?;
/// println!("{} has the id {}", context.name, context.id);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Agb(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) wire: Box<dyn Wire>,
    pub(crate) store: Store,
    pub(crate) api_key: ApiKey,
    retry: RetryPolicy,
    budget: Budget,
    jitter: Jitter,
    endpoint: String,
}

impl Agb {
    /// Starts to set a client up.
    pub fn builder() -> AgbBuilder {
        AgbBuilder::default()
    }

    /// A client with all settings from the environment and `.env`: see [`AgbBuilder`].
    ///
    /// ```no_run
    /// let agb = agbcloud::Agb::from_env()?;
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
        &self.0.endpoint
    }

    pub(crate) fn new(settings: Settings) -> Result<Self> {
        let raw =
            agbcloud_api::Client::new_with_client(&settings.endpoint, control_client(&settings)?);
        Ok(Self(Arc::new(Shared {
            wire: Box::new(RawWire(raw)),
            store: Store::new()?,
            api_key: settings.api_key,
            retry: settings.retry,
            budget: Budget::default(),
            jitter: Box::new(fastrand::f64),
            endpoint: settings.endpoint,
        })))
    }

    pub(crate) fn retrying(&self) -> Retrying<'_> {
        let Shared {
            retry,
            budget,
            jitter,
            ..
        } = &*self.0;
        Retrying {
            policy: retry,
            budget,
            jitter,
        }
    }

    /// A client that speaks to a scripted wire, and waits as long as it ever would between tries.
    #[cfg(test)]
    pub(crate) fn on(wire: impl Wire + 'static) -> Self {
        Self(Arc::new(Shared {
            wire: Box::new(wire),
            store: Store::new().unwrap(),
            api_key: ApiKey::new("test-key".to_owned()),
            retry: RetryPolicy::default(),
            budget: Budget::default(),
            jitter: Box::new(|| 1.0),
            endpoint: "http://wire.test".to_owned(),
        }))
    }
}

impl fmt::Debug for Agb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agb")
            .field("endpoint", &self.0.endpoint)
            .finish_non_exhaustive()
    }
}

/// What the SDK calls itself in the `user-agent` header.
pub(crate) const AGENT: &str = concat!("agbcloud-rs/", env!("CARGO_PKG_VERSION"));

/// How long an unused connection is kept. Services and gateways close theirs after 30 seconds and more; a call
/// that meets the closing would fail.
pub(crate) const IDLE: Duration = Duration::from_secs(20);

fn control_client(settings: &Settings) -> Result<reqwest::Client> {
    let headers = HeaderMap::from_iter([
        (AUTHORIZATION, settings.api_key.authorization()?),
        (USER_AGENT, HeaderValue::from_static(AGENT)),
    ]);
    reqwest::Client::builder()
        .default_headers(headers)
        .timeout(settings.timeout)
        .pool_idle_timeout(IDLE)
        // A redirected call would carry the key to a place that nobody named.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(client_error)
}

pub(crate) fn client_error(error: reqwest::Error) -> Error {
    Error::new(ErrorKind::Configuration, "the HTTP client can't be made")
        .with_source(error.without_url())
}
