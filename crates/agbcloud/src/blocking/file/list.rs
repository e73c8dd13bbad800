//! Listing the entries of a folder.

use crate::{
    Continuation, Error, FilePage, FolderPath, Response, Result,
    blocking::{Driver, Iter},
};

/// The pages of a folder: from [`ListFiles::by_page`].
pub type FilePages = Iter<crate::FilePages>;

/// The entries of a folder, one by one: from [`ListFiles::by_item`].
pub type FileItems = Iter<crate::FileItems>;

/// Everything below a folder: from [`ListFiles::walk`]. [`agbcloud::FileWalk`](crate::FileWalk) tells its order and
/// what it costs.
pub type FileWalk = Iter<crate::FileWalk>;

/// A listing that has not been sent. From [`Files::list`](super::Files::list). Order: as the service gives it.
#[derive(Debug)]
#[must_use = "a listing does nothing until it is sent or gone through"]
pub struct ListFiles {
    inner: crate::ListFiles,
    driver: Driver,
}

impl ListFiles {
    pub(super) fn new(inner: crate::ListFiles, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// The folder to list; the root if not said.
    #[doc(alias = "parent_folder_path")]
    pub fn folder<P>(mut self, folder: P) -> Self
    where
        P: TryInto<FolderPath>,
        P::Error: Into<Error>,
    {
        self.inner = self.inner.folder(folder);
        self
    }

    /// Entries in one page: see [`ListFiles::page_size`](crate::ListFiles::page_size).
    pub fn page_size(mut self, size: u32) -> Self {
        self.inner = self.inner.page_size(size);
        self
    }

    /// Starts at this page, counted from 1; 0 is refused when the listing is sent.
    #[doc(alias = "page_number")]
    pub fn start_at_page(mut self, page: u32) -> Self {
        self.inner = self.inner.start_at_page(page);
        self
    }

    /// Starts where an iterator said that the listing goes on: see [`ListFiles::start_at`](crate::ListFiles::start_at).
    pub fn start_at(mut self, place: Continuation) -> Self {
        self.inner = self.inner.start_at(place);
        self
    }

    /// Whether an iterator fetches the next page while the caller works on this one: see
    /// [`ListFiles::prefetch`](crate::ListFiles::prefetch).
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
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// let page = client.contexts().files(&context.id).list().folder("/data").page_size(50).send()?;
    /// assert_eq!(page.total_count, Some(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`ListFiles::send`](crate::ListFiles::send).
    pub fn send(self) -> Result<Response<FilePage>> {
        self.driver.run(self.inner.send())?
    }

    /// All pages from here on.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// for page in files.list().folder("/data").by_page() {
    ///     println!("{} entries", page?.entries.len());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn by_page(self) -> FilePages {
        Iter::new(self.inner.by_page(), self.driver)
    }

    /// All entries from here on.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// for entry in files.list().folder("/data").by_item() {
    ///     println!("{}", entry?.path);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn by_item(self) -> FileItems {
        Iter::new(self.inner.by_item(), self.driver)
    }

    /// Everything below the folder, folders and files at any depth: see [`ListFiles::walk`](crate::ListFiles::walk).
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// files.upload("/data/deep/a.txt", &b"hello"[..]).send()?;
    /// let mut paths = Vec::new();
    /// for entry in files.list().walk() {
    ///     paths.push(entry?.path);
    /// }
    /// assert_eq!(paths, ["/data", "/data/deep", "/data/deep/a.txt"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn walk(self) -> FileWalk {
        Iter::new(self.inner.walk(), self.driver)
    }
}
