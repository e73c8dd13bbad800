//! Listing the entries of a folder.

mod page_source;
mod stat;
#[cfg(test)]
mod tests;
mod walk;

pub use walk::FileWalk;

use std::future::IntoFuture;

use futures_core::future::BoxFuture;
use futures_util::TryStreamExt;

use page_source::FilePageSource;

use super::files::Files;
use crate::{
    Client, ContextId, Continuation, Error, FileEntry, FilePage, FolderPath, Operation, Result,
    model::{FilePosition, checked},
    page::{DeliveredItems, Items, Pages, named_stream, page_size},
};

impl Files {
    /// Lists a folder by pages or by entries. Defaults to the root folder.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// let mut entries = files.list().folder("/data").by_item();
    /// while let Some(entry) = entries.next().await {
    ///     let entry = entry?;
    ///     println!("{} {:?}", entry.path, entry.size);
    /// }
    /// # Ok(()) });
    /// ```
    #[doc(alias = "list_files")]
    #[doc(alias = "DescribeContextFiles")]
    pub fn list(&self) -> ListFiles {
        ListFiles {
            client: self.client.clone(),
            context: self.context.clone(),
            folder: Ok(FolderPath::root()),
            start: ListStart::Page(1),
            page_size: None,
            prefetch: false,
        }
    }
}

/// A listing that has not started. From [`Files::list`]. The service determines the order.
#[derive(Debug, Clone)]
#[must_use = "a listing does nothing until it is sent or streamed"]
pub struct ListFiles {
    client: Client,
    context: Result<ContextId>,
    folder: Result<FolderPath>,
    start: ListStart,
    page_size: Option<u32>,
    prefetch: bool,
}

#[derive(Debug, Clone)]
enum ListStart {
    Page(u32),
    At(Result<Continuation>),
}

impl ListFiles {
    /// The folder to list. Defaults to the root folder.
    #[doc(alias = "parent_folder_path")]
    pub fn folder(mut self, folder: impl TryInto<FolderPath, Error: Into<Error>>) -> Self {
        self.folder = checked(folder);
        self
    }

    /// Number of entries on a page, from 1 to 1000; larger numbers mean 1000. Defaults to
    /// [`DEFAULT_PAGE_SIZE`](crate::DEFAULT_PAGE_SIZE). A page size of 0 is an error when the listing is sent. Has no effect
    /// with [`start_at`](Self::start_at).
    pub fn page_size(mut self, size: u32) -> Self {
        self.page_size = Some(size);
        self
    }

    /// Starts at this page, counted from 1. Page 0 is an error when the listing is sent.
    #[doc(alias = "page_number")]
    pub fn start_at_page(mut self, page: u32) -> Self {
        self.start = ListStart::Page(page);
        self
    }

    /// Resumes a listing with its page size, from [`FileItems::continuation`] or [`FilePages::continuation`], or from the text
    /// of one. A continuation of another folder, of another context or of a listing of contexts, and a text that is no
    /// continuation, are an error when the listing is sent. Overrides
    /// [`start_at_page`](Self::start_at_page) if that was called before, and vice versa.
    pub fn start_at(mut self, position: impl TryInto<Continuation, Error: Into<Error>>) -> Self {
        self.start = ListStart::At(checked(position));
        self
    }

    /// Whether a stream fetches the next page while the caller processes the current one. Defaults to `false`. The request
    /// starts when a page is delivered, and is cancelled when the stream is dropped. Two pages are in memory instead of one.
    /// An error of the prefetched page is returned after all entries before it.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let mut entries = files.list().folder("/data").prefetch(true).by_item();
    /// while let Some(entry) = entries.next().await {
    ///     println!("{}", entry?.path);
    /// }
    /// # Ok(()) });
    /// ```
    pub fn prefetch(mut self, prefetch: bool) -> Self {
        self.prefetch = prefetch;
        self
    }

    /// Fetches one page.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let page = client.contexts().files(&context.id).list().folder("/data").page_size(50).send().await?;
    /// assert_eq!(page.total_count, Some(0));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a page or page size of 0, for an invalid [`FolderPath`]
    /// and for a continuation of another listing, [`NotFound`](crate::ErrorKind::NotFound) if the context does not exist,
    /// and those of any call. A folder that does not exist is empty.
    pub async fn send(self) -> Result<FilePage> {
        let (page, _) = self.into_source().next_page().await?;
        Ok(page)
    }

    /// Returns a stream of all pages from the start.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let mut pages = files.list().folder("/data").by_page();
    /// while let Some(page) = pages.next().await {
    ///     println!("{} entries", page?.entries.len());
    /// }
    /// # Ok(()) });
    /// ```
    pub fn by_page(self) -> FilePages {
        let prefetch = self.prefetch;
        FilePages(self.into_pages(prefetch))
    }

