//! The files of a context, one at a time.

use std::{
    io::{Read, Write},
    ops::RangeBounds,
    path::PathBuf,
};

use bytes::Bytes;

use super::{
    DeleteDir, Iter, SyncDir, TwoWaySync, offload::OffloadedReader, remote_file::RemoteFile,
};
use crate::{
    ContextId, Continuation, Downloaded, Error, FileChange, FileEntry, FilePage, FolderPath,
    PresignedUrl, Progress, RemotePath, Response, Result, UpdateGuard, Updated, Uploaded,
};

/// The pages of a folder. From [`ListFiles::by_page`].
pub type FilePages = Iter<crate::FilePages>;

/// The entries of a folder, one by one. From [`ListFiles::by_item`].
pub type FileItems = Iter<crate::FileItems>;

/// All entries below a folder. From [`ListFiles::walk`]. See [`agbcloud::FileWalk`](crate::FileWalk) for their order
/// and the number of calls.
pub type FileWalk = Iter<crate::FileWalk>;

blocking_type! {
    /// The files of one context: [`agbcloud::Files`](crate::Files) with blocking calls. Cheap to clone.
    ///
    /// From [`Contexts::files`](super::Contexts::files).
    #[derive(Debug, Clone)]
    pub struct Files;

    /// Lists a folder, page by page or entry by entry.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// files.upload("/data/a.txt", &b"hello"[..]).send()?;
    /// for entry in files.list().folder("/data").by_item() {
    ///     println!("{}", entry?.path);
    /// }
    /// for page in files.list().folder("/data").page_size(100).by_page() {
    ///     println!("{} entries", page?.entries.len());
    /// }
    /// let first_page = files.list().folder("/data").page_size(10).send()?;
    /// assert_eq!(first_page.total_count, Some(1));
    /// # Ok(()) });
    /// ```
    #[doc(alias = "list_files")]
    #[doc(alias = "DescribeContextFiles")]
    make fn list() -> ListFiles;

    /// Opens a file for reading: returns its size and ETag, and then its content as a reader.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// files.upload("/notes.txt", &b"hello"[..]).send()?;
    /// let mut file = files.open("/notes.txt").send()?;
    /// assert_eq!(file.size(), Some(5));
    /// std::io::copy(&mut file, &mut std::io::stdout())?;
    /// # Ok(()) });
    /// ```
    make fn open<P: TryInto<RemotePath, Error: Into<Error>>>(path: P) -> OpenFile;

    /// Reads a small file into memory.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// files.upload("/notes.txt", &b"hello"[..]).send()?;
    /// assert_eq!(files.read("/notes.txt").send()?, b"hello"[..]);
    /// # Ok(()) });
    /// ```
    make fn read<P: TryInto<RemotePath, Error: Into<Error>>>(path: P) -> ReadFile;

    /// Deletes a file.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// # files.upload("/data/a.txt", &b"hello"[..]).send()?;
    /// files.delete("/data/a.txt").send()?;
    /// files.delete("/data/a.txt").missing_ok(true).send()?;
    /// # Ok(()) });
    /// ```
    #[doc(alias = "delete_file")]
    #[doc(alias = "DeleteContextFile")]
    make fn delete<P: TryInto<RemotePath, Error: Into<Error>>>(path: P) -> DeleteFile;

    /// Mirrors a local folder to a folder of the context.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// let plan = files.upload_dir("project", "/data").plan()?;
    /// println!("{} changes", plan.changes().len());
    /// let report = plan.run()?;
    /// assert_eq!(report.transferred, 1);
    /// # Ok(()) });
    /// ```
    #[doc(alias = "sync")]
    make fn upload_dir<P: TryInto<FolderPath, Error: Into<Error>>>(local: impl Into<PathBuf>, remote: P) -> SyncDir;

    /// Mirrors a folder of the context to a local folder.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// files.upload("/data/a.txt", &b"hello"[..]).send()?;
    /// let report = files.download_dir("/data", "copy").send()?;
    /// assert!(report.is_complete());
    /// # Ok(()) });
    /// ```
    #[doc(alias = "sync")]
    make fn download_dir<P: TryInto<FolderPath, Error: Into<Error>>>(remote: P, local: impl Into<PathBuf>) -> SyncDir;

    /// Exchanges the changes of a local folder and a folder of the context.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// files.upload("/data/theirs.txt", &b"theirs"[..]).send()?;
    /// let report = files.sync_dir("project", "/data", "project.state").send()?;
    /// assert_eq!(report.transferred, 2);
    /// # Ok(()) });
    /// ```
    #[doc(alias = "bisync")]
    make fn sync_dir<P: TryInto<FolderPath, Error: Into<Error>>>(local: impl Into<PathBuf>, remote: P, state: impl Into<PathBuf>) -> TwoWaySync;

    /// Returns the entry of a file or a folder.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// files.upload("/data/a.txt", &b"hello"[..]).send()?;
    /// assert_eq!(files.stat("/data/a.txt").send()?.size, Some(5));
    /// # Ok(()) });
    /// ```
    request fn stat<P: TryInto<RemotePath, Error: Into<Error>>>(path: P) -> FileEntry;

    /// Deletes a folder with all its files.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// files.upload("/data/deep/a.txt", &b"hello"[..]).send()?;
    /// let report = files.delete_dir("/data").send()?;
    /// assert_eq!(report.deleted, 1);
    /// # Ok(()) });
    /// ```
    make fn delete_dir<P: TryInto<FolderPath, Error: Into<Error>>>(folder: P) -> DeleteDir;

    /// Requests a presigned URL to read a file.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// # files.upload("/data/a.txt", &b"hello"[..]).send()?;
    /// let url = files.download_url("/data/a.txt").send()?;
    /// println!("valid until {:?}: {}", url.expires_at(), url.as_str());
    /// # Ok(()) });
    /// ```
    #[doc(alias = "get_file_download_url")]
    #[doc(alias = "GetContextFileDownloadUrl")]
    request fn download_url<P: TryInto<RemotePath, Error: Into<Error>>>(path: P) -> PresignedUrl;

    /// Requests a presigned URL to write a file.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// let url = files.upload_url("/data/a.txt").send()?;
    /// files.upload("/data/a.txt", &b"hello"[..]).presigned_url(url).send()?;
    /// # Ok(()) });
    /// ```
    #[doc(alias = "get_file_upload_url")]
    #[doc(alias = "GetContextFileUploadUrl")]
    request fn upload_url<P: TryInto<RemotePath, Error: Into<Error>>>(path: P) -> PresignedUrl;
}

