//! Uploading one file.

mod body;
mod source;
mod spool;

use std::{future::IntoFuture, sync::Arc};

use futures_core::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use source::UploadSource;

use body::{BodyRecord, Pace, SizedBody};
use source::{LocalOrigin, OpenedSource};

use super::{
    files::Files,
    local::LocalIdentity,
    transfer_url::{FirstUrl, TransferUrl},
};
use crate::{
    Error, ErrorKind, Operation, PresignedUrl, Progress, RemotePath, Result,
    error::request_id,
    model::checked,
    retry::Attempts,
    trace,
    transfer::{
        ContentHasher, ProgressListener, ProgressMeter, PutCondition, StoreChecksums, etag_of,
    },
};

impl Files {
    /// Uploads a file from a local path, bytes, a reader or a stream: see [`UploadSource`].
    /// Readers of the remote file get either the whole old or the whole new content.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let uploaded = files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// assert_eq!(uploaded.bytes, 5);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the path is not a valid [`RemotePath`],
    /// [`LocalFile`](crate::ErrorKind::LocalFile) if the local file can't be read,
    /// [`CallerStream`](crate::ErrorKind::CallerStream) if the reader or stream fails or has another length than declared,
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context does not exist,
    /// [`Conflict`](crate::ErrorKind::Conflict) while the context is being cleared,
    /// [`UrlRejected`](crate::ErrorKind::UrlRejected), [`InsecureUrl`](crate::ErrorKind::InsecureUrl),
    /// [`Corrupted`](crate::ErrorKind::Corrupted), and those of any call.
    pub fn upload(
        &self,
        path: impl TryInto<RemotePath, Error: Into<Error>>,
        source: impl Into<UploadSource>,
    ) -> Upload {
        Upload {
            files: self.clone(),
            path: checked(path),
            source: source.into(),
            url: None,
            listener: ProgressListener::default(),
            condition: PutCondition::None,
            tolerates_change: false,
        }
    }
}

/// An upload that has not started. Await it. From [`Files::upload`].
///
/// A failed upload is retried like a call (see [`RetryPolicy`](crate::RetryPolicy), whose deadline does not apply), with a
/// new presigned URL if the last one has expired or may have been rejected. Each attempt sends the whole file.
///
/// It can't be cloned, since a reader can be read only once. Dropping a running upload cancels it, and the remote file stays as it
/// was.
#[derive(Debug)]
#[must_use = "an upload does nothing until it is awaited"]
pub struct Upload {
    files: Files,
    path: Result<RemotePath>,
    source: UploadSource,
    url: Option<Result<FirstUrl>>,
    listener: ProgressListener,
    condition: PutCondition,
    tolerates_change: bool,
}

/// An acknowledged upload. Its checksum is verified if the store reports one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Uploaded {
    /// Bytes sent.
    pub bytes: u64,
    /// Their CRC-64 (ECMA-182, as in `x-oss-hash-crc64ecma`).
    pub crc64: u64,
    /// The store's ETag as received, with its quotes.
    pub etag: Option<String>,
    /// Request id of the store's response.
    pub request_id: Option<String>,
    /// The identity of the local file when it was opened.
    #[serde(skip)]
    pub(crate) source: Option<LocalIdentity>,
    /// The local file changed during the upload: the remote content may be a mix of two versions.
    #[serde(skip)]
    pub(crate) source_changed: bool,
}

impl Upload {
    /// Replaces the remote file only under this condition, unless the store ignores conditions.
    pub(crate) fn only_if(mut self, condition: PutCondition) -> Self {
        self.condition = condition;
        self
    }

    /// Starts with this URL, or fails with this error, which are from a request for several files. `None` requests a URL.
    pub(crate) fn prefetched_url(mut self, url: Option<Result<PresignedUrl>>) -> Self {
        self.url = url.map(|url| url.map(FirstUrl::Prefetched));
        self
    }

    /// Returns normally if the local file changes during the upload. The caller checks
    /// [`source_changed`](Uploaded::source_changed).
    pub(crate) fn tolerates_change(mut self) -> Self {
        self.tolerates_change = true;
        self
    }

    /// Uploads only if the remote file does not exist. Otherwise the upload fails with HTTP status 412 and kind
    /// [`Conflict`](crate::ErrorKind::Conflict), and changes nothing. Replaces an earlier condition.
    ///
    /// `agb serve` and S3 evaluate the condition. A store that does not support it may ignore it and replace the file.
    /// If the response to an attempt is lost, the next one finds the file that the lost one created, and fails as well.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// files.upload("/lock", &b"owner 1"[..]).if_absent().await?;
    /// let error = files.upload("/lock", &b"owner 2"[..]).if_absent().await.unwrap_err();
    /// assert_eq!(error.status(), Some(412));
    /// assert_eq!(files.read("/lock").await?, b"owner 1"[..]);
    /// # Ok(()) });
    /// ```
    pub fn if_absent(self) -> Self {
        self.only_if(PutCondition::IfAbsent)
    }

    /// Uploads only if the remote file has this ETag, with its quotes: see [`Uploaded::etag`]. Otherwise the upload fails
    /// and stores may ignore the condition as with [`if_absent`](Self::if_absent). Replaces an earlier condition.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let first = files.upload("/counter", &b"1"[..]).await?;
    /// let etag = first.etag.expect("the service sends ETags");
    /// files.upload("/counter", &b"2"[..]).if_match(&etag).await?;
    /// let error = files.upload("/counter", &b"2"[..]).if_match(&etag).await.unwrap_err();
    /// assert_eq!(error.status(), Some(412));
    /// # Ok(()) });
    /// ```
    pub fn if_match(self, etag: impl Into<String>) -> Self {
        self.only_if(PutCondition::IfMatch(etag.into()))
    }