    /// Returns a stream of all entries from the start.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let mut entries = files.list().folder("/data").by_item();
    /// while let Some(entry) = entries.next().await {
    ///     println!("{}", entry?.path);
    /// }
    /// # Ok(()) });
    /// ```
    pub fn by_item(self) -> FileItems {
        let prefetch = self.prefetch;
        FileItems(Items::new(self.into_source(), prefetch))
    }

    /// Fetches all pages from the start and returns their entries.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// let entries = files.list().folder("/data").all().await?;
    /// assert_eq!(entries.len(), 1);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send). The entries before the error are lost: see [`by_item`](Self::by_item).
    pub async fn all(self) -> Result<Vec<FileEntry>> {
        self.by_item().try_collect().await
    }

    /// Returns a stream of all folders and files below the folder, at any depth: see [`FileWalk`] for the order and the use
    /// of memory. A start other than the first page is an error.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// files.upload("/data/deep/a.txt", &b"hello"[..]).await?;
    /// let mut tree = files.list().walk();
    /// let mut paths = Vec::new();
    /// while let Some(entry) = tree.next().await {
    ///     paths.push(entry?.path);
    /// }
    /// assert_eq!(paths, ["/data", "/data/deep", "/data/deep/a.txt"]);
    /// # Ok(()) });
    /// ```
    pub fn walk(mut self) -> FileWalk {
        if !matches!(self.start, ListStart::Page(1)) {
            self.folder = Err(Error::invalid_argument(
                "a walk starts at the first page of its folder",
            ));
        }
        FileWalk::new(self)
    }

    fn into_pages(self, prefetch: bool) -> Pages<FilePageSource> {
        Pages::new(self.into_source(), prefetch)
    }

    /// Returns the same listing of another folder, from its first page.
    fn of_folder(&self, folder: FolderPath) -> Self {
        Self {
            client: self.client.clone(),
            context: self.context.clone(),
            folder: Ok(folder),
            start: ListStart::Page(1),
            page_size: self.page_size,
            prefetch: self.prefetch,
        }
    }

    fn listed_folder(&self) -> Option<&FolderPath> {
        self.folder.as_ref().ok()
    }

    fn prefetches(&self) -> bool {
        self.prefetch
    }

    fn into_source(self) -> FilePageSource {
        let client = self.client.clone();
        let position = self
            .position()
            .map_err(|error| error.with_operation(Operation::DescribeContextFiles));
        FilePageSource::new(client, position)
    }

    fn position(self) -> Result<FilePosition> {
        let context = self.context?;
        let folder = self.folder?;
        let requested = page_size(self.page_size)?;
        let position = match self.start {
            ListStart::At(position) => position?.in_files(&context, &folder)?,
            ListStart::Page(page) => FilePosition {
                context,
                folder,
                page,
                page_size: requested,
                before: u64::from(page.saturating_sub(1)) * u64::from(requested),
                assumed: page > 1,
                largest: 0,
                last: None,
                delivered: DeliveredItems::default(),
            },
        };
        if position.page == 0 {
            return Err(Error::invalid_argument("page numbers start at 1"));
        }
        let page_size = page_size(Some(position.page_size))?;
        Ok(FilePosition {
            page_size,
            ..position
        })
    }
}

/// Fetches one page, as [`send`](ListFiles::send) does.
impl IntoFuture for ListFiles {
    type Output = Result<FilePage>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

named_stream! {
    /// A stream of the pages of a folder. From [`ListFiles::by_page`].
    FilePages, Pages<FilePageSource>, FilePage
}

named_stream! {
    /// A stream of the entries of a folder. From [`ListFiles::by_item`].
    FileItems, Items<FilePageSource>, FileEntry
}

impl FilePages {
    /// Returns the position after the delivered pages, from which another listing resumes. After an error it is the page
    /// that failed. `None` after the last page, and for a listing with invalid arguments. A page that is being prefetched
    /// does not count as delivered.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let mut pages = files.list().by_page();
    /// while let Some(page) = pages.next().await {
    ///     println!("{} entries; then {:?}", page?.entries.len(), pages.continuation());
    /// }
    /// assert_eq!(pages.continuation(), None);
    /// # Ok(()) });
    /// ```
    pub fn continuation(&self) -> Option<Continuation> {
        self.0.position()
    }
}

impl FileItems {
    /// Returns the position after the delivered entries, which may be within a page. Otherwise the same as
    /// [`FilePages::continuation`].
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// # for path in ["/a.txt", "/b.txt"] { files.upload(path, &b"hello"[..]).await?; }
    /// let mut entries = files.list().by_item();
    /// let first = entries.next().await.expect("there are two")?;
    /// let place = entries.continuation().expect("one is left");
    /// let rest = files.list().start_at(place).send().await?;
    /// assert_ne!(rest.entries[0].path, first.path);
    /// # Ok(()) });
    /// ```
    pub fn continuation(&self) -> Option<Continuation> {
        self.0.position()
    }
}
