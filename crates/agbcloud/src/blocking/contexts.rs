//! Contexts: list, find, create, rename, delete.

use super::{Clear, ClearHandle, Files, Iter, ResumeClear};
use crate::{
    ClearTimedOut, Context, ContextId, ContextName, ContextPage, Continuation, Error, RegionId,
    Response,
};

/// The pages of a listing of contexts. From [`ListContexts::by_page`].
pub type ContextPages = Iter<crate::ContextPages>;

/// The contexts of a listing, one by one. From [`ListContexts::by_item`].
pub type ContextItems = Iter<crate::ContextItems>;

blocking_type! {
    /// The contexts of an API key: [`agbcloud::Contexts`](crate::Contexts) with blocking calls. Cheap to clone.
    ///
    /// From [`Client::contexts`](super::Client::contexts).
    #[derive(Debug, Clone)]
    #[doc(alias = "ContextService")]
    pub struct Contexts;

    /// Lists the contexts, page by page or one by one.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// let contexts = client.contexts();
    /// for context in contexts.list().by_item() {
    ///     println!("{}", context?.name);
    /// }
    /// for page in contexts.list().page_size(100).by_page() {
    ///     println!("{} contexts", page?.contexts.len());
    /// }
    /// let first_page = contexts.list().page_size(10).send()?;
    /// assert_eq!(first_page.total_count, Some(1));
    /// # Ok(()) });
    /// ```
    #[doc(alias = "ListContexts")]
    make fn list() -> ListContexts;

    /// Gets a context by its id.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// # let id = context.id;
    /// let context = client.contexts().get(&id).send()?;
    /// assert_eq!(context.name, "my-project");
    /// # Ok(()) });
    /// ```
    #[doc(alias = "GetContext")]
    request fn get<I: TryInto<ContextId, Error: Into<Error>>>(id: I) -> Context;

    /// Gets a context by its name.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// let context = client.contexts().get_by_name("my-project").send()?;
    /// # Ok(()) });
    /// ```
    #[doc(alias = "get")]
    make fn get_by_name<N: TryInto<ContextName, Error: Into<Error>>>(name: N) -> LookupByName;

    /// Gets a context by its name, and creates it if it does not exist.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking(|client| {
    /// let contexts = client.contexts();
    /// let context = contexts.get_or_create("my-project").send()?;
    /// assert_eq!(contexts.get_or_create("my-project").send()?.id, context.id);
    ///
    /// let elsewhere = contexts.get_or_create("my-project").region("cn-shanghai").send()?;
    /// assert_ne!(elsewhere.id, context.id);
    /// # Ok(()) });
    /// ```
    #[doc(alias = "create")]
    make fn get_or_create<N: TryInto<ContextName, Error: Into<Error>>>(name: N) -> LookupByName;

    /// Renames a context.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// client.contexts().rename(&context.id, "our-project").send()?;
    /// assert_eq!(client.contexts().get(&context.id).send()?.name, "our-project");
    /// # Ok(()) });
    /// ```
    #[doc(alias = "update")]
    #[doc(alias = "ModifyContext")]
    request fn rename<I: TryInto<ContextId, Error: Into<Error>>, N: TryInto<ContextName, Error: Into<Error>>>(id: I, name: N) -> ();

    /// Deletes a context with all its files.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// client.contexts().delete(&context.id).send()?;
    /// assert!(client.contexts().get(&context.id).send().is_err());
    /// # Ok(()) });
    /// ```
    #[doc(alias = "DeleteContext")]
    request fn delete<I: TryInto<ContextId, Error: Into<Error>>>(id: I) -> ();

    /// Deletes all files of a context.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// let cleared = client.contexts().clear(&context.id).send()?;
    /// println!("cleared after {:?}", cleared.elapsed);
    /// # Ok(()) });
    /// ```
    #[doc(alias = "ClearContext")]
    make fn clear<I: TryInto<ContextId, Error: Into<Error>>>(id: I) -> Clear;

    /// Waits for a clear that was started elsewhere, such as in another process. Starts no clear.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// # client.contexts().clear(&context.id).start()?;
    /// use agbcloud::Resumed;
    ///
    /// match client.contexts().resume_clear(&context.id).send()? {
    ///     Resumed::Cleared(cleared) => println!("done after {:?}", cleared.elapsed),
    ///     Resumed::NotClearing(_) => println!("there was no clear, or it had ended"),
    /// }
    /// # Ok(()) });
    /// ```
    #[doc(alias = "get_clear_status")]
    make fn resume_clear<I: TryInto<ContextId, Error: Into<Error>>>(id: I) -> ResumeClear;

    /// Returns a handle to a clear that timed out. Sends nothing.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// use std::time::Duration;
    ///
    /// let contexts = client.contexts();
    /// if let Err(error) = contexts.clear(&context.id).timeout(Duration::from_millis(1)).send() {
    ///     let Some(late) = error.clear_timeout() else { return Err(error.into()) };
    ///     println!("{:?} after {:?}", late.last_state, late.elapsed);
    ///     contexts.resume(late).timeout(Duration::from_secs(60)).wait()?;
    /// }
    /// # Ok(()) });
    /// ```
    make fn resume(late: &ClearTimedOut) -> ClearHandle;

    /// Returns the files of one context.
    make fn files<I: TryInto<ContextId, Error: Into<Error>>>(id: I) -> Files;
}

blocking_type! {
    /// A lookup by name that has not been sent. From [`Contexts::get_by_name`] and [`Contexts::get_or_create`].
    #[derive(Debug, Clone)]
    #[must_use = "a lookup does nothing until it is sent"]
    pub struct LookupByName => Context;

    #[doc(alias = "login_region_id")]
    set fn region<R: TryInto<RegionId, Error: Into<Error>>>(region: R);

    /// Sends it and returns the context with the request id.
    send fn with_response() -> Response<Context>;
}

blocking_type! {
    /// A listing that has not been sent, in the order of creation. From [`Contexts::list`].
    #[derive(Debug, Clone)]
    #[must_use = "a listing does nothing until it is sent or iterated"]
    #[doc(alias = "ContextListParams")]
    pub struct ListContexts;

    #[doc(alias = "max_results")]
    set fn page_size(size: u32);
    set fn start_at<P: TryInto<Continuation, Error: Into<Error>>>(position: P);
    set fn start_at_token(token: impl Into<String>);
    set fn prefetch(ahead: bool);

    /// Fetches one page.
    send fn send() -> ContextPage;
    /// Fetches all pages and returns their contexts.
    send fn all() -> Vec<Context>;
    /// Returns an iterator over the pages.
    into fn by_page() -> ContextPages;
    /// Returns an iterator over the contexts of all pages.
    into fn by_item() -> ContextItems;
}