    /// Uses this presigned URL instead of requesting one.
    /// A text that is not a URL is an error when the upload is sent.
    pub fn presigned_url(mut self, url: impl TryInto<PresignedUrl, Error: Into<Error>>) -> Self {
        self.url = Some(checked(url).map(FirstUrl::Given));
        self
    }

    /// Reports progress to a callback, at most twenty times a second and at the end. A retry starts again from 0.
    pub fn on_progress(mut self, listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.listener = ProgressListener::new(listener);
        self
    }

    /// Uploads the file, as awaiting it does.
    ///
    /// # Errors
    ///
    /// Those of [`Files::upload`].
    pub async fn send(self) -> Result<Uploaded> {
        self.await
    }

    async fn run(self) -> Result<Uploaded> {
        let Self {
            files,
            path,
            mut source,
            url,
            listener,
            condition,
            tolerates_change,
        } = self;
        let (path, url) = (path?, url.transpose()?);
        source.prepare().await?;
        let mut url = TransferUrl::new(&files, &path, Operation::Upload, url);
        let mut attempts = Attempts::new(files.client.retry_context(), None);
        loop {
            let presigned = url.url().await?;
            let opened = source.open().await?;
            let origin = opened.origin.clone();
            let resends = attempts.failures().len();
            let listener = listener.clone();
            match send(&files, &presigned, opened, listener, &condition, resends).await {
                Ok(uploaded) => {
                    let changed = origin.filter(|_| uploaded.source_changed);
                    if let Some(origin) = changed.filter(|_| !tolerates_change) {
                        origin.check_unchanged()?;
                        return Err(origin.changed());
                    }
                    attempts.succeeded();
                    return Ok(uploaded);
                }
                Err(error) => {
                    let retry = source.is_available() && url.can_retry(&error);
                    attempts.failed(error, retry).await?;
                }
            }
        }
    }
}

impl IntoFuture for Upload {
    type Output = Result<Uploaded>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let target = trace::Target::from((self.files.context.clone(), &self.path));
        trace::transfer(Operation::Upload, target, self.run())
    }
}

impl trace::Traced for Uploaded {
    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

async fn send(
    files: &Files,
    url: &PresignedUrl,
    source: OpenedSource,
    listener: ProgressListener,
    condition: &PutCondition,
    resends: usize,
) -> Result<Uploaded> {
    let (length, time) = (source.length, files.client.time());
    let idle_timeout = files.store().idle_timeout();
    let meter = Arc::new(ProgressMeter::new(listener, Some(length), time.clone()));
    let origin = source.origin.clone();
    let pace = Pace::new(files.store().upload_limit().clone(), time.clone());
    let needs_md5 = files.store().needs_md5();
    let (body, record) =
        SizedBody::new(source, meter.clone(), idle_timeout.clone(), pace, needs_md5);
    let body = reqwest::Body::wrap(body);
    let answer = files
        .store()
        .put(url, length, body, condition, &idle_timeout, resends)
        .await;
    record.resume_panic();
    let response = match answer {
        Ok(response) => response,
        // The error of the source is the cause of that of the request.
        Err(error) => return Err(record.take_error().unwrap_or(error)),
    };
    let headers = response.headers();
    let id = request_id(headers);
    let reported = StoreChecksums::from_headers(headers);
    let lacks_md5 = record.lacks_md5(&reported);
    files.store().record_checksums(&reported);
    let is_same = !lacks_md5 || read_again(&record, origin.as_ref(), reported.hasher()).await;
    let verified = verify(&record, length, &reported);
    verified.map_err(|error| error.with_request_id(id.clone()))?;
    let changed = |origin: &LocalOrigin| origin.check_unchanged().is_err();
    let source_changed = !is_same || origin.as_ref().is_some_and(changed);
    meter.finish();
    Ok(Uploaded {
        bytes: length,
        crc64: record.crc64(),
        etag: etag_of(headers),
        request_id: id,
        source: origin.map(|origin| origin.identity()),
        source_changed,
    })
}

/// Computes the MD5 of what was sent from the content in memory or the local file. Returns `false` if the file has changed.
async fn read_again(
    record: &BodyRecord,
    origin: Option<&LocalOrigin>,
    mut hasher: ContentHasher,
) -> bool {
    if let Some(content) = record.in_memory() {
        hasher.update(&content);
        return record.complete(hasher);
    }
    match origin {
        Some(origin) => {
            let read = origin.hash(hasher).await;
            read.is_ok_and(|hasher| record.complete(hasher))
        }
        None => false,
    }
}

fn verify(record: &BodyRecord, length: u64, reported: &StoreChecksums) -> Result<()> {
    let sent = record.bytes();
    if sent != length {
        let message = format!("the store acknowledged the upload after {sent} of {length} bytes");
        return Err(Error::new(ErrorKind::Corrupted, message));
    }
    if record.matches(reported) {
        Ok(())
    } else {
        let message = "the checksum of the store does not match the uploaded content";
        Err(Error::new(ErrorKind::Corrupted, message))
    }
}
