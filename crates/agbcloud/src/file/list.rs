//! Listing the entries of a folder.

use super::{FileEntry, FileWalk, source::FileSource};
use crate::{
    Client, ContextId, Continuation, Error, FolderPath, Operation, Response, Result,
    model::{FilePosition, checked},
    page::{DeliveredItems, Items, Pages, named_stream, page_size},
};

/// A listing that has not been sent. From [`Files::list`](crate::Files::list). Order: as the service gives it.
#[derive(Debug)]
#[must_use = "a listing does nothing until it is sent or streamed"]
pub struct ListFiles {
    client: Client,
    context: ContextId,
    folder: Result<FolderPath>,
    start: Start,
    page_size: Option<u32>,
    prefetch: bool,
}

#[derive(Debug)]
enum Start {
    Page(u32),
    At(Continuation),
}

/// One page of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "ContextFileListResult")]
pub struct FilePage {
    /// The entries of this page.
    pub entries: Vec<FileEntry>,
    /// Number of this page, from 1.
    pub page_number: u32,
    /// Number of the next page, for [`ListFiles::start_at_page`]; `None` on the last.
    pub next_page: Option<u32>,
    /// Entries over all pages.
    pub total_count: Option<u64>,
    /// Id of the call that fetched this page.
    pub request_id: Option<String>,
}

impl ListFiles {
    pub(super) fn new(client: Client, context: ContextId) -> Self {
        Self {
            client,
            context,
            folder: Ok(FolderPath::root()),
            start: Start::Page(1),
            page_size: None,
            prefetch: false,
        }
    }

    /// The folder to list; the root if not said.
    #[doc(alias = "parent_folder_path")]
    pub fn folder<P>(mut self, folder: P) -> Self
    where
        P: TryInto<FolderPath>,
        P::Error: Into<Error>,
    {
        self.folder = checked(folder);
        self
    }

    /// Entries in one page: from 1, over 1000 means 1000;
    /// [`DEFAULT_PAGE_SIZE`](crate::DEFAULT_PAGE_SIZE) if not said. A page size of 0 is refused when the
    /// listing is sent. A [continuation](Self::start_at) brings its own.
    pub fn page_size(mut self, size: u32) -> Self {
        self.page_size = Some(size);
        self
    }

    /// Starts at this page, counted from 1; 0 is refused when the listing is sent.
    #[doc(alias = "page_number")]
    pub fn start_at_page(mut self, page: u32) -> Self {
        self.start = Start::Page(page);
        self
    }

    /// Starts where a stream said that it goes on ([`FileItems::continuation`], [`FilePages::continuation`]), with
    /// the page size that it had. One of another folder or context, or of a listing of contexts, is refused when
    /// the listing is sent. Of this and [`start_at_page`](Self::start_at_page), the later one counts.
    pub fn start_at(mut self, place: Continuation) -> Self {
        self.start = Start::At(place);
        self
    }

