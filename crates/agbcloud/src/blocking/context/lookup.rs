//! Finding one context by its name.

use crate::{Context, Error, RegionId, Response, Result, blocking::Driver};

/// A look-up by name that has not been sent. From [`Contexts::get_by_name`](super::Contexts::get_by_name) and
/// [`Contexts::get_or_create`](super::Contexts::get_or_create).
#[derive(Debug)]
#[must_use = "a look-up does nothing until it is sent"]
pub struct LookupByName {
    inner: crate::LookupByName,
    driver: Driver,
}

impl LookupByName {
    pub(super) fn new(inner: crate::LookupByName, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// Looks, or creates, in this region: see [`LookupByName::region`](crate::LookupByName::region).
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// let here = client.contexts().get_or_create("my-project").send()?;
    /// let there = client.contexts().get_or_create("my-project").region("cn-shanghai").send()?;
    /// assert_ne!(here.id, there.id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "login_region_id")]
    pub fn region<R>(mut self, region: R) -> Self
    where
        R: TryInto<RegionId>,
        R::Error: Into<Error>,
    {
        self.inner = self.inner.region(region);
        self
    }

    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the name breaks the rules of
    /// [`ContextName`](crate::ContextName), [`NotFound`](crate::ErrorKind::NotFound) if there is none and none is
    /// to be created, and those of any call.
    pub fn send(self) -> Result<Response<Context>> {
        self.driver.run(self.inner)?
    }
}
