//! Finding one context, by id or by name.

use std::future::IntoFuture;

use futures_core::future::BoxFuture;

use crate::{
    Client, Context, ContextName, Error, Operation, RegionId, Response, Result,
    name::checked,
    wire::{Call, ContextLookup, call},
};

/// A look-up by name that has not been sent: await it. From
/// [`Contexts::get_by_name`](crate::Contexts::get_by_name) and
/// [`Contexts::get_or_create`](crate::Contexts::get_or_create).
#[derive(Debug)]
#[must_use = "a look-up does nothing until it is awaited"]
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

    /// Looks, or creates, in this region instead of the service's default, cn-hangzhou. The same name can
    /// stand once in each region.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// let here = client.contexts().get_or_create("my-project").await?;
    /// let there = client.contexts().get_or_create("my-project").region("cn-shanghai").await?;
    /// assert_ne!(here.id, there.id);
    /// # Ok(())
    /// # }
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

    async fn send(self) -> Result<Response<Context>> {
        let invalid = |error: Error| error.with_operation(Operation::GetContext);
        let name = self.name.map_err(invalid)?;
        let region = self.region.transpose().map_err(invalid)?;
        run(
            &self.client,
            ContextLookup::Name {
                name,
                create: self.create,
                region,
            },
        )
        .await
    }
}

impl IntoFuture for LookupByName {
    type Output = Result<Response<Context>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Looks one context up.
pub(crate) async fn run(client: &Client, lookup: ContextLookup) -> Result<Response<Context>> {
    let what = Call {
        operation: Operation::GetContext,
        limit: None,
        context: match &lookup {
            ContextLookup::Id(id) => Some(id),
            ContextLookup::Name { .. } => None,
        },
    };
    call(client, what, |api| api.get_context(lookup.clone())).await
}