impl Files {
    /// Requests URLs that grant anyone read access to files until they expire: one result for each path, in the same order.
    ///
    /// See [`Files::download_urls`](crate::Files::download_urls).
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// files.upload("/data/a.txt", &b"hello"[..]).send()?;
    /// let urls = files.download_urls(["/data/a.txt", "/data/missing.txt"])?;
    /// assert!(urls[0].is_ok() && urls[1].is_err());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) in async code. The failures of files are in the result.
    pub fn download_urls<P>(
        &self,
        paths: impl IntoIterator<Item = P>,
    ) -> Result<Vec<Result<PresignedUrl>>>
    where
        P: TryInto<RemotePath, Error: Into<Error>>,
    {
        self.driver.run(self.inner.download_urls(paths))
    }

    /// Requests URLs that grant anyone write access to files until they expire: one result for each path, in the same order.
    ///
    /// See [`Files::upload_urls`](crate::Files::upload_urls).
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// for url in files.upload_urls(["/1.json", "/2.json"])? {
    ///     println!("{}", url?.as_str());
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`download_urls`](Self::download_urls).
    pub fn upload_urls<P>(
        &self,
        paths: impl IntoIterator<Item = P>,
    ) -> Result<Vec<Result<PresignedUrl>>>
    where
        P: TryInto<RemotePath, Error: Into<Error>>,
    {
        self.driver.run(self.inner.upload_urls(paths))
    }

    /// Returns the id of the context.
    ///
    /// See [`Files::context_id`](crate::Files::context_id).
    pub fn context_id(&self) -> Result<&ContextId> {
        self.inner.context_id()
    }

    /// Uploads a file from a local path, bytes or a reader.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// let uploaded = files.upload("/data/a.txt", &b"hello"[..]).send()?;
    /// assert_eq!(uploaded.bytes, 5);
    /// # Ok(()) });
    /// ```
    ///
    /// See [`Files::upload`](crate::Files::upload).
    pub fn upload<P, S>(&self, path: P, source: S) -> Upload
    where
        P: TryInto<RemotePath, Error: Into<Error>>,
        S: Into<UploadSource>,
    {
        let inner = self.inner.upload(path, source.into().0);
        Upload::new(inner, self.driver.clone())
    }

    /// Changes a file depending on its content, without losing the changes of other clients.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// let append = |old: Option<bytes::Bytes>| [old.as_deref().unwrap_or_default(), b"line\n"].concat();
    /// files.update("/log", append).send()?;
    /// files.update("/log", append).send()?;
    /// assert_eq!(files.read("/log").send()?, b"line\nline\n"[..]);
    /// # Ok(()) });
    /// ```
    ///
    /// See [`Files::update`](crate::Files::update).
    pub fn update<'a, P, C>(
        &self,
        path: P,
        change: impl FnMut(Option<Bytes>) -> C + Send + 'a,
    ) -> Update<'a>
    where
        P: TryInto<RemotePath, Error: Into<Error>>,
        C: Into<FileChange>,
    {
        let inner = self.inner.update(path, change);
        Update::new(inner, self.driver.clone())
    }

    /// Returns whether the object store evaluates the conditions of writes.
    ///
    /// See [`Files::update_guard`](crate::Files::update_guard).
    ///
    /// # Errors
    ///
    /// Those of [`agbcloud::Files::update_guard`](crate::Files::update_guard).
    pub fn update_guard(&self) -> Result<UpdateGuard> {
        self.driver.run(self.inner.update_guard())?
    }

    /// Returns whether the object store can replace exactly the version with this ETag.
    ///
    /// See [`Files::version_guard`](crate::Files::version_guard).
    ///
    /// # Errors
    ///
    /// Those of [`agbcloud::Files::version_guard`](crate::Files::version_guard).
    pub fn version_guard(&self, etag: &str) -> Result<UpdateGuard> {
        self.driver.run(self.inner.version_guard(etag))?
    }

    /// Downloads a file to a local path or a writer.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// use std::path::Path;
    ///
    /// files.upload("/data/a.txt", &b"hello"[..]).send()?;
    /// files.download("/data/a.txt", Path::new("copy.txt")).send()?;
    /// assert_eq!(std::fs::read("copy.txt")?, b"hello");
    /// # Ok(()) });
    /// ```
    ///
    /// See [`Files::download`](crate::Files::download).
    pub fn download<'w, P, T>(&self, path: P, target: T) -> Download<'w>
    where
        P: TryInto<RemotePath, Error: Into<Error>>,
        T: Into<DownloadTarget<'w>>,
    {
        let inner = self.inner.download(path, target.into().0);
        Download::new(inner, self.driver.clone())
    }
}

