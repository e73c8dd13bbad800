//! The files of a context.

mod address;
mod checksum;
mod delete;
mod download;
mod list;
mod local;
mod model;
mod progress;
mod source;
mod stall;
mod stat;
mod store;
mod tree;
mod upload;
mod url;
mod walk;

use std::path::PathBuf;

pub use delete::DeleteFile;
pub use download::{Download, DownloadTarget, Downloaded, ReadFile};
pub use list::{FileItems, FilePage, FilePages, ListFiles};
pub use model::{FileEntry, FileKind};
pub use progress::Progress;
pub(crate) use store::Store;
pub use tree::{
    Change, Compare, ConflictPolicy, DEFAULT_MAX_BYTES_IN_FLIGHT, DEFAULT_MAX_CONCURRENT_FILES,
    DeleteDir, DeleteLimit, FileFailure, FileOutcome, GlobError, KeptCopy, PlannedChange,
    SkipReason, SkippedEntry, Symlinks, SyncDir, SyncPlan, SyncReport,
};
pub use upload::{Upload, UploadSource, Uploaded};
pub use url::PresignedUrl;
pub use walk::FileWalk;

use crate::{
    Client, ContextId, Error, FolderPath, Operation, RemotePath, Response, Result, client::call,
    model::checked,
};

/// The files of one context. Cheap to clone. From [`Contexts::files`](crate::Contexts::files).
#[derive(Debug, Clone)]
pub struct Files {
    client: Client,
    context: ContextId,
}

impl Files {
    pub(crate) fn new(client: Client, context: ContextId) -> Self {
        Self { client, context }
    }

    /// The context that these files are in.
    pub fn context_id(&self) -> &ContextId {
        &self.context
    }

    /// Lists a folder, page by page or entry by entry; the root if no other is said.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// let mut entries = files.list().folder("/data").by_item();
    /// while let Some(entry) = entries.next().await {
    ///     let entry = entry?;
    ///     println!("{} {:?}", entry.path, entry.size);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "list_files")]
    #[doc(alias = "DescribeContextFiles")]
    pub fn list(&self) -> ListFiles {
        ListFiles::new(self.client.clone(), self.context.clone())
    }

    /// Sends a file, through a presigned URL that is asked for.
    ///
    /// The source is a local path, bytes, or a reader of known length: see [`UploadSource`]. It is streamed;
    /// nothing of it is kept. Readers of the file see the old content or the new, whole.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// let uploaded = files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// assert_eq!(uploaded.bytes, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn upload<P, S>(&self, path: P, source: S) -> Upload
    where
        P: TryInto<RemotePath>,
        P::Error: Into<Error>,
        S: Into<UploadSource>,
    {
        Upload::new(self.clone(), checked(path), source.into())
    }

    /// Fetches a file, through a presigned URL that is asked for.
    ///
    /// The target is a local path or a writer: see [`DownloadTarget`]. A local file appears when all of it is
    /// there and verified; until then, and after a failure, the target is untouched.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// # let folder = tempfile::tempdir()?;
    /// # let copy = folder.path().join("copy.txt");
    /// files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// files.download("/data/a.txt", copy.as_path()).await?;
    /// assert_eq!(std::fs::read(&copy)?, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    pub fn download<P, T>(&self, path: P, target: T) -> Download
    where
        P: TryInto<RemotePath>,
        P::Error: Into<Error>,
        T: Into<DownloadTarget>,
    {
        Download::new(self.clone(), checked(path), target.into())
    }

    /// Fetches a small file into memory.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// files.upload("/notes.txt", &b"hello"[..]).await?;
    /// assert_eq!(files.read("/notes.txt").await?, b"hello"[..]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn read<P>(&self, path: P) -> ReadFile
    where
        P: TryInto<RemotePath>,
        P::Error: Into<Error>,
    {
        ReadFile::new(self.clone(), checked(path))
    }

    /// Deletes a file; await the result, or allow it to be [missing](DeleteFile::missing_ok) before.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// # files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// files.delete("/data/a.txt").await?;
    /// files.delete("/data/a.txt").missing_ok(true).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "delete_file")]
    #[doc(alias = "DeleteContextFile")]
    pub fn delete<P>(&self, path: P) -> DeleteFile
    where
        P: TryInto<RemotePath>,
        P::Error: Into<Error>,
    {
        DeleteFile::new(self.client.clone(), self.context.clone(), checked(path))
    }

