//! Uploads.

use std::{io, io::SeekFrom};

use agbcloud::{RemotePath, UploadSource, Uploaded};
use bytes::{Buf, Bytes};
use dav_server::{
    DavMethod,
    davpath::DavPath,
    fs::{DavFile, DavMetaData, FsError, FsFuture, FsResult},
};
use futures_util::{FutureExt, Stream, stream};
use http::StatusCode;
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    ContextFileSystem,
    content::{Fingerprint, outcome_is_unknown},
};
use crate::{
    failure::is_missing_file,
    location::Location,
    locks::{ChangeGuard, WriteConflict},
    metadata::Metadata,
    request::Request,
    session::MAX_DESKTOP_FILE_BYTES,
};

/// Number of chunks between the request and the upload.
const CHUNKS: usize = 4;

/// A part of the body of a request.
enum Part {
    Chunk(Bytes),
    End,
}

impl ContextFileSystem {
    pub(super) async fn open_for_writing(
        &self,
        url: &DavPath,
        location: &Location,
        request: &Request,
    ) -> FsResult<Box<dyn DavFile>> {
        let path = match location {
            Location::Path { path, slash: false } if !request.saw_folder() => path,
            _ => {
                let message = "a folder can't be written as a file";
                return Err(request.fail_with(StatusCode::METHOD_NOT_ALLOWED, message));
            }
        };
        if !self.has_parent(path, request).await? {
            // 409, which tells the client to create the folder.
            return Err(FsError::NotFound);
        }
        let in_memory = request.keeps_in_memory(path);
        if request.method == DavMethod::Lock && !in_memory {
            self.create_empty(path, request).await?;
        }
        let sink = match in_memory || request.method == DavMethod::Lock {
            true => Sink::Memory(Vec::new()),
            false => self.start_upload(path, request),
        };
        Ok(Box::new(FileWriter {
            file_system: self.clone(),
            request: request.clone(),
            url: url.clone(),
            path: path.clone(),
            held: self.locks.held(url, &request.tokens),
            received: 0,
            fingerprint: request
                .version_to_replace()
                .is_some()
                .then(Fingerprint::new),
            sink,
            stored: None,
        }))
    }

    /// Creates the file of a lock on a path without one. A file that another client created meanwhile is kept.
    async fn create_empty(&self, path: &RemotePath, request: &Request) -> FsResult<()> {
        let created = self.files.upload(path, Bytes::new()).if_absent().await;
        match created {
            Err(error) if error.status() != Some(412) => Err(request.failed_call(&error)),
            _ => Ok(()),
        }
    }

    /// Starts an upload, which sends nothing before the whole body has arrived.
    fn start_upload(&self, path: &RemotePath, request: &Request) -> Sink {
        let (chunks, received) = mpsc::channel(CHUNKS);
        let source = UploadSource::stream(body_of(received));
        let upload = self.files.upload(path, source);
        // `dav-server` has compared the conditions with the version that it looked up. The store does so again with this
        // version, in one step with the write.
        let upload = match request.version_to_replace() {
            None => upload,
            Some(None) => upload.if_absent(),
            Some(Some(Metadata { etag: None, .. })) => upload,
            Some(Some(Metadata {
                etag: Some(etag), ..
            })) => upload.if_match(etag),
        };
        let mut task = JoinSet::new();
        task.spawn(upload.into_future());
        Sink::Upload { chunks, task }
    }
}

/// The body of an upload. One that ends early is an error, so that a part of a file never replaces it.
fn body_of(parts: mpsc::Receiver<Part>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(Some(parts), async |parts| {
        let mut parts = parts?;
        match parts.recv().await {
            Some(Part::Chunk(chunk)) => Some((Ok(chunk), Some(parts))),
            Some(Part::End) => None,
            None => {
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the request ended early");
                Some((Err(error), None))
            }
        }
    })
}

/// A file that is being written. Dropping it before [`flush`](DavFile::flush) leaves the old file as it is.
struct FileWriter {
    file_system: ContextFileSystem,
    request: Request,
    /// The path by which the locks know the file.
    url: DavPath,
    path: RemotePath,
    /// The tokens of the locks that the client has when the write begins.
    held: Vec<String>,
    received: u64,
    /// Of what was received, if the upload has a condition.
    fingerprint: Option<Fingerprint>,
    sink: Sink,
    stored: Option<Metadata>,
}

enum Sink {
    Upload {
        chunks: mpsc::Sender<Part>,
        /// Aborted on drop.
        task: JoinSet<agbcloud::Result<Uploaded>>,
    },
    Memory(Vec<u8>),
    Closed,
}

impl FileWriter {
    async fn write(&mut self, bytes: Bytes) -> FsResult<()> {
        self.received += bytes.len() as u64;
        if let Some(fingerprint) = &mut self.fingerprint {
            fingerprint.update(&bytes);
        }
        match &mut self.sink {
            Sink::Upload { chunks, .. } => {
                if chunks.send(Part::Chunk(bytes)).await.is_ok() {
                    return Ok(());
                }
                // The upload has failed, for example since the disk is full.
                self.finish().await
            }
            Sink::Memory(content) if self.received <= MAX_DESKTOP_FILE_BYTES as u64 => {
                content.extend_from_slice(&bytes);
                Ok(())
            }
            Sink::Memory(_) => Err(self.too_large()),
            Sink::Closed => Err(FsError::GeneralFailure),
        }
    }

