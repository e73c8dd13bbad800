//! The body of an upload: a stream of known length that is hashed.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http_body::{Frame, SizeHint};

use super::{
    source::{BodyChunks, CHUNK, LocalOrigin, OpenedSource, longer_than},
    spool::reader_failed,
};
use crate::{
    Error, ErrorKind, Result,
    clock::Time,
    lock::lock,
    transfer::{BandwidthLimit, ContentHasher, IdleTimeout, ProgressMeter, StoreChecksums},
};

/// What was sent, shared between the body and the task that waits for the response.
#[derive(Clone)]
pub(super) struct BodyRecord(Arc<Mutex<RecordedBody>>);

struct RecordedBody {
    hasher: ContentHasher,
    /// The whole content if it is in memory.
    in_memory: Option<Bytes>,
    bytes: u64,
    /// The error of the source.
    error: Option<Error>,
    /// The panic of the source or of the progress callback.
    panic: Option<Box<dyn Any + Send>>,
}

impl BodyRecord {
    /// An MD5 takes longer than sending the content to a fast store, and a store that reports a CRC-64 does not need it. It
    /// is computed after the response, by reading the content again, unless that is impossible or a response of the store
    /// needed it before.
    fn of(source: &OpenedSource, needs_md5: bool) -> Self {
        let in_memory = match &source.chunks {
            BodyChunks::Whole(bytes) => Some(bytes.clone()),
            BodyChunks::File(..) | BodyChunks::Read(_) => None,
        };
        let can_read_again = in_memory.is_some() || source.origin.is_some();
        let is_small = source.length <= CHUNK as u64;
        let hasher = match (needs_md5 && !is_small) || !can_read_again {
            true => ContentHasher::all(),
            false => ContentHasher::crc64_only(),
        };
        Self(Arc::new(Mutex::new(RecordedBody {
            hasher,
            in_memory,
            bytes: 0,
            error: None,
            panic: None,
        })))
    }

    fn with<T>(&self, f: impl FnOnce(&mut RecordedBody) -> T) -> T {
        f(&mut lock(&self.0))
    }

    pub(super) fn take_error(&self) -> Option<Error> {
        self.with(|record| record.error.take())
    }

    /// Resumes a panic of the body, which may run in another task.
    pub(super) fn resume_panic(&self) {
        if let Some(panic) = self.with(|record| record.panic.take()) {
            resume_unwind(panic);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.with(|record| record.bytes)
    }

    pub(super) fn crc64(&self) -> u64 {
        self.with(|record| record.hasher.crc64())
    }

    pub(super) fn matches(&self, reported: &StoreChecksums) -> bool {
        self.with(|record| reported.match_content(&record.hasher))
    }

    /// Whether the store reports only an MD5 that was not computed while the content was sent.
    pub(super) fn lacks_md5(&self, reported: &StoreChecksums) -> bool {
        reported.needs_md5() && self.with(|record| !record.hasher.has_md5())
    }

    /// The whole content if it is in memory.
    pub(super) fn in_memory(&self) -> Option<Bytes> {
        self.with(|record| record.in_memory.clone())
    }

    /// Takes over the checksums of content that was read again. Returns `false` if it is not what was sent.
    pub(super) fn complete(&self, hasher: ContentHasher) -> bool {
        self.with(|record| {
            let is_same = record.hasher.crc64() == hasher.crc64();
            if is_same {
                record.hasher = hasher;
            }
            is_same
        })
    }
}

/// Passes on chunks at the rate of the bandwidth limit.
pub(super) struct Pace {
    limit: BandwidthLimit,
    time: Time,
    /// What has not been passed on of the last chunk.
    rest: Bytes,
    /// The bytes that the limit admits after the wait. The mutex is never locked: it makes the body `Sync`.
    waiting: Option<(Bytes, Mutex<BoxFuture<'static, ()>>)>,
}

impl Pace {
    pub(super) fn new(limit: BandwidthLimit, time: Time) -> Self {
        Self {
            limit,
            time,
            rest: Bytes::new(),
            waiting: None,
        }
    }

    /// Whether everything was passed on.
    fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.waiting.is_none()
    }

    fn poll_piece(&mut self, idle_timeout: &IdleTimeout, cx: &mut Context<'_>) -> Poll<Bytes> {
        let (piece, mut wait) = match self.waiting.take() {
            Some(waiting) => waiting,
            None => {
                let piece = self.limit.take_piece(&mut self.rest);
                let Some(start) = self.limit.admit(piece.len(), &self.time) else {
                    return Poll::Ready(piece);
                };
                idle_timeout.paused_until(start);
                let time = self.time.clone();
                let wait: BoxFuture<'_, _> = Box::pin(async move { time.sleep_until(start).await });
                (piece, Mutex::new(wait))
            }
        };
        let future = wait.get_mut().unwrap_or_else(PoisonError::into_inner);
        match future.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(piece),
            Poll::Pending => {
                self.waiting = Some((piece, wait));
                Poll::Pending
            }
        }
    }
}