blocking_type! {
    /// A listing that has not been sent, in the order of the service. From [`Files::list`].
    #[derive(Debug, Clone)]
    #[must_use = "a listing does nothing until it is sent or iterated"]
    pub struct ListFiles;

    #[doc(alias = "parent_folder_path")]
    set fn folder<P: TryInto<FolderPath, Error: Into<Error>>>(folder: P);
    set fn page_size(size: u32);
    #[doc(alias = "page_number")]
    set fn start_at_page(page: u32);
    set fn start_at<P: TryInto<Continuation, Error: Into<Error>>>(position: P);
    set fn prefetch(ahead: bool);

    /// Fetches one page.
    send fn send() -> FilePage;
    /// Fetches all pages and returns their entries.
    send fn all() -> Vec<FileEntry>;
    /// Returns an iterator over the pages.
    into fn by_page() -> FilePages;
    /// Returns an iterator over the entries of all pages.
    into fn by_item() -> FileItems;

    /// Returns an iterator over all files and folders below the folder, at any depth.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// files.upload("/data/deep/a.txt", &b"hello"[..]).send()?;
    /// let paths: Vec<_> = files.list().walk().map(|entry| Ok(entry?.path)).collect::<agbcloud::Result<_>>()?;
    /// assert_eq!(paths, ["/data", "/data/deep", "/data/deep/a.txt"]);
    /// # Ok(()) });
    /// ```
    into fn walk() -> FileWalk;
}

