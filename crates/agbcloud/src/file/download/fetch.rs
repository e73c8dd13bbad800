//! Downloading a range of one object with as many requests as needed.

use reqwest::{
    Response, StatusCode, Version,
    header::{HeaderMap, LAST_MODIFIED, TRANSFER_ENCODING},
};

use super::byte_range::{ByteRange, ContentRange};
use crate::{
    Error, ErrorDetail, ErrorKind, Operation, RemotePath, Result,
    error::{http_date, request_id},
    file::{
        download_sink::{DownloadSink, ResponseHead},
        files::Files,
        transfer_url::TransferUrl,
    },
    retry::Attempts,
    transfer::{ContentHasher, GetOptions, ProgressMeter, StoreChecksums, etag_of},
};

/// The version of an object, by which an interrupted download resumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectVersion {
    /// A strong ETag with its quotes.
    etag: String,
    /// Size of the whole object, if known.
    total: Option<u64>,
}

impl ObjectVersion {
    fn of(headers: &HeaderMap, total: Option<u64>) -> Option<Self> {
        // An empty ETag or a star in a condition matches any object.
        let is_strong =
            |etag: &String| !etag.starts_with("W/") && !matches!(etag.as_str(), "" | "*");
        let etag = etag_of(headers).filter(is_strong);
        etag.map(|etag| Self { etag, total })
    }

    /// The strong ETag with its quotes.
    pub(super) fn etag(&self) -> &str {
        &self.etag
    }

    /// Whether a response has this version. One without a version does not.
    fn matches(&self, response: Option<&Self>) -> bool {
        response.is_some_and(|response| {
            let totals = self.total.zip(response.total);
            self.etag == response.etag && totals.is_none_or(|(ours, theirs)| ours == theirs)
        })
    }
}

/// A response whose body has not been read.
pub(super) struct ObjectResponse {
    response: Response,
    extent: BodyExtent,
    pub(super) version: Option<ObjectVersion>,
    /// Size of the whole object, if known.
    pub(super) total: Option<u64>,
    pub(super) checksums: StoreChecksums,
    /// The status is 206.
    pub(super) partial: bool,
}

/// The position of a body in the object.
struct BodyExtent {
    /// Bytes to skip at the start, if the store ignores ranges.
    skip: u64,
    /// The end of a partial body.
    end: Option<u64>,
}

/// The error for a range after the end of the file. A store that supports ranges answers with 416.
fn range_not_satisfiable() -> Error {
    let message = "the file has none of the requested bytes";
    Error::new(ErrorKind::Rejected, message)
}

pub(super) fn checksum_mismatch() -> Error {
    let message = "the downloaded content does not match the checksum of the store";
    Error::new(ErrorKind::Corrupted, message)
}

/// Rejects a success other than 200 and 206: its body is not the content of an object.
fn check_status(status: StatusCode) -> Result<()> {
    if status == StatusCode::OK {
        return Ok(());
    }
    let message = format!(
        "the store answered with HTTP {} and no content",
        status.as_u16()
    );
    Err(Error::new(ErrorKind::InvalidResponse, message))
}

/// Rejects a body that is complete if the connection is closed, without a length or a checksum: a cut would not be
/// noticed.
fn check_end(response: &Response, total: Option<u64>) -> Result<()> {
    let is_framed = response.version() > Version::HTTP_11
        || response.headers().contains_key(TRANSFER_ENCODING)
        || response.content_length().is_some();
    if is_framed || total.is_some() || !StoreChecksums::from_headers(response.headers()).is_empty()
    {
        return Ok(());
    }
    let message = "the store sent neither the length nor a checksum of the content, so that a cut would not be noticed";
    Err(Error::new(ErrorKind::InvalidResponse, message))
}

/// The failure of one attempt.
pub(super) struct AttemptFailure {
    pub(super) error: Error,
    /// Whether to retry; `None` if it depends on the error.
    pub(super) retry: Option<bool>,
    /// The object has changed.
    pub(super) changed: bool,
}

