//! Contexts: finding, making, renaming and deleting them.

mod list;
mod lookup;
mod model;

pub use list::{ContextItems, ContextPage, ContextPages, ListContexts};
pub use lookup::LookupByName;
pub(crate) use lookup::run as look_up;
pub use model::{Context, ContextState};

use crate::{
    Clear, ClearHandle, ClearTimedOut, Client, ContextId, ContextName, Error, Files, Operation,
    Response, Result,
    name::checked,
    wire::{ContextLookup, call, remove},
};

/// The contexts of an API key: the reference's `ContextService`. Cheap to clone.
///
/// From [`Client::contexts`].
#[derive(Debug, Clone)]
#[doc(alias = "ContextService")]
pub struct Contexts {
    pub(crate) client: Client,
}

impl Contexts {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Lists the contexts, page by page or one by one.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # client.contexts().get_or_create("my-project").await?;
    /// let mut contexts = client.contexts().list().by_item();
    /// while let Some(context) = contexts.next().await {
    ///     println!("{}", context?.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "ListContexts")]
    pub fn list(&self) -> ListContexts {
        ListContexts::new(self.client.clone())
    }

    /// Gets a context by its id.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let id = client.contexts().get_or_create("my-project").await?.id.clone();
    /// let context = client.contexts().get(&id).await?;
    /// assert_eq!(context.name, "my-project");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if this key has no such context, and those of any call.
    #[doc(alias = "GetContext")]
    pub async fn get(&self, id: &ContextId) -> Result<Response<Context>> {
        lookup::run(&self.client, ContextLookup::Id(id.clone())).await
    }

    /// Gets a context by its name; await the result, or choose a [region](LookupByName::region) before.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # client.contexts().get_or_create("my-project").await?;
    /// let context = client.contexts().get_by_name("my-project").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the name breaks the rules of [`ContextName`],
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is none, and those of any call.
    #[doc(alias = "get")]
    pub fn get_by_name<N>(&self, name: N) -> LookupByName
    where
        N: TryInto<ContextName>,
        N::Error: Into<Error>,
    {
        LookupByName::new(self.client.clone(), checked(name), false)
    }

    /// Gets the context of a name, and creates it if there is none. Doing it twice makes one context.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// let contexts = client.contexts();
    /// let context = contexts.get_or_create("my-project").await?;
    /// assert_eq!(contexts.get_or_create("my-project").await?.id, context.id);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the name breaks the rules of [`ContextName`],
    /// and those of any call.
    #[doc(alias = "create")]
    pub fn get_or_create<N>(&self, name: N) -> LookupByName
    where
        N: TryInto<ContextName>,
        N::Error: Into<Error>,
    {
        LookupByName::new(self.client.clone(), checked(name), true)
    }

    /// Gives a context another name. Its id, files and state stay. The name that it has is allowed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// client.contexts().rename(&context.id, "our-project").await?;
    /// assert_eq!(client.contexts().get(&context.id).await?.name, "our-project");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if another context of the region has the name,
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such context,
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the name breaks the rules of [`ContextName`],
    /// and those of any call.
    #[doc(alias = "update")]
    #[doc(alias = "ModifyContext")]
    pub async fn rename<N>(&self, id: &ContextId, name: N) -> Result<Response<()>>
    where
        N: TryInto<ContextName>,
        N::Error: Into<Error>,
    {
        let operation = Operation::ModifyContext;
        let name = checked(name).map_err(|error| error.with_operation(operation))?;
        call(&self.client, (operation, id), |api| {
            api.modify_context(id.clone(), name.clone())
        })
        .await
    }

    /// Deletes a context with all its files. Its name is free at once.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// client.contexts().delete(&context.id).await?;
    /// assert!(client.contexts().get(&context.id).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such context, and those of any call.
    #[doc(alias = "DeleteContext")]
    pub async fn delete(&self, id: &ContextId) -> Result<Response<()>> {
        let what = (Operation::DeleteContext, id);
        remove(&self.client, what, |api| api.delete_context(id.clone())).await
    }

    /// Deletes all files of a context and waits for it; or, with [`start`](Clear::start), does not wait.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # use std::time::Duration;
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// let cleared = client.contexts().clear(&context.id).poll_interval(Duration::from_millis(200)).await?;
    /// println!("cleared after {:?}", cleared.elapsed);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "ClearContext")]
    pub fn clear(&self, id: &ContextId) -> Clear {
        Clear::new(self.client.clone(), id.clone())
    }

    /// Takes up a clear that was started elsewhere: in another process, or before a restart. Nothing is sent.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let id = client.contexts().get_or_create("my-project").await?.id.clone();
    /// let state = client.contexts().resume_clear(&id).status().await?;
    /// println!("the context is {}", *state);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "get_clear_status")]
    pub fn resume_clear(&self, id: &ContextId) -> ClearHandle {
        ClearHandle::resume(self.client.clone(), id.clone())
    }

    /// Continues to wait for a clear that did not end in time. The new wait has the timeout and the poll interval of the
    /// first one, and keeps what was already known: the start of the clear, and whether it was seen `clearing`. Nothing is
    /// sent. The listener of [`Clear::on_status`] is not called again; use [`ClearHandle::statuses`].
    ///
    /// [`ClearTimedOut`] has an example.
    pub fn resume(&self, late: &ClearTimedOut) -> ClearHandle {
        ClearHandle::resume_late(self.client.clone(), late)
    }

    /// The files of one context.
    pub fn files(&self, id: &ContextId) -> Files {
        Files::new(self.client.clone(), id.clone())
    }
}