/// Source of an upload: a reader of known length, or anything that converts to
/// [`agbcloud::UploadSource`](crate::UploadSource), such as a local path or bytes.
#[derive(Debug)]
pub struct UploadSource(crate::UploadSource);

impl UploadSource {
    /// A reader that returns `length` bytes. The upload fails if it has fewer or more; see [`Read::take`] for a part of a
    /// reader.
    ///
    /// The reader runs on a thread of the client and is read as the bytes are sent, at most 128 KiB at a time. If it
    /// fails or panics, the upload fails and has that error as its [source](std::error::Error::source). If it returns
    /// nothing for 30 seconds, the upload fails, but the thread keeps waiting for the reader.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// use agbcloud::blocking::UploadSource;
    /// use std::io::{Read, repeat};
    ///
    /// let dashes = repeat(b'-').take(1_000_000); // or a socket, the output of a child process …
    /// files.upload("/dashes", UploadSource::reader(dashes, 1_000_000)).send()?;
    /// # Ok(()) });
    /// ```
    pub fn reader(reader: impl Read + Send + 'static, length: u64) -> Self {
        let reader = OffloadedReader::new(reader);
        Self(crate::UploadSource::reader(reader, length))
    }

    /// A reader of unknown length. It is read to its end before the upload starts: see
    /// [`agbcloud::UploadSource::stream`](crate::UploadSource::stream).
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// use agbcloud::blocking::UploadSource;
    ///
    /// let output = std::io::Cursor::new("the output of a process"); // any Read
    /// files.upload("/output.txt", UploadSource::reader_to_end(output)).send()?;
    /// # Ok(()) });
    /// ```
    pub fn reader_to_end(reader: impl Read + Send + 'static) -> Self {
        Self(crate::UploadSource::reader_to_end(OffloadedReader::new(
            reader,
        )))
    }
}

impl<S: Into<crate::UploadSource>> From<S> for UploadSource {
    fn from(source: S) -> Self {
        Self(source.into())
    }
}

blocking_type! {
    /// An upload that has not been sent. From [`Files::upload`].
    ///
    /// The listener of [`on_progress`](Self::on_progress) runs on the client's thread, which serves all connections:
    /// it must return quickly.
    ///
    /// # Errors
    ///
    /// Those of [`agbcloud::Files::upload`](crate::Files::upload).
    #[derive(Debug)]
    #[must_use = "an upload does nothing until it is sent"]
    pub struct Upload => Uploaded;

    set fn if_absent();
    set fn if_match(etag: impl Into<String>);
    set fn presigned_url(url: impl TryInto<PresignedUrl, Error: Into<Error>>);
    set fn on_progress(listener: impl Fn(Progress) + Send + Sync + 'static);
}

/// Target of a download: a writer, or anything that converts to [`agbcloud::DownloadTarget`](crate::DownloadTarget),
/// such as a local path or `&mut Vec<u8>`. It may be borrowed.
#[derive(Debug)]
pub struct DownloadTarget<'w>(crate::DownloadTarget<'w>);

