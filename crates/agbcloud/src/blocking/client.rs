//! The blocking client.

use std::fmt;

use super::{ClientBuilder, Contexts, Driver};
use crate::{Probe, Result};

/// A client of the AGB Cloud Context API whose calls block. Inside is an [`agbcloud::Client`](crate::Client) and one
/// thread, named `agbcloud`.
///
/// Cheap to clone; clones share connections and thread, which end with the last of them and of all that was made
/// from them. Keep one per process; any number of threads can call at once.
///
/// ```
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
/// # let (key, endpoint) = ("doc", service.url());
/// let client = agbcloud::blocking::Client::builder().api_key(key).endpoint(endpoint).build()?;
/// let context = client.contexts().get_or_create("my-project").send()?;
/// println!("{} has the id {}", context.name, context.id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client {
    inner: crate::Client,
    driver: Driver,
}

impl Client {
    pub(super) fn new(inner: crate::Client, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// Starts to set a client up.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A client with all settings from the environment and `.env`: see [`ClientBuilder`](crate::ClientBuilder).
    ///
    /// ```no_run
    /// let client = agbcloud::blocking::Client::from_env()?;
    /// # Ok::<(), agbcloud::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`build`](super::ClientBuilder::build).
    pub fn from_env() -> Result<Self> {
        Self::builder().build()
    }

    /// The contexts of the API key.
    pub fn contexts(&self) -> Contexts {
        Contexts::new(self.inner.contexts(), self.driver.clone())
    }

    /// The base URL that calls go to.
    pub fn endpoint(&self) -> &str {
        self.inner.endpoint()
    }

    /// Asks the endpoint for anything, without the API key: see [`Client::probe`](crate::Client::probe).
    ///
    /// # Errors
    ///
    /// Those of [`Client::probe`](crate::Client::probe).
    pub fn probe(&self) -> Result<Probe> {
        self.driver.run(self.inner.probe())?
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("blocking::Client")
            .field("endpoint", &self.endpoint())
            .finish_non_exhaustive()
    }
}
