//! The blocking client.

use std::fmt;

use super::{AgbBuilder, Contexts, Driver};
use crate::{Probe, Result};

/// A client of the AGB Cloud Context API whose calls block. Inside is an [`agbcloud::Agb`](crate::Agb) and one
/// thread, named `agbcloud`.
///
/// Cheap to clone; clones share connections and thread, which end with the last of them and of all that was made
/// from them. Keep one per process; any number of threads can call at once.
///
/// ```
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
/// # let (key, endpoint) = ("doc", service.url());
/// let agb = agbcloud::blocking::Agb::builder().api_key(key).endpoint(endpoint).build()?;
/// let context = agb.contexts().get_or_create("my-project").send()?;
/// println!("{} has the id {}", context.name, context.id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Agb {
    inner: crate::Agb,
    driver: Driver,
}

impl Agb {
    pub(super) fn new(inner: crate::Agb, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// Starts to set a client up.
    pub fn builder() -> AgbBuilder {
        AgbBuilder::default()
    }

    /// A client with all settings from the environment and `.env`: see [`AgbBuilder`](crate::AgbBuilder).
    ///
    /// ```no_run
    /// let agb = agbcloud::blocking::Agb::from_env()?;
    /// # Ok::<(), agbcloud::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`build`](super::AgbBuilder::build).
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

    /// Asks the endpoint for anything, without the API key: see [`Agb::probe`](crate::Agb::probe).
    ///
    /// # Errors
    ///
    /// Those of [`Agb::probe`](crate::Agb::probe).
    pub fn probe(&self) -> Result<Probe> {
        self.driver.run(self.inner.probe())?
    }
}

impl fmt::Debug for Agb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("blocking::Agb")
            .field("endpoint", &self.endpoint())
            .finish_non_exhaustive()
    }
}
