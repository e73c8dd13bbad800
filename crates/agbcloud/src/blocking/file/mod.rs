//! The files of a context.

mod delete;
mod delete_dir;
mod download;
mod list;
mod read;
mod sync;
mod upload;

pub use delete::DeleteFile;
pub use delete_dir::DeleteDir;
pub use download::{Download, DownloadTarget};
pub use list::{FileItems, FilePages, FileWalk, ListFiles};
pub use read::ReadFile;
pub use sync::{SyncDir, SyncPlan};
pub use upload::{Upload, UploadSource};

use super::Driver;
use std::path::PathBuf;

use crate::{ContextId, Error, FileEntry, FolderPath, PresignedUrl, RemotePath, Response, Result};

/// The files of one context: [`agbcloud::Files`](crate::Files) whose calls block. Cheap to clone.
/// From [`Contexts::files`](super::Contexts::files).
#[derive(Debug, Clone)]
pub struct Files {
    inner: crate::Files,
    driver: Driver,
}

impl Files {
    pub(super) fn new(inner: crate::Files, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// The context that these files are in.
    pub fn context_id(&self) -> &ContextId {
        self.inner.context_id()
    }

    /// Lists a folder, page by page or entry by entry; the root if no other is said.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// files.upload("/data/a.txt", &b"hello"[..]).send()?;
    /// for entry in files.list().folder("/data").by_item() {
    ///     let entry = entry?;
    ///     println!("{} {:?}", entry.path, entry.size);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "list_files")]
    #[doc(alias = "DescribeContextFiles")]
    pub fn list(&self) -> ListFiles {
        ListFiles::new(self.inner.list(), self.driver.clone())
    }

    /// Sends a file, through a presigned URL that is asked for.
    ///
    /// The source is a local path, bytes, or a reader of known length: see [`UploadSource`]. It is streamed;
    /// nothing of it is kept. Readers of the file see the old content or the new, whole.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// let uploaded = files.upload("/data/a.txt", &b"hello"[..]).send()?;
    /// assert_eq!(uploaded.bytes, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn upload<P, S>(&self, path: P, source: S) -> Upload
    where
        P: TryInto<RemotePath>,
        P::Error: Into<Error>,
        S: Into<UploadSource>,
    {
        Upload::new(
            self.inner.upload(path, source.into().0),
            self.driver.clone(),
        )
    }

    /// Fetches a file, through a presigned URL that is asked for.
    ///
    /// The target is a local path or a writer: see [`DownloadTarget`]. A local file appears when all of it is
    /// there and verified; until then, and after a failure, the target is untouched.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// # let folder = tempfile::tempdir()?;
    /// # let copy = folder.path().join("copy.txt");
    /// files.upload("/data/a.txt", &b"hello"[..]).send()?;
    /// files.download("/data/a.txt", copy.as_path()).send()?;
    /// assert_eq!(std::fs::read(&copy)?, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn download<P, T>(&self, path: P, target: T) -> Download
    where
        P: TryInto<RemotePath>,
        P::Error: Into<Error>,
        T: Into<DownloadTarget>,
    {
        Download::new(
            self.inner.download(path, target.into().0),
            self.driver.clone(),
        )
    }

    /// Fetches a small file into memory.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// files.upload("/notes.txt", &b"hello"[..]).send()?;
    /// assert_eq!(files.read("/notes.txt").send()?, b"hello"[..]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read<P>(&self, path: P) -> ReadFile
    where
        P: TryInto<RemotePath>,
        P::Error: Into<Error>,
    {
        ReadFile::new(self.inner.read(path), self.driver.clone())
    }

    /// Deletes a file; [send](DeleteFile::send) it, or allow the file to be [missing](DeleteFile::missing_ok)
    /// before.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// # files.upload("/data/a.txt", &b"hello"[..]).send()?;
    /// files.delete("/data/a.txt").send()?;
    /// files.delete("/data/a.txt").missing_ok(true).send()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "delete_file")]
    #[doc(alias = "DeleteContextFile")]
    pub fn delete<P>(&self, path: P) -> DeleteFile
    where
        P: TryInto<RemotePath>,
        P::Error: Into<Error>,
    {
        DeleteFile::new(self.inner.delete(path), self.driver.clone())
    }

    /// Makes a folder of the context like one of this machine: see [`Files::upload_dir`](crate::Files::upload_dir).
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// # let folder = tempfile::tempdir()?;
    /// # std::fs::write(folder.path().join("a.txt"), "hello")?;
    /// let plan = files.upload_dir(folder.path(), "/data").plan()?;
    /// println!("{} changes", plan.changes().len());
    /// let report = plan.run()?;
    /// assert_eq!(report.transferred, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "sync")]
    pub fn upload_dir<P>(&self, local: impl Into<PathBuf>, remote: P) -> SyncDir
    where
        P: TryInto<FolderPath>,
        P::Error: Into<Error>,
    {
        SyncDir::new(self.inner.upload_dir(local, remote), self.driver.clone())
    }

    /// Makes a folder of this machine like one of the context: see [`Files::download_dir`](crate::Files::download_dir).
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// # let folder = tempfile::tempdir()?;
    /// files.upload("/data/a.txt", &b"hello"[..]).send()?;
    /// let report = files.download_dir("/data", folder.path()).send()?;
    /// assert!(report.is_complete());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "sync")]
    pub fn download_dir<P>(&self, remote: P, local: impl Into<PathBuf>) -> SyncDir
    where
        P: TryInto<FolderPath>,
        P::Error: Into<Error>,
    {
        SyncDir::new(self.inner.download_dir(remote, local), self.driver.clone())
    }

    /// The entry of a file or a folder: see [`Files::stat`](crate::Files::stat).
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// files.upload("/data/a.txt", &b"hello"[..]).send()?;
    /// assert_eq!(files.stat("/data/a.txt")?.size, Some(5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Files::stat`](crate::Files::stat).
    pub fn stat<P>(&self, path: P) -> Result<FileEntry>
    where
        P: TryInto<RemotePath>,
        P::Error: Into<Error>,
    {
        let path = crate::model::checked(path);
        let inner = self.inner.clone();
        self.driver.run(async move { inner.stat(path?).await })?
    }

    /// Deletes a folder of the context with all that is in it: see [`Files::delete_dir`](crate::Files::delete_dir).
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// files.upload("/data/deep/a.txt", &b"hello"[..]).send()?;
    /// let report = files.delete_dir("/data").send()?;
    /// assert_eq!(report.deleted, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete_dir<P>(&self, folder: P) -> DeleteDir
    where
        P: TryInto<FolderPath>,
        P::Error: Into<Error>,
    {
        DeleteDir::new(self.inner.delete_dir(folder), self.driver.clone())
    }

    /// Asks for a URL by which anyone can read the file until it expires.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// # files.upload("/data/a.txt", &b"hello"[..]).send()?;
    /// let url = files.download_url("/data/a.txt")?;
    /// println!("good until {:?}: {}", url.expires_at(), url.as_str());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the path breaks the rules of [`RemotePath`],
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such context or file, and those of any call.
    #[doc(alias = "get_file_download_url")]
    #[doc(alias = "GetContextFileDownloadUrl")]
    pub fn download_url<P>(&self, path: P) -> Result<Response<PresignedUrl>>
    where
        P: TryInto<RemotePath>,
        P::Error: Into<Error>,
    {
        self.driver.run(self.inner.download_url(path))?
    }

    /// Asks for a URL by which anyone can write the file until it expires: a PUT with `Content-Length` and
    /// without `Content-Type`.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// let url = files.upload_url("/data/a.txt")?;
    /// files.upload("/data/a.txt", &b"hello"[..]).presigned_url(url.into_inner()).send()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the path breaks the rules of [`RemotePath`],
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such context,
    /// [`Conflict`](crate::ErrorKind::Conflict) while it is being cleared, and those of any call.
    #[doc(alias = "get_file_upload_url")]
    #[doc(alias = "GetContextFileUploadUrl")]
    pub fn upload_url<P>(&self, path: P) -> Result<Response<PresignedUrl>>
    where
        P: TryInto<RemotePath>,
        P::Error: Into<Error>,
    {
        self.driver.run(self.inner.upload_url(path))?
    }
}
