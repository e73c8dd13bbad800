//! Looks up a context by name.

use std::future::IntoFuture;

use futures_core::future::BoxFuture;

use crate::{
    client::{Client, get_context},
    error::{Error, Operation, Result},
    model::{Context, ContextName, RegionId, Response, checked},
    wire::ContextLookup,
};

/// A lookup by name; await it to send it. From
/// [`Contexts::get_by_name`](crate::Contexts::get_by_name) and
/// [`Contexts::get_or_create`](crate::Contexts::get_or_create).
#[derive(Debug, Clone)]
#[must_use = "a lookup does nothing until it is awaited"]
pub struct LookupByName {
    client: Client,
    name: Result<ContextName>,
    create: bool,
    region: Option<Result<RegionId>>,
}

impl LookupByName {
    pub(super) fn new(client: Client, name: Result<ContextName>, create: bool) -> Self {
        Self {
            client,
            name,
            create,
            region: None,
        }
    }

    /// Sets the region of the context. Defaults to cn-hangzhou. Names are unique per region.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// let first = client.contexts().get_or_create("my-project").await?;
    /// let second = client.contexts().get_or_create("my-project").region("cn-shanghai").await?;
    /// assert_ne!(first.id, second.id);
    /// # Ok(()) });
    /// ```
    #[doc(alias = "login_region_id")]
    pub fn region<R>(mut self, region: R) -> Self
    where
        R: TryInto<RegionId>,
        R::Error: Into<Error>,
    {
        self.region = Some(checked(region));
        self
    }

    /// Sends the lookup.
    ///
    /// # Errors
    ///
    /// Those of [`Contexts::get_by_name`](crate::Contexts::get_by_name) and
    /// [`Contexts::get_or_create`](crate::Contexts::get_or_create).
    pub async fn send(self) -> Result<Context> {
        Ok(self.with_response().await?.into_inner())
    }

    /// Sends it and returns the value with the request id.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub async fn with_response(self) -> Result<Response<Context>> {
        let invalid = |error: Error| error.with_operation(Operation::GetContext);
        let name = self.name.map_err(invalid)?;
        let region = self.region.transpose().map_err(invalid)?;
        let lookup = ContextLookup::Name {
            name,
            create: self.create,
            region,
        };
        get_context(&self.client, lookup).await
    }
}

impl IntoFuture for LookupByName {
    type Output = Result<Context>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