impl<'w> DownloadTarget<'w> {
    /// A writer; `&mut writer` can be passed too. It is flushed at the end. If the download fails, the writer may have received
    /// part of the file.
    ///
    /// The writer runs on the thread that waits. If it fails, the download fails and has that error as its
    /// [source](std::error::Error::source).
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// use agbcloud::blocking::DownloadTarget;
    ///
    /// files.upload("/notes.txt", &b"hello\n"[..]).send()?;
    /// files.download("/notes.txt", DownloadTarget::writer(std::io::stdout())).send()?;
    ///
    /// let mut memory = Vec::new();
    /// files.download("/notes.txt", &mut memory).send()?;
    /// assert_eq!(memory, b"hello\n");
    /// # Ok(()) });
    /// ```
    pub fn writer(writer: impl Write + Send + 'w) -> Self {
        Self(crate::DownloadTarget::io_writer(writer))
    }

    /// Passes the content to a function: see [`agbcloud::DownloadTarget::chunks`](crate::DownloadTarget::chunks).
    pub fn chunks(receive: impl FnMut(&[u8]) + Send + 'w) -> Self {
        Self(crate::DownloadTarget::chunks(receive))
    }
}

impl<'w, T: Into<crate::DownloadTarget<'w>>> From<T> for DownloadTarget<'w> {
    fn from(target: T) -> Self {
        Self(target.into())
    }
}

blocking_type! {
    /// A download that has not been sent. From [`Files::download`].
    ///
    /// The listener of [`on_progress`](Self::on_progress) runs on the thread that waits.
    ///
    /// # Errors
    ///
    /// Those of [`agbcloud::Files::download`](crate::Files::download).
    #[derive(Debug)]
    #[must_use = "a download does nothing until it is sent"]
    pub struct Download<'w> => Downloaded;

    set fn overwrite(overwrite: bool);
    set fn durable(durable: bool);
    set fn range(bytes: impl RangeBounds<u64>);
    set fn presigned_url(url: impl TryInto<PresignedUrl, Error: Into<Error>>);
    set fn on_progress(listener: impl Fn(Progress) + Send + Sync + 'static);
}

blocking_type! {
    /// An update that has not been sent. From [`Files::update`].
    ///
    /// # Errors
    ///
    /// Those of [`agbcloud::Files::update`](crate::Files::update).
    #[derive(Debug)]
    #[must_use = "an update does nothing until it is sent"]
    pub struct Update<'a> => Updated;

    set fn limit(bytes: u64);
    set fn max_conflicts(conflicts: u32);
    set fn allow_unguarded(allow: bool);
}

blocking_type! {
    /// A file that is not opened yet. From [`Files::open`].
    ///
    /// # Errors
    ///
    /// Those of [`agbcloud::Files::open`](crate::Files::open).
    #[derive(Debug, Clone)]
    #[must_use = "a file is not opened until this is sent"]
    pub struct OpenFile;

    set fn range(bytes: impl RangeBounds<u64>);
    set fn presigned_url(url: PresignedUrl);
}

impl OpenFile {
    /// Opens the file and blocks until its size is known.
    pub fn send(self) -> Result<RemoteFile> {
        let file = self.driver.run(self.inner)??;
        Ok(RemoteFile::new(file, self.driver))
    }
}

blocking_type! {
    /// A download into memory that has not been sent. From [`Files::read`].
    ///
    /// # Errors
    ///
    /// Those of [`agbcloud::Files::read`](crate::Files::read).
    #[derive(Debug, Clone)]
    #[must_use = "a download does nothing until it is sent"]
    pub struct ReadFile => Bytes;

    set fn limit(bytes: u64);
    set fn range(bytes: impl RangeBounds<u64>);
    set fn presigned_url(url: impl TryInto<PresignedUrl, Error: Into<Error>>);
}

blocking_type! {
    /// A deletion that has not been sent. From [`Files::delete`].
    ///
    /// # Errors
    ///
    /// Those of [`agbcloud::Files::delete`](crate::Files::delete).
    #[derive(Debug, Clone)]
    #[must_use = "a deletion does nothing until it is sent"]
    pub struct DeleteFile => ();

    set fn missing_ok(ok: bool);

    /// Sends it and returns the request id.
    send fn with_response() -> Response<()>;
}
