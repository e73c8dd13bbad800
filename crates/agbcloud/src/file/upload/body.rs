//! The body of an upload: of known length, streamed, hashed on the way.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, Take};
use tokio_util::io::ReaderStream;

use super::source::{Opened, Origin};
use crate::{
    Error, ErrorKind, Result,
    file::{
        checksum::{Sums, Told},
        progress::Meter,
        stall::Pulse,
    },
};

/// Bytes that are read at a time.
const CHUNK: usize = 128 * 1024;

pub(super) type Reader = Pin<Box<dyn AsyncRead + Send>>;

/// What is sent, piece by piece.
pub(super) enum Chunks {
    Whole(Bytes),
    /// In a mutex that is never locked: a body must be `Sync`, which not every reader is.
    Read(Mutex<ReaderStream<Take<Reader>>>),
}

impl Chunks {
    /// No more than `length` bytes of a reader.
    pub(super) fn of(reader: Reader, length: u64) -> Self {
        let reader = ReaderStream::with_capacity(reader.take(length), CHUNK);
        Self::Read(Mutex::new(reader))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(bytes.split_to(CHUNK.min(bytes.len()))))),
            Self::Read(reader) => {
                let reader = reader.get_mut().unwrap_or_else(PoisonError::into_inner);
                Pin::new(reader).poll_next(cx)
            }
        }
    }
}

/// What the body has seen go by; shared with whoever waits for the answer.
#[derive(Clone)]
pub(super) struct Seen(Arc<Mutex<Account>>);

struct Account {
    sums: Sums,
    /// All that is sent, if it is small and in memory: its MD5 is taken only once it is known that the store tells nothing
    /// else, since it costs an eighth of what sending a small file does, and the CRC next to nothing.
    small: Option<Bytes>,
    bytes: u64,
    /// The source ended early, failed, or changed.
    fault: Option<Error>,
    /// What the source or who is told of it panicked with.
    panic: Option<Box<dyn Any + Send>>,
}

impl Seen {
    fn of(chunks: &Chunks) -> Self {
        let (sums, small) = match chunks {
            Chunks::Whole(bytes) if bytes.len() <= CHUNK => {
                (Sums::crc64_alone(), Some(bytes.clone()))
            }
            _ => (Sums::all(), None),
        };
        Self(Arc::new(Mutex::new(Account {
            sums,
            small,
            bytes: 0,
            fault: None,
            panic: None,
        })))
    }

    fn with<T>(&self, f: impl FnOnce(&mut Account) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn take_fault(&self) -> Option<Error> {
        self.with(|seen| seen.fault.take())
    }

    /// Panics here if the body did, in whatever task it was sent.
    pub(super) fn go_on_panicking(&self) {
        if let Some(panic) = self.with(|seen| seen.panic.take()) {
            resume_unwind(panic);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.with(|seen| seen.bytes)
    }

    pub(super) fn crc64(&self) -> u64 {
        self.with(|seen| seen.sums.crc64())
    }

    pub(super) fn agree_with(&self, told: &Told) -> bool {
        self.with(|seen| match &seen.small {
            Some(small) if told.needs_md5() => {
                let mut sums = told.sums();
                sums.add(small);
                told.agrees(&sums)
            }
            _ => told.agrees(&seen.sums),
        })
    }
}

/// A body of exactly `length` bytes. A source with less fails the request instead of ending it early.
pub(super) struct SizedBody {
    chunks: Chunks,
    left: u64,
    /// The file must look as before when all of it was read, if it is read while it is sent.
    origin: Option<Origin>,
    meter: Arc<Meter>,
    pulse: Pulse,
    seen: Seen,
}

impl SizedBody {
    pub(super) fn new(source: Opened, meter: Arc<Meter>, pulse: Pulse) -> (Self, Seen) {
        let seen = Seen::of(&source.chunks);
        let read = matches!(source.chunks, Chunks::Read(_));
        let body = Self {
            chunks: source.chunks,
            left: source.length,
            origin: source.origin.filter(|_| read),
            meter,
            pulse,
            seen: seen.clone(),
        };
        (body, seen)
    }

    fn accept(&mut self, chunk: &Bytes) -> Result<()> {
        let left = self.left.saturating_sub(chunk.len() as u64);
        if let Some(origin) = self.origin.as_ref().filter(|_| left == 0) {
            // Before the last bytes go out: without them the store makes no file of what it has.
            origin.is_unchanged()?;
        }
        self.left = left;
        self.meter.moved(chunk.len());
        if self.left == 0 {
            self.pulse.sent(self.meter.bytes());
        } else {
            self.pulse.beat();
        }
        self.seen.with(|seen| {
            seen.sums.add(chunk);
            seen.bytes += chunk.len() as u64;
        });
        Ok(())
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.chunks.poll_next(cx)) {
            Some(Ok(chunk)) => match self.accept(&chunk) {
                Ok(()) => Some(Ok(chunk)),
                Err(error) => Some(Err(self.fail(error))),
            },
            Some(Err(error)) => Some(Err(self.fail(failed(error)))),
            None => {
                let early = format!("the source ended {} bytes before its length", self.left);
                let early = io::Error::new(io::ErrorKind::UnexpectedEof, early);
                Some(Err(self.fail(failed(early))))
            }
        })
    }

    /// Breaks the request off.
    fn fail(&mut self, fault: Error) -> io::Error {
        self.seen.with(|seen| seen.fault = Some(fault));
        broken_off()
    }
}

impl http_body::Body for SizedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        // In the connection's task a panic would look like a connection that broke.
        let polled = catch_unwind(AssertUnwindSafe(|| self.poll_next(cx)));
        polled.map_or_else(
            |panic| {
                self.seen.with(|seen| seen.panic = Some(panic));
                Poll::Ready(Some(Err(broken_off())))
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

fn broken_off() -> io::Error {
    io::Error::other("the source of the upload failed")
}

fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::LocalFile, "the source of the upload failed").with_source(error)
}
