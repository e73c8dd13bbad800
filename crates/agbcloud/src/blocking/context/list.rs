//! Listing contexts.

use crate::{
    ContextPage, Continuation, Response, Result,
    blocking::{Driver, Iter},
};

/// The pages of a listing of contexts: from [`ListContexts::by_page`].
pub type ContextPages = Iter<crate::ContextPages>;

/// The contexts of a listing, one by one: from [`ListContexts::by_item`].
pub type ContextItems = Iter<crate::ContextItems>;

/// A listing that has not been sent. From [`Contexts::list`](super::Contexts::list). Order: create time.
#[derive(Debug, Clone)]
#[must_use = "a listing does nothing until it is sent or gone through"]
#[doc(alias = "ContextListParams")]
pub struct ListContexts {
    inner: crate::ListContexts,
    driver: Driver,
}

impl ListContexts {
    pub(super) fn new(inner: crate::ListContexts, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// Contexts in one page: see [`ListContexts::page_size`](crate::ListContexts::page_size).
    #[doc(alias = "max_results")]
    pub fn page_size(mut self, size: u32) -> Self {
        self.inner = self.inner.page_size(size);
        self
    }

    /// Starts where a page or an iterator said that the listing goes on: see
    /// [`ListContexts::start_at`](crate::ListContexts::start_at).
    pub fn start_at(mut self, place: impl Into<Continuation>) -> Self {
        self.inner = self.inner.start_at(place);
        self
    }

    /// Whether an iterator fetches the next page while the caller works on this one: see
    /// [`ListContexts::prefetch`](crate::ListContexts::prefetch).
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # client.contexts().get_or_create("my-project").send()?;
    /// for context in client.contexts().list().prefetch(true).by_item() {
    ///     println!("{}", context?.name);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prefetch(mut self, ahead: bool) -> Self {
        self.inner = self.inner.prefetch(ahead);
        self
    }

    /// Fetches one page.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # client.contexts().get_or_create("my-project").send()?;
    /// let page = client.contexts().list().page_size(10).send()?;
    /// println!("{} of {:?}", page.contexts.len(), page.total_count);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`ListContexts::send`](crate::ListContexts::send).
    pub fn send(self) -> Result<Response<ContextPage>> {
        self.driver.run(self.inner.send())?
    }

    /// All pages from here on.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # client.contexts().get_or_create("my-project").send()?;
    /// for page in client.contexts().list().page_size(100).by_page() {
    ///     println!("{} contexts", page?.contexts.len());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn by_page(self) -> ContextPages {
        Iter::new(self.inner.by_page(), self.driver)
    }

    /// All contexts from here on.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # client.contexts().get_or_create("my-project").send()?;
    /// let contexts = client.contexts().list().by_item().collect::<agbcloud::Result<Vec<_>>>()?;
    /// assert_eq!(contexts.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn by_item(self) -> ContextItems {
        Iter::new(self.inner.by_item(), self.driver)
    }
}
