//! Reading a remote file as a stream.

use std::{
    fmt,
    future::IntoFuture,
    io,
    ops::RangeBounds,
    pin::Pin,
    task::{Context, Poll, ready},
    time::SystemTime,
};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::{Stream, future::BoxFuture};
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::{mpsc, oneshot},
};

use super::{DownloadRequest, Downloaded, byte_range::ByteRange};
use crate::{
    Error, ErrorKind, Operation, PresignedUrl, RemotePath, Result,
    file::{
        download_sink::{DownloadSink, ResponseHead},
        files::Files,
        transfer_url::FirstUrl,
    },
    model::checked,
    trace,
};

impl Files {
    /// Opens a file for reading: returns its size and ETag, and then its content as a stream.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// files.upload("/notes.txt", &b"hello"[..]).await?;
    /// let file = files.open("/notes.txt").await?;
    /// assert_eq!(file.size(), Some(5));
    /// assert_eq!(file.text().await?, "hello");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) if the path is not a valid [`RemotePath`],
    /// [`NotFound`](ErrorKind::NotFound) if the context or the file does not exist,
    /// [`UrlRejected`](ErrorKind::UrlRejected), [`InsecureUrl`](ErrorKind::InsecureUrl), and those of any call.
    pub fn open(&self, path: impl TryInto<RemotePath, Error: Into<Error>>) -> OpenFile {
        OpenFile {
            request: DownloadRequest::new(self.clone(), checked(path)),
        }
    }
}

/// A file that is not opened yet. Await it. From [`Files::open`].
#[derive(Debug, Clone)]
#[must_use = "a file is not opened until this is awaited"]
pub struct OpenFile {
    request: DownloadRequest,
}

impl OpenFile {
    /// Reads only these bytes, counted from 0. The range may end after the file; one that starts at its end or later is an error of
    /// kind [`Rejected`](ErrorKind::Rejected), as is any range of an empty file. The length is verified, but not a checksum, which only whole files have.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// let tail = files.open("/data/a.txt").range(3..).await?;
    /// assert_eq!((tail.size(), tail.content_length()), (Some(5), Some(2)));
    /// assert_eq!(tail.bytes().await?, b"lo"[..]);
    /// # Ok(()) });
    /// ```
    pub fn range(mut self, bytes: impl RangeBounds<u64>) -> Self {
        self.request.range = ByteRange::from_bounds(&bytes);
        self
    }

    /// Uses this presigned URL instead of requesting one.
    pub fn presigned_url(mut self, url: impl TryInto<PresignedUrl, Error: Into<Error>>) -> Self {
        self.request.url = Some(checked(url).map(FirstUrl::Given));
        self
    }

    /// Opens the file. The same as awaiting it.
    ///
    /// # Errors
    ///
    /// Those of [`Files::open`].
    pub async fn send(self) -> Result<RemoteFile> {
        let (opened, mut head) = oneshot::channel();
        let (sender, chunks) = mpsc::channel(1);
        let mut sink = StreamSink {
            opened: Some(opened),
            chunks: sender,
            held: Bytes::new(),
            passed_on: false,
        };
        let context = self.request.target();
        let fetch = async move { self.request.fetch_into(&mut sink).await };
        let mut fetch = trace::transfer(Operation::Download, context, fetch);
        let ended = tokio::select! {
            biased;
            Ok(head) = &mut head => return Ok(RemoteFile::new(head, chunks, Some(fetch))),
            ended = &mut fetch => ended,
        };
        ended?;
        // The content is empty, or fits into the channel.
        let head = head.try_recv().map_err(|_| ended_early())?;
        Ok(RemoteFile::new(head, chunks, None))
    }
}

impl IntoFuture for OpenFile {
    type Output = Result<RemoteFile>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// An open file: its size and ETag, and its content as a [`Stream`] of chunks and as an [`AsyncRead`]. From [`Files::open`].
///
/// An interrupted download resumes where it stopped, as that of [`Files::download`] does, if the store reports an ETag that
/// identifies the version of the file. If it can't resume, if the file has changed, or if the length or the checksum differs
/// from what the store reports, the stream ends with an error. The last chunk is returned after the checksum was compared, so
/// that no reader gets the whole of a damaged file.
///
/// Nothing is requested ahead: the download proceeds as the content is read. Dropping it cancels the download.
///
/// An HTTP handler that passes a file on announces its length and ends with an error if the stream does, so that no client
/// takes a part for the whole (`examples/proxy.rs` is the complete program):
///
/// ```ignore
/// async fn download(State(files): State<Files>, Path(path): Path<String>) -> Result<Response, AppError> {
///     let file = files.open(format!("/{path}")).await?;
///     let length = file.content_length().map(|length| [(CONTENT_LENGTH, length.to_string())]);
///     Ok((length, Body::from_stream(file)).into_response())
/// }
/// ```
pub struct RemoteFile {
    head: ResponseHead,
    chunks: mpsc::Receiver<Bytes>,
    /// `None` after its end.
    fetch: Option<BoxFuture<'static, Result<Downloaded>>>,
    /// The error of the ended download. It follows the last chunk.
    error: Option<Error>,
    /// The error was returned. A reader that reads again must not take it for the end.
    failed: bool,
    /// The rest of a chunk that was too large for the buffer of a reader.
    rest: Bytes,
}

impl RemoteFile {
    fn new(
        head: ResponseHead,
        chunks: mpsc::Receiver<Bytes>,
        fetch: Option<BoxFuture<'static, Result<Downloaded>>>,
    ) -> Self {
        Self {
            head,
            chunks,
            fetch,
            error: None,
            failed: false,
            rest: Bytes::new(),
        }
    }