    async fn finish(&mut self) -> FsResult<()> {
        let sink = std::mem::replace(&mut self.sink, Sink::Closed);
        let has_failed = matches!(&sink, Sink::Upload { chunks, .. } if chunks.is_closed());
        let expected = self.request.expected_length;
        if !has_failed && expected.is_some_and(|expected| expected != self.received) {
            let message = "the body of the request has another length than announced";
            return Err(self.request.fail_with(StatusCode::BAD_REQUEST, message));
        }
        // `dav-server` has checked the locks before the body. Until the file is stored, no client gets a lock.
        let _changing = self.begin_write()?;
        match sink {
            Sink::Upload { chunks, mut task } => {
                // Fails if the upload has ended with an error, which is returned.
                let _ = chunks.send(Part::End).await;
                match task.join_next().await {
                    Some(Ok(Ok(uploaded))) => {
                        self.stored = Some(Metadata::of_upload(&uploaded));
                        Ok(())
                    }
                    Some(Ok(Err(error))) => {
                        self.stored = self.find_stored(&error).await?;
                        match self.stored {
                            Some(_) => Ok(()),
                            None => Err(self.upload_failed(&error)),
                        }
                    }
                    _ => Err(FsError::GeneralFailure),
                }
            }
            Sink::Memory(content) => {
                let desktop_files = &self.file_system.session.desktop_files;
                let now = self.request.now;
                self.stored = desktop_files.put(self.path.as_str(), content.into(), now);
                match self.stored {
                    Some(_) => Ok(()),
                    None => Err(self.too_large()),
                }
            }
            Sink::Closed => Err(FsError::GeneralFailure),
        }
    }

    fn begin_write(&self) -> FsResult<ChangeGuard> {
        let locks = &self.file_system.locks;
        let tokens = &self.request.tokens;
        let begun = locks.begin_write(&self.url, tokens, &self.held);
        let adds = self.request.saw_nothing();
        let begun = begun.and_then(|guard| {
            match adds && locks.protect_members(&self.url.parent(), tokens) {
                true => Err(WriteConflict::Locked),
                false => Ok(guard),
            }
        });
        begun.map_err(|conflict| {
            let (status, message) = match conflict {
                WriteConflict::Locked => (
                    StatusCode::LOCKED,
                    "another client has locked the file or its folder during the upload",
                ),
                WriteConflict::LockEnded => (
                    StatusCode::PRECONDITION_FAILED,
                    "the lock of the client has ended during the upload",
                ),
                WriteConflict::Moving => (
                    StatusCode::LOCKED,
                    "another request moves the file or its folder: repeat this one later",
                ),
            };
            self.request.fail_with(status, message)
        })
    }

    /// Returns the version that a failed upload has stored although it is reported to have failed.
    async fn find_stored(&self, error: &agbcloud::Error) -> FsResult<Option<Metadata>> {
        let Some(fingerprint) = self
            .fingerprint
            .as_ref()
            .filter(|_| outcome_is_unknown(error))
        else {
            return Ok(None);
        };
        match self.file_system.find_stored(&self.path, fingerprint).await {
            Err(error) if is_missing_file(&error) => Ok(None),
            found => found.map_err(|error| self.request.failed_call(&error)),
        }
    }

    fn upload_failed(&self, error: &agbcloud::Error) -> FsError {
        match self.request.failed_call(error) {
            // S3 reports so that there is no file with the ETag.
            FsError::NotFound => {
                let message = "the file was deleted meanwhile";
                self.request
                    .fail_with(StatusCode::PRECONDITION_FAILED, message)
            }
            error => error,
        }
    }

    fn too_large(&self) -> FsError {
        let message = "a file of the desktop has at most 1 MiB, since it is kept in memory";
        self.request
            .fail_with(StatusCode::INSUFFICIENT_STORAGE, message)
    }
}

impl DavFile for FileWriter {
    fn metadata(&'_ mut self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        let stored = self.stored.clone().ok_or(FsError::NotFound);
        let stored = stored.map(|metadata| {
            let metadata: Box<dyn DavMetaData> = Box::new(metadata);
            metadata
        });
        std::future::ready(stored).boxed()
    }

    fn write_buf(&'_ mut self, mut buffer: Box<dyn Buf + Send>) -> FsFuture<'_, ()> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        self.write(bytes).boxed()
    }

    fn write_bytes(&'_ mut self, bytes: Bytes) -> FsFuture<'_, ()> {
        self.write(bytes).boxed()
    }

    fn read_bytes(&'_ mut self, _: usize) -> FsFuture<'_, Bytes> {
        std::future::ready(Err(FsError::NotImplemented)).boxed()
    }

    fn seek(&'_ mut self, _: SeekFrom) -> FsFuture<'_, u64> {
        std::future::ready(Err(FsError::NotImplemented)).boxed()
    }

    fn flush(&'_ mut self) -> FsFuture<'_, ()> {
        self.finish().boxed()
    }
}

impl std::fmt::Debug for FileWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileWriter")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
