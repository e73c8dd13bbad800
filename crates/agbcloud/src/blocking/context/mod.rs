//! Contexts: finding, making, renaming and deleting them.

mod list;
mod lookup;

pub use list::{ContextItems, ContextPages, ListContexts};
pub use lookup::LookupByName;

use super::{Clear, ClearHandle, Driver, Files};
use crate::{ClearTimedOut, Context, ContextId, ContextName, Error, Response, Result};

/// The contexts of an API key: [`agbcloud::Contexts`](crate::Contexts) whose calls block. Cheap to clone.
///
/// From [`Client::contexts`](super::Client::contexts).
#[derive(Debug, Clone)]
#[doc(alias = "ContextService")]
pub struct Contexts {
    inner: crate::Contexts,
    driver: Driver,
}

impl Contexts {
    pub(super) fn new(inner: crate::Contexts, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// Lists the contexts, page by page or one by one.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # client.contexts().get_or_create("my-project").send()?;
    /// for context in client.contexts().list().by_item() {
    ///     println!("{}", context?.name);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "ListContexts")]
    pub fn list(&self) -> ListContexts {
        ListContexts::new(self.inner.list(), self.driver.clone())
    }

    /// Gets a context by its id.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let id = client.contexts().get_or_create("my-project").send()?.id.clone();
    /// let context = client.contexts().get(&id)?;
    /// assert_eq!(context.name, "my-project");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if this key has no such context, and those of any call.
    #[doc(alias = "GetContext")]
    pub fn get(&self, id: &ContextId) -> Result<Response<Context>> {
        self.driver.run(self.inner.get(id))?
    }

    /// Gets a context by its name; [send](LookupByName::send) it, or choose a [region](LookupByName::region) before.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # client.contexts().get_or_create("my-project").send()?;
    /// let context = client.contexts().get_by_name("my-project").send()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "get")]
    pub fn get_by_name<N>(&self, name: N) -> LookupByName
    where
        N: TryInto<ContextName>,
        N::Error: Into<Error>,
    {
        LookupByName::new(self.inner.get_by_name(name), self.driver.clone())
    }

    /// Gets the context of a name, and creates it if there is none. Doing it twice makes one context.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// let contexts = client.contexts();
    /// let context = contexts.get_or_create("my-project").send()?;
    /// assert_eq!(contexts.get_or_create("my-project").send()?.id, context.id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "create")]
    pub fn get_or_create<N>(&self, name: N) -> LookupByName
    where
        N: TryInto<ContextName>,
        N::Error: Into<Error>,
    {
        LookupByName::new(self.inner.get_or_create(name), self.driver.clone())
    }

    /// Gives a context another name. Its id, files and state stay. The name that it has is allowed.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// let context = client.contexts().get_or_create("my-project").send()?;
    /// client.contexts().rename(&context.id, "our-project")?;
    /// assert_eq!(client.contexts().get(&context.id)?.name, "our-project");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
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
    pub fn rename<N>(&self, id: &ContextId, name: N) -> Result<Response<()>>
    where
        N: TryInto<ContextName>,
        N::Error: Into<Error>,
    {
        self.driver.run(self.inner.rename(id, name))?
    }

    /// Deletes a context with all its files. Its name is free at once.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// let context = client.contexts().get_or_create("my-project").send()?;
    /// client.contexts().delete(&context.id)?;
    /// assert!(client.contexts().get(&context.id).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such context, and those of any call.
    #[doc(alias = "DeleteContext")]
    pub fn delete(&self, id: &ContextId) -> Result<Response<()>> {
        self.driver.run(self.inner.delete(id))?
    }

    /// Deletes all files of a context and waits for it; or, with [`start`](Clear::start), does not wait.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # use std::time::Duration;
    /// let context = client.contexts().get_or_create("my-project").send()?;
    /// let cleared = client.contexts().clear(&context.id).poll_interval(Duration::from_millis(200)).send()?;
    /// println!("cleared after {:?}", cleared.elapsed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "ClearContext")]
    pub fn clear(&self, id: &ContextId) -> Clear {
        Clear::new(self.inner.clear(id), self.driver.clone())
    }

    /// Takes up a clear that was started elsewhere: in another process, or before a restart. Nothing is sent.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let id = client.contexts().get_or_create("my-project").send()?.id.clone();
    /// let state = client.contexts().resume_clear(&id).status()?;
    /// println!("the context is {}", *state);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "get_clear_status")]
    pub fn resume_clear(&self, id: &ContextId) -> ClearHandle {
        ClearHandle::new(self.inner.resume_clear(id), self.driver.clone())
    }

    /// Takes up a clear that did not end in time. Waiting with it goes on from what was seen and from the same start, which
    /// [`resume_clear`](Self::resume_clear) can't know. Nothing is sent.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # use std::time::Duration;
    /// let contexts = client.contexts();
    /// let context = contexts.get_or_create("my-project").send()?;
    /// if let Err(error) = contexts.clear(&context.id).timeout(Duration::from_millis(1)).send() {
    ///     let Some(late) = error.clear_timeout() else { return Err(error.into()) };
    ///     println!("{:?} after {:?}", late.last_state, late.elapsed);
    ///     contexts.resume(late).with_timeout(Duration::from_secs(60)).wait()?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume(&self, late: &ClearTimedOut) -> ClearHandle {
        ClearHandle::new(self.inner.resume(late), self.driver.clone())
    }

    /// The files of one context.
    pub fn files(&self, id: &ContextId) -> Files {
        Files::new(self.inner.files(id), self.driver.clone())
    }
}
