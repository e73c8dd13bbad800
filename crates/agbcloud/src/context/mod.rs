//! Operations on contexts.

mod list;
mod lookup;

pub use list::{ContextItems, ContextPages, ListContexts};
pub use lookup::LookupByName;

use crate::{
    Files,
    clear::{Clear, ClearHandle, ClearTimedOut, ResumeClear},
    client::{Client, Request, call, get_context, remove},
    error::{Error, Operation, Result, in_operation},
    model::{Context, ContextId, ContextName, checked},
    wire::{ContextApi, ContextLookup},
};

impl Client {
    /// The contexts of the API key.
    pub fn contexts(&self) -> Contexts {
        Contexts {
            client: self.clone(),
        }
    }
}

/// The contexts of an API key, from [`Client::contexts`]. Cheap to clone.
#[derive(Debug, Clone)]
#[doc(alias = "ContextService")]
pub struct Contexts {
    client: Client,
}

impl Contexts {
    /// Lists contexts, by page or by item.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let mut contexts = client.contexts().list().by_item();
    /// while let Some(context) = contexts.next().await {
    ///     println!("{}", context?.name);
    /// }
    /// # Ok(()) });
    /// ```
    #[doc(alias = "ListContexts")]
    pub fn list(&self) -> ListContexts {
        ListContexts::new(self.client.clone())
    }

    /// Gets a context by id.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// # let id = client.contexts().get_or_create("my-project").await?.id.clone();
    /// let context = client.contexts().get(&id).await?; // or a text: get("SdkCtx-…")
    /// assert_eq!(context.name, "my-project");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the key has no such context,
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the id is not a valid [`ContextId`], and those of any call.
    #[doc(alias = "GetContext")]
    pub fn get(&self, id: impl TryInto<ContextId, Error: Into<Error>>) -> Request<Context> {
        let arguments = (self.client.clone(), checked(id));
        Request::new(arguments, |(client, id)| async move {
            let id = id.map_err(in_operation(Operation::GetContext))?;
            get_context(&client, ContextLookup::Id(id)).await
        })
    }

    /// Gets a context by name. Await the result, or set a [region](LookupByName::region) first.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let context = client.contexts().get_by_name("my-project").await?;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the name breaks the rules of [`ContextName`],
    /// [`NotFound`](crate::ErrorKind::NotFound) if it does not exist, and those of any call.
    #[doc(alias = "get")]
    pub fn get_by_name<N>(&self, name: N) -> LookupByName
    where
        N: TryInto<ContextName>,
        N::Error: Into<Error>,
    {
        LookupByName::new(self.client.clone(), checked(name), false)
    }

    /// Gets a context by name, and creates it if it does not exist. This is idempotent.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// let contexts = client.contexts();
    /// let context = contexts.get_or_create("my-project").await?;
    /// assert_eq!(contexts.get_or_create("my-project").await?.id, context.id);
    /// # Ok(()) });
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

    /// Renames a context. Its id, files and state do not change. The current name is allowed.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// client.contexts().rename(&context.id, "our-project").await?;
    /// assert_eq!(client.contexts().get(&context.id).await?.name, "our-project");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if another context of the region has the name,
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context does not exist,
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the id or the name is not valid,
    /// and those of any call.
    #[doc(alias = "update")]
    #[doc(alias = "ModifyContext")]
    pub fn rename(
        &self,
        id: impl TryInto<ContextId, Error: Into<Error>>,
        name: impl TryInto<ContextName, Error: Into<Error>>,
    ) -> Request<()> {
        let arguments = (self.client.clone(), checked(id), checked(name));
        Request::new(arguments, |(client, id, name)| async move {
            let operation = Operation::ModifyContext;
            let (id, name): (Result<ContextId>, Result<ContextName>) = (id, name);
            let id = id.map_err(in_operation(operation))?;
            let at = |error: Error| error.with_operation(operation).with_context(id.as_str());
            let name = name.map_err(at)?;
            let send = |api: &dyn ContextApi| api.modify_context(id.clone(), name.clone());
            call(&client, (operation, &id), send).await
        })
    }

    /// Deletes a context with all its files. Its name can be reused immediately.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// client.contexts().delete(&context.id).await?;
    /// assert!(client.contexts().get(&context.id).await.is_err());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context does not exist,
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the id is not a valid [`ContextId`], and those of any call.
    #[doc(alias = "DeleteContext")]
    pub fn delete(&self, id: impl TryInto<ContextId, Error: Into<Error>>) -> Request<()> {
        let arguments = (self.client.clone(), checked::<ContextId, _>(id));
        Request::new(arguments, |(client, id)| async move {
            let operation = Operation::DeleteContext;
            let id = id.map_err(in_operation(operation))?;
            let send = |api: &dyn ContextApi| api.delete_context(id.clone());
            remove(&client, (operation, &id), send).await
        })
    }

    /// Deletes all files of a context and waits until it is empty. [`start`](Clear::start) does not wait. An id that is not a
    /// valid [`ContextId`] is an error when the clear is sent.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// use std::time::Duration;
    ///
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// let cleared = client.contexts().clear(&context.id).poll_interval(Duration::from_millis(200)).await?;
    /// println!("cleared after {:?}", cleared.elapsed);
    /// # Ok(()) });
    /// ```
    #[doc(alias = "ClearContext")]
    pub fn clear(&self, id: impl TryInto<ContextId, Error: Into<Error>>) -> Clear {
        Clear::new(self.client.clone(), checked(id))
    }

    /// Waits for a clear that was started elsewhere, such as in another process. Await the result, or
    /// [poll once](ResumeClear::status). Starts no clear.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// # let id = client.contexts().get_or_create("my-project").await?.id.clone();
    /// # client.contexts().clear(&id).start().await?;
    /// use agbcloud::Resumed;
    ///
    /// match client.contexts().resume_clear(&id).await? {
    ///     Resumed::Cleared(cleared) => println!("done after {:?}", cleared.elapsed),
    ///     Resumed::NotClearing(_) => println!("there was no clear, or it had ended"),
    /// }
    /// # Ok(()) });
    /// ```
    #[doc(alias = "get_clear_status")]
    pub fn resume_clear(&self, id: impl TryInto<ContextId, Error: Into<Error>>) -> ResumeClear {
        ResumeClear::new(self.client.clone(), checked(id))
    }

    /// Returns the handle of a clear that did not end in time, to continue to wait. The timeout and the poll interval are
    /// those of the first wait, and so are the start of the clear and whether it was seen `clearing`. Nothing is sent. The
    /// listener of [`Clear::on_status`] is not called any more; use [`ClearHandle::statuses`].
    ///
    /// [`ClearTimedOut`] has an example.
    pub fn resume(&self, late: &ClearTimedOut) -> ClearHandle {
        ClearHandle::resume_late(self.client.clone(), late)
    }

    /// The files of one context. Nothing is sent. An id that is not a valid [`ContextId`] is the error of each operation on
    /// the files.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// let files = client.contexts().files("SdkCtx-1");
    /// assert!(files.read("/a.txt").await.is_err_and(|error| error.is_not_found()));
    /// # Ok(()) });
    /// ```
    pub fn files(&self, id: impl TryInto<ContextId, Error: Into<Error>>) -> Files {
        Files::new(self.client.clone(), checked(id))
    }
}