impl From<Error> for AttemptFailure {
    fn from(error: Error) -> Self {
        Self {
            error,
            retry: None,
            changed: false,
        }
    }
}

/// A downloaded range.
pub(super) struct FetchedRange {
    pub(super) bytes: u64,
    pub(super) etag: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) hasher: ContentHasher,
}

/// Requests the checksums of a file. Returns `None` only if the service or the store reports by its code that the file does
/// not exist: a 404 response may come from a proxy.
pub(crate) async fn store_checksums(
    files: &Files,
    path: &RemotePath,
) -> Result<Option<StoreChecksums>> {
    match request_checksums(files, path).await {
        Ok(checksums) => Ok(Some(checksums)),
        Err(error) if error.detail() == Some(ErrorDetail::FileNotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn request_checksums(files: &Files, path: &RemotePath) -> Result<StoreChecksums> {
    let mut url = TransferUrl::new(files, path, Operation::Download, None);
    let mut attempts = Attempts::new(files.client.retry_context(), None);
    // One byte by GET, since some stores reject HEAD for a URL that was signed for GET.
    let mut options = GetOptions {
        range: Some("bytes=0-0".to_owned()),
        if_match: None,
        resends: 0,
    };
    loop {
        let presigned = url.url().await?;
        match files.store().get(&presigned, &options).await {
            Ok(response) => {
                attempts.succeeded();
                return Ok(StoreChecksums::from_headers(response.headers()));
            }
            // An empty file has no first byte.
            Err(error) if options.range.is_some() && rejects_ranges(&error) => options.range = None,
            Err(error) => {
                let retry = url.can_retry(&error);
                attempts.failed(error, retry).await?;
                options.resends += 1;
            }
        }
    }
}

/// Whether the store may accept the same request without a range.
pub(super) fn rejects_ranges(error: &Error) -> bool {
    matches!(error.status(), Some(400 | 416 | 501))
}

pub(super) struct RangeFetch<'a, 'b> {
    files: &'a Files,
    url: &'a mut TransferUrl<'b>,
    meter: &'a ProgressMeter,
    range: ByteRange,
    /// The position of the next byte.
    position: u64,
    /// The highest position that an attempt has reached. Bytes before it are no progress.
    furthest: u64,
    version: Option<ObjectVersion>,
    /// The version must not change.
    pinned: bool,
    /// The sink accepts only the version of the last response. In contrast to `pinned`, the checksum is verified.
    announced: bool,
    /// Number of failed attempts.
    failures: usize,
    checksums: StoreChecksums,
    hasher: ContentHasher,
}

impl<'a, 'b> RangeFetch<'a, 'b> {
    pub(super) fn new(
        files: &'a Files,
        url: &'a mut TransferUrl<'b>,
        range: ByteRange,
        meter: &'a ProgressMeter,
    ) -> Self {
        Self {
            files,
            url,
            meter,
            range,
            position: range.first,
            furthest: range.first,
            version: None,
            pinned: false,
            announced: false,
            failures: 0,
            checksums: StoreChecksums::default(),
            hasher: ContentHasher::crc64_only(),
        }
    }

    /// Accepts only this version of the object.
    pub(super) fn pinned(mut self, version: ObjectVersion) -> Self {
        self.version = Some(version);
        self.pinned = true;
        self
    }

    /// Downloads the range, starting with the body of `first` if there is one.
    pub(super) async fn run(
        mut self,
        sink: &mut impl DownloadSink,
        mut first: Option<ObjectResponse>,
    ) -> Result<FetchedRange, AttemptFailure> {
        let mut attempts = Attempts::new(self.files.client.retry_context(), None);
        loop {
            let result = self.attempt(sink, first.take()).await;
            if self.position > self.furthest {
                self.furthest = self.position;
                attempts.progressed();
            }
            match result {
                Ok(fetched) => {
                    attempts.succeeded();
                    return Ok(fetched);
                }
                // The call that requests a URL has been retried already.
                Err(failure) if failure.error.stopped_by().is_some() => return Err(failure),
                Err(failure) => {
                    self.failures += 1;
                    let (error, changed) = (failure.error, failure.changed);
                    let retry = failure.retry;
                    let retry = retry.unwrap_or_else(|| self.url.can_retry(&error));
                    let failed = attempts.failed(error, retry).await;
                    failed.map_err(|error| AttemptFailure {
                        changed,
                        ..error.into()
                    })?;
                }
            }
        }
    }

    async fn attempt(
        &mut self,
        sink: &mut impl DownloadSink,
        first: Option<ObjectResponse>,
    ) -> Result<FetchedRange, AttemptFailure> {
        let opened = match first {
            Some(opened) => opened,
            None => self.open(self.range, sink).await?,
        };
        if !self.pinned && self.position == self.range.first {
            self.checksums = opened.checksums.clone();
            self.hasher = self.checksums.hasher();
            self.version = opened.version.clone().or(self.version.take());
        }
        let head = self.head_of(&opened);
        let (etag, request_id) = (head.etag.clone(), head.request_id.clone());
        self.announced |= sink.opened(head);
        if let Err(error) = self.read(opened, sink).await {
            return Err(self.interrupted(error, sink).await);
        }
        let is_whole = !self.pinned && self.range == ByteRange::WHOLE;
        if is_whole && !self.checksums.match_content(&self.hasher) {
            let error = checksum_mismatch().with_request_id(request_id);
            return Err(self.start_over(error, sink).await);
        }
        sink.finish().await?;
        Ok(FetchedRange {
            bytes: self.position - self.range.first,
            etag,
            request_id,
            hasher: self.hasher.clone(),
        })
    }

    fn head_of(&self, opened: &ObjectResponse) -> ResponseHead {
        let headers = opened.response.headers();
        ResponseHead {
            size: opened.total,
            length: self
                .range
                .end_in(opened.total)
                .map(|end| end.saturating_sub(self.range.first)),
            etag: etag_of(headers),
            modified: http_date(headers, &LAST_MODIFIED),
            request_id: request_id(headers),
        }
    }

    /// Requests the missing bytes of a range.
    pub(super) async fn open(
        &mut self,
        range: ByteRange,
        sink: &mut impl DownloadSink,
    ) -> Result<ObjectResponse, AttemptFailure> {
        let resumes = self.pinned || self.announced || self.position > self.range.first;
        let expected = self.version.as_ref().filter(|_| resumes);
        let options = GetOptions {
            range: range.header(self.position),
            if_match: expected.map(|version| version.etag.clone()),
            resends: self.failures,
        };
        let url = self.url.url().await?;
        let response = match self.files.store().get(&url, &options).await {
            Ok(response) => response,
            Err(error) => {
                return Err(match error.status() {
                    Some(412 | 416) if resumes => self.changed(sink).await,
                    _ => error.into(),
                });
            }
        };
        self.url.accepted();
        let partial = response.status() == StatusCode::PARTIAL_CONTENT;
        let (extent, total) = self.extent_of(&response, partial)?;
        check_end(&response, total)?;
        let version = ObjectVersion::of(response.headers(), total);
        let differs = |expected: &ObjectVersion| !expected.matches(version.as_ref());
        if resumes && self.version.as_ref().is_some_and(differs) {
            return Err(self.changed(sink).await);
        }
        Ok(ObjectResponse {
            extent,
            version,
            total,
            checksums: StoreChecksums::from_headers(response.headers()),
            partial,
            response,
        })
    }

    /// Returns the position of the body, and the size of the whole object.
    fn extent_of(&self, response: &Response, partial: bool) -> Result<(BodyExtent, Option<u64>)> {
        if !partial {
            check_status(response.status())?;
            let total = response.content_length();
            if total.is_some_and(|total| total <= self.range.first && self.range.first > 0) {
                return Err(range_not_satisfiable());
            }
            let skip = self.position;
            return Ok((BodyExtent { skip, end: None }, total));
        }
        let sent = ContentRange::of(response.headers())?;
        if sent.first != self.position {
            let message = "the store sent another part of the file than requested";
            return Err(Error::new(ErrorKind::InvalidResponse, message));
        }
        let end = sent.last.checked_add(1);
        Ok((BodyExtent { skip: 0, end }, sent.total))
    }

    async fn read(&mut self, opened: ObjectResponse, sink: &mut impl DownloadSink) -> Result<()> {
        let ObjectResponse {
            mut response,
            total,
            extent:
                BodyExtent {
                    mut skip,
                    end: part_end,
                },
            ..
        } = opened;
        let end = self.range.end_in(total);
        if part_end.is_some() && total.is_none() && part_end != end {
            let message = "the store sent a part of the file without the size of the file";
            return Err(Error::new(ErrorKind::InvalidResponse, message));
        }
        if !self.pinned {
            let length = end.map(|end| end.saturating_sub(self.range.first));
            self.meter.set_total(length);
        }
        let idle_timeout = self.files.store().idle_timeout();
        let limit = self.files.store().download_limit();
        // Bytes after the end of the part are ignored.
        let until = part_end.into_iter().chain(end).min();
        while until.is_none_or(|until| self.position < until) {
            let chunk = idle_timeout.watch(response.chunk()).await?;
            let Some(mut chunk) = chunk.map_err(Error::from_transport)? else {
                break;
            };
            while !chunk.is_empty() {
                let mut piece = limit.take_piece(&mut chunk);
                limit.wait(piece.len(), self.files.client.time()).await;
                let skipped = skip.min(piece.len() as u64);
                skip -= skipped;
                drop(piece.split_to(usize::try_from(skipped).unwrap_or(usize::MAX)));
                let room = until.map_or(u64::MAX, |until| until - self.position);
                piece.truncate(usize::try_from(room).unwrap_or(usize::MAX));
                if piece.is_empty() {
                    continue;
                }
                sink.write(&piece).await?;
                self.hasher.update(&piece);
                self.position += piece.len() as u64;
                self.meter.add(piece.len());
            }
            // Neither a slow sink nor a wait for the limit counts as an idle transfer.
            idle_timeout.reset();
        }
        match end {
            Some(end) if self.position != end && (total.is_some() || part_end.is_some()) => {
                Err(Error::connection_closed())
            }
            // The store ignored the range and sent a shorter file of unknown length.
            _ if self.position == self.range.first && self.range.first > 0 => {
                Err(range_not_satisfiable())
            }
            _ => Ok(()),
        }
    }

    /// Starts over after an interruption if the download can't resume.
    async fn interrupted(&mut self, error: Error, sink: &mut impl DownloadSink) -> AttemptFailure {
        let is_start = self.position == self.range.first && !self.announced;
        if self.version.is_some() || is_start {
            return error.into();
        }
        let can_retry = self.url.can_retry(&error);
        let failure = self.start_over(error, sink).await;
        AttemptFailure {
            retry: failure.retry.map(|retry| retry && can_retry),
            ..failure
        }
    }

    async fn changed(&mut self, sink: &mut impl DownloadSink) -> AttemptFailure {
        let message = "the remote file changed during the download";
        let error = Error::new(ErrorKind::Conflict, message).with_detail(ErrorDetail::Changed);
        if self.announced {
            return AttemptFailure {
                error,
                retry: Some(false),
                changed: true,
            };
        }
        AttemptFailure {
            changed: true,
            ..self.start_over(error, sink).await
        }
    }

    /// Discards the downloaded bytes if the sink supports that.
    async fn start_over(&mut self, error: Error, sink: &mut impl DownloadSink) -> AttemptFailure {
        // The version that was announced must be recognized.
        let recognizes = !self.announced || self.version.is_some();
        let restarted = match sink.restart().await {
            Ok(restarted) => restarted && recognizes && !self.pinned,
            Err(error) => return error.into(),
        };
        if restarted {
            self.meter.subtract(self.position - self.range.first);
            self.position = self.range.first;
            if !self.announced {
                self.version = None;
            }
        }
        AttemptFailure {
            error,
            retry: Some(restarted),
            changed: false,
        }
    }
}