    /// Asks for a URL by which anyone can read the file until it expires.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// # files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// let url = files.download_url("/data/a.txt").await?;
    /// println!("good until {:?}: {}", url.expires_at(), url.as_str());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the path breaks the rules of [`RemotePath`],
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such context or file,
    /// [`InsecureUrl`](crate::ErrorKind::InsecureUrl) if an https endpoint hands out an http URL, and those of any call.
    #[doc(alias = "get_file_download_url")]
    #[doc(alias = "GetContextFileDownloadUrl")]
    pub async fn download_url<P>(&self, path: P) -> Result<Response<PresignedUrl>>
    where
        P: TryInto<RemotePath>,
        P::Error: Into<Error>,
    {
        let operation = Operation::GetContextFileDownloadUrl;
        let path = checked(path).map_err(|error| error.with_operation(operation))?;
        let what = (operation, &self.context);
        let answer = call(&self.client, what, |api| {
            api.download_url(self.context.clone(), path.clone())
        })
        .await?;
        self.check_url(operation, answer)
    }

    /// Asks for a URL by which anyone can write the file until it expires: a PUT with `Content-Length` and
    /// without `Content-Type`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// let url = files.upload_url("/data/a.txt").await?;
    /// files.upload("/data/a.txt", &b"hello"[..]).presigned_url(url.into_inner()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the path breaks the rules of [`RemotePath`],
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such context,
    /// [`Conflict`](crate::ErrorKind::Conflict) while it is being cleared,
    /// [`InsecureUrl`](crate::ErrorKind::InsecureUrl) if an https endpoint hands out an http URL, and those of any call.
    #[doc(alias = "get_file_upload_url")]
    #[doc(alias = "GetContextFileUploadUrl")]
    pub async fn upload_url<P>(&self, path: P) -> Result<Response<PresignedUrl>>
    where
        P: TryInto<RemotePath>,
        P::Error: Into<Error>,
    {
        let operation = Operation::GetContextFileUploadUrl;
        let path = checked(path).map_err(|error| error.with_operation(operation))?;
        let what = (operation, &self.context);
        let answer = call(&self.client, what, |api| {
            api.upload_url(self.context.clone(), path.clone())
        })
        .await?;
        self.check_url(operation, answer)
    }

    fn check_url(
        &self,
        operation: Operation,
        answer: Response<PresignedUrl>,
    ) -> Result<Response<PresignedUrl>> {
        match self.client.check_url(&answer) {
            Ok(()) => Ok(answer),
            Err(error) => Err(error
                .with_operation(operation)
                .with_request_id(answer.request_id().map(str::to_owned))),
        }
    }

    /// Makes a folder of the context like one of this machine: sends what differs. Await it, or look at the
    /// [plan](SyncDir::plan) first.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// # let folder = tempfile::tempdir()?;
    /// # std::fs::write(folder.path().join("a.txt"), "hello")?;
    /// let report = files.upload_dir(folder.path(), "/data").exclude("*.tmp").await?;
    /// assert_eq!((report.transferred, report.unchanged), (1, 0));
    /// let again = files.upload_dir(folder.path(), "/data").await?;
    /// assert_eq!((again.transferred, again.unchanged), (0, 1));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "sync")]
    pub fn upload_dir<P>(&self, local: impl Into<PathBuf>, remote: P) -> SyncDir
    where
        P: TryInto<FolderPath>,
        P::Error: Into<Error>,
    {
        SyncDir::up(self.clone(), local.into(), checked(remote))
    }

    /// Makes a folder of this machine like one of the context: fetches what differs. The local folder is made if there
    /// is none. Await it, or look at the [plan](SyncDir::plan) first.
    ///
    /// No remote path leads out of the local folder: one that would is a failure of its file, and so is one that lies
    /// behind a link.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// # let folder = tempfile::tempdir()?;
    /// files.upload("/data/deep/a.txt", &b"hello"[..]).await?;
    /// let report = files.download_dir("/data", folder.path()).await?;
    /// assert!(report.is_complete());
    /// assert_eq!(std::fs::read(folder.path().join("deep/a.txt"))?, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "sync")]
    pub fn download_dir<P>(&self, remote: P, local: impl Into<PathBuf>) -> SyncDir
    where
        P: TryInto<FolderPath>,
        P::Error: Into<Error>,
    {
        SyncDir::down(self.clone(), checked(remote), local.into())
    }

    /// Deletes a folder of the context with all that is in it. Await it, or look at the [plan](DeleteDir::plan) first.
    /// [`Contexts::clear`](crate::Contexts::clear) empties a whole context, in the background.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// files.upload("/data/deep/a.txt", &b"hello"[..]).await?;
    /// let report = files.delete_dir("/data").await?;
    /// assert!(report.is_complete());
    /// assert_eq!(report.deleted, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete_dir<P>(&self, folder: P) -> DeleteDir
    where
        P: TryInto<FolderPath>,
        P::Error: Into<Error>,
    {
        DeleteDir::new(self.clone(), checked(folder))
    }

    /// What the store tells of a file's content.
    async fn told(&self, path: &RemotePath) -> Result<Option<checksum::Told>> {
        download::told(self, path).await
    }

    fn store(&self) -> &Store {
        self.client.store()
    }
}