    /// Whether a stream fetches the next page while the caller works on this one; it does not if not said. The
    /// fetch starts when a page is delivered and ends when the stream is dropped; two pages are held in place of
    /// one. An error of the page ahead comes after all entries before it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// let mut entries = files.list().folder("/data").prefetch(true).by_item();
    /// while let Some(entry) = entries.next().await {
    ///     println!("{}", entry?.path);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn prefetch(mut self, ahead: bool) -> Self {
        self.prefetch = ahead;
        self
    }

    /// Fetches one page.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// let page = client.contexts().files(&context.id).list().folder("/data").page_size(50).send().await?;
    /// assert_eq!(page.total_count, Some(0));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a page or page size of 0, for a folder that
    /// breaks the rules of [`FolderPath`] and for a continuation of another listing, [`NotFound`](crate::ErrorKind::NotFound) if there is no such
    /// context, and those of any call. A folder that does not exist is empty.
    pub async fn send(self) -> Result<Response<FilePage>> {
        let (page, _) = self.into_source().next_page().await?;
        Ok(page)
    }

    /// All pages from here on, as a stream.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// let mut pages = files.list().folder("/data").by_page();
    /// while let Some(page) = pages.next().await {
    ///     println!("{} entries", page?.entries.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn by_page(self) -> FilePages {
        let prefetch = self.prefetch;
        FilePages(self.into_pages(prefetch))
    }

    /// All entries from here on, as a stream.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// let mut entries = files.list().folder("/data").by_item();
    /// while let Some(entry) = entries.next().await {
    ///     println!("{}", entry?.path);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn by_item(self) -> FileItems {
        let prefetch = self.prefetch;
        FileItems(Items::new(self.into_source(), prefetch))
    }

    /// Everything below the folder, folders and files at any depth, as a stream: see [`FileWalk`] for its order and
    /// what it costs. A start other than the first page is refused when the walk begins.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// files.upload("/data/deep/a.txt", &b"hello"[..]).await?;
    /// let mut tree = files.list().walk();
    /// let mut paths = Vec::new();
    /// while let Some(entry) = tree.next().await {
    ///     paths.push(entry?.path);
    /// }
    /// assert_eq!(paths, ["/data", "/data/deep", "/data/deep/a.txt"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn walk(mut self) -> FileWalk {
        if !matches!(self.start, Start::Page(1)) {
            self.folder = Err(Error::invalid_argument(
                "a walk starts at the first page of its folder",
            ));
        }
        FileWalk::new(self)
    }

    pub(super) fn into_pages(self, prefetch: bool) -> Pages<FileSource> {
        Pages::new(self.into_source(), prefetch)
    }

    /// The same listing of another folder, from its start.
    pub(super) fn of(&self, folder: FolderPath) -> Self {
        Self {
            client: self.client.clone(),
            context: self.context.clone(),
            folder: Ok(folder),
            start: Start::Page(1),
            page_size: self.page_size,
            prefetch: self.prefetch,
        }
    }

    pub(super) fn listed_folder(&self) -> Option<&FolderPath> {
        self.folder.as_ref().ok()
    }

    pub(super) fn fetches_ahead(&self) -> bool {
        self.prefetch
    }

    fn into_source(self) -> FileSource {
        let client = self.client.clone();
        let place = self
            .place()
            .map_err(|error| error.with_operation(Operation::DescribeContextFiles));
        FileSource::new(client, place)
    }

    fn place(self) -> Result<FilePosition> {
        let folder = self.folder?;
        let asked = page_size(self.page_size)?;
        let place = match self.start {
            Start::At(place) => place.in_files(&self.context, &folder)?,
            Start::Page(page) => FilePosition {
                context: self.context,
                folder,
                page,
                page_size: asked,
                before: u64::from(page.saturating_sub(1)) * u64::from(asked),
                assumed: page > 1,
                largest: 0,
                last: None,
                delivered: DeliveredItems::default(),
            },
        };
        if place.page == 0 {
            return Err(Error::invalid_argument("pages are counted from 1"));
        }
        let page_size = page_size(Some(place.page_size))?;
        Ok(FilePosition { page_size, ..place })
    }
}

named_stream! {
    /// The pages of a folder. From [`ListFiles::by_page`].
    FilePages, Pages<FileSource>, FilePage
}

named_stream! {
    /// The entries of a folder, one by one. From [`ListFiles::by_item`].
    FileItems, Items<FileSource>, FileEntry
}

impl FilePages {
    /// Where the listing goes on behind the pages that were delivered, also after an error: there it is the page
    /// that failed. `None` once everything has been delivered, and for a listing that is refused before it is
    /// sent. A page that is being fetched has not been delivered.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// let mut pages = files.list().by_page();
    /// while let Some(page) = pages.next().await {
    ///     println!("{} entries; then {:?}", page?.entries.len(), pages.continuation());
    /// }
    /// assert_eq!(pages.continuation(), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn continuation(&self) -> Option<Continuation> {
        self.0.position()
    }
}

impl FileItems {
    /// Where the listing goes on behind the entries that were delivered, also within a page and after an error;
    /// else as [`FilePages::continuation`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// # files.upload("/a.txt", &b"a"[..]).await?;
    /// # files.upload("/b.txt", &b"b"[..]).await?;
    /// let mut entries = files.list().by_item();
    /// let first = entries.next().await.expect("there are two")?;
    /// let place = entries.continuation().expect("one is left");
    /// let rest = files.list().start_at(place).send().await?;
    /// assert_ne!(rest.entries[0].path, first.path);
    /// # Ok(())
    /// # }
    /// ```
    pub fn continuation(&self) -> Option<Continuation> {
        self.0.position()
    }
}

#[cfg(test)]
mod tests;