    /// Returns the size of the whole file in bytes, if the store reports it.
    pub fn size(&self) -> Option<u64> {
        self.head.size
    }

    /// Returns the number of bytes that the stream has in total: those of the [`range`](OpenFile::range), or the size of the
    /// file.
    pub fn content_length(&self) -> Option<u64> {
        self.head.length
    }

    /// Returns the store's ETag as received, with its quotes.
    pub fn etag(&self) -> Option<&str> {
        self.head.etag.as_deref()
    }

    /// Returns the time of the last change, to the second.
    pub fn modified_at(&self) -> Option<SystemTime> {
        self.head.modified
    }

    /// Returns the request id of the store's response.
    pub fn request_id(&self) -> Option<&str> {
        self.head.request_id.as_deref()
    }

    /// Returns the next chunk of the content, or `None` at the end.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// # files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// let mut file = files.open("/data/a.txt").await?;
    /// while let Some(chunk) = file.next().await {
    ///     println!("{} bytes", chunk?.len());
    /// }
    /// # Ok(()) });
    /// ```
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// Reads the rest of the content into memory, however large it is. See [`Files::read`] for a limit.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub async fn bytes(mut self) -> Result<Bytes> {
        let Some(first) = self.next().await.transpose()? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.next().await.transpose()? else {
            return Ok(first);
        };
        let mut bytes = BytesMut::from(first);
        bytes.extend_from_slice(&second);
        while let Some(chunk) = self.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok(bytes.freeze())
    }

    /// Reads the rest of the content as UTF-8, however large it is.
    ///
    /// # Errors
    ///
    /// [`Rejected`](ErrorKind::Rejected) if it is not UTF-8, and those of the stream.
    pub async fn text(self) -> Result<String> {
        let bytes = self.bytes().await?;
        String::from_utf8(bytes.into()).map_err(|error| {
            Error::new(ErrorKind::Rejected, "the content is not UTF-8")
                .with_operation(Operation::Download)
                .with_source(error)
        })
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.rest))));
        }
        loop {
            if let Ok(chunk) = self.chunks.try_recv() {
                return Poll::Ready(Some(Ok(chunk)));
            }
            let Some(fetch) = &mut self.fetch else {
                let error = self.error.take();
                self.failed |= error.is_some();
                return Poll::Ready(error.map(Err));
            };
            // Puts at most one chunk into the channel.
            if let Poll::Ready(ended) = fetch.as_mut().poll(cx) {
                self.error = ended.err();
                self.fetch = None;
            } else if self.chunks.is_empty() {
                return Poll::Pending;
            }
        }
    }
}

impl Stream for RemoteFile {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_chunk(cx)
    }
}

impl AsyncRead for RemoteFile {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let file = self.get_mut();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if let Some(chunk) = ready!(file.poll_chunk(cx)) {
            let mut chunk = chunk?;
            let length = chunk.len().min(buffer.remaining());
            buffer.put_slice(&chunk[..length]);
            chunk.advance(length);
            file.rest = chunk;
        } else if file.failed {
            let message = "the download has failed before the end of the content";
            return Poll::Ready(Err(io::Error::other(message)));
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteFile")
            .field("size", &self.head.size)
            .field("etag", &self.head.etag)
            .finish_non_exhaustive()
    }
}

/// Passes the content on, except for the last chunk until the content is verified.
struct StreamSink {
    /// `None` after the first response.
    opened: Option<oneshot::Sender<ResponseHead>>,
    chunks: mpsc::Sender<Bytes>,
    held: Bytes,
    /// A chunk was passed on.
    passed_on: bool,
}

impl StreamSink {
    async fn pass_on(&mut self, chunk: Bytes) -> Result<()> {
        self.passed_on = true;
        let sent = self.chunks.send(chunk).await;
        sent.map_err(|_| ended_early())
    }
}

impl DownloadSink for StreamSink {
    fn opened(&mut self, head: ResponseHead) -> bool {
        if let Some(opened) = self.opened.take() {
            // Fails if the caller no longer waits. The future is dropped then.
            let _ = opened.send(head);
        }
        true
    }

    async fn write(&mut self, chunk: &Bytes) -> Result<()> {
        let held = std::mem::replace(&mut self.held, chunk.clone());
        match held.is_empty() {
            true => Ok(()),
            false => self.pass_on(held).await,
        }
    }

    async fn restart(&mut self) -> Result<bool> {
        self.held = Bytes::new();
        Ok(!self.passed_on)
    }

    async fn finish(&mut self) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        match held.is_empty() {
            true => Ok(()),
            false => self.pass_on(held).await,
        }
    }
}

fn ended_early() -> Error {
    Error::new(ErrorKind::Connection, "the download was cancelled")
}