/// A body of known length. A shorter source fails the request instead of ending it early.
pub(super) struct SizedBody {
    chunks: BodyChunks,
    left: u64,
    /// The local file that is read while it is sent. It must not have changed at the end.
    origin: Option<LocalOrigin>,
    length: u64,
    /// The source must end after `length` bytes. It is polled once more before its last chunk is sent.
    exact: bool,
    /// The last chunk, until the end of an exact source.
    last: Option<Bytes>,
    pace: Pace,
    meter: Arc<ProgressMeter>,
    idle_timeout: IdleTimeout,
    record: BodyRecord,
}

impl SizedBody {
    pub(super) fn new(
        source: OpenedSource,
        meter: Arc<ProgressMeter>,
        idle_timeout: IdleTimeout,
        pace: Pace,
        needs_md5: bool,
    ) -> (Self, BodyRecord) {
        let record = BodyRecord::of(&source, needs_md5);
        let read = !matches!(source.chunks, BodyChunks::Whole(_));
        let body = Self {
            chunks: source.chunks,
            left: source.length,
            length: source.length,
            exact: source.exact,
            last: None,
            pace,
            origin: source.origin.filter(|_| read),
            meter,
            idle_timeout,
            record: record.clone(),
        };
        (body, record)
    }

    fn accept(&mut self, chunk: &Bytes) -> Result<()> {
        let left = self.left.saturating_sub(chunk.len() as u64);
        if let Some(origin) = self.origin.as_ref().filter(|_| left == 0) {
            // Checked before the last bytes are sent: the store discards an incomplete upload.
            origin.check_unchanged()?;
        }
        self.left = left;
        self.meter.add(chunk.len());
        if self.left == 0 {
            self.idle_timeout.body_sent(self.meter.bytes());
        } else {
            self.idle_timeout.reset();
        }
        self.record.with(|record| {
            record.hasher.update(chunk);
            record.bytes += chunk.len() as u64;
        });
        Ok(())
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let next = match ready!(self.poll_piece(cx)) {
            Ok(chunk) => self.accept(&chunk).map(|()| chunk),
            Err(error) => Err(error),
        };
        Poll::Ready(Some(next.map_err(|error| self.fail(error))))
    }

    /// Returns the next bytes that the bandwidth limit admits.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes>> {
        if self.pace.is_empty() {
            self.pace.rest = match ready!(self.poll_chunk(cx)) {
                Ok(chunk) => chunk,
                Err(error) => return Poll::Ready(Err(error)),
            };
        }
        self.pace.poll_piece(&self.idle_timeout, cx).map(Ok)
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes>> {
        let chunk = match self.last.take() {
            Some(last) => last,
            None => match ready!(self.chunks.poll_next(cx)) {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => return Poll::Ready(Err(self.source_failed(error))),
                None => {
                    let message =
                        format!("the source is {} bytes shorter than its length", self.left);
                    let early = io::Error::new(io::ErrorKind::UnexpectedEof, message);
                    return Poll::Ready(Err(self.source_failed(early)));
                }
            },
        };
        if !self.exact || (chunk.len() as u64) < self.left {
            return Poll::Ready(Ok(chunk));
        }
        let is_longer = chunk.len() as u64 > self.left
            || match self.chunks.poll_next(cx) {
                Poll::Pending => {
                    self.last = Some(chunk);
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Err(self.source_failed(error)));
                }
                Poll::Ready(end) => end.is_some(),
            };
        Poll::Ready(match is_longer {
            true => Err(longer_than(self.length)),
            false => Ok(chunk),
        })
    }

    fn source_failed(&self, error: io::Error) -> Error {
        match self.exact {
            true => reader_failed(error),
            false => {
                let message = "the local file can't be read during the upload";
                Error::new(ErrorKind::LocalFile, message).with_source(error)
            }
        }
    }

    /// Records the error that fails the request.
    fn fail(&mut self, error: Error) -> io::Error {
        self.record.with(|record| record.error = Some(error));
        aborted()
    }
}

impl http_body::Body for SizedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        // A panic in the task of the connection would appear as a connection error.
        let polled = catch_unwind(AssertUnwindSafe(|| self.poll_next(cx)));
        polled.map_or_else(
            |panic| {
                self.record.with(|record| record.panic = Some(panic));
                Poll::Ready(Some(Err(aborted())))
            },
            |polled| polled.map_ok(Frame::data),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn aborted() -> io::Error {
    io::Error::other("the source of the upload failed")
}
