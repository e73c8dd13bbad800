//! What receives the content of a download.

use std::time::SystemTime;

use bytes::Bytes;

use crate::Result;

/// Receives the bytes of a download, chunk by chunk.
pub(crate) trait DownloadSink: Send {
    /// Is called for each response, before its bytes. Returns whether only this version of the file is acceptable from now on.
    fn opened(&mut self, _head: ResponseHead) -> bool {
        false
    }

    fn write(&mut self, chunk: &Bytes) -> impl Future<Output = Result<()>> + Send;

    /// Discards what was written. Returns whether that is possible.
    fn restart(&mut self) -> impl Future<Output = Result<bool>> + Send;

    /// Ends the content, which is verified.
    fn finish(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// What a response reports about a file before its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    /// Size of the whole file.
    pub(crate) size: Option<u64>,
    /// Number of bytes of the requested range.
    pub(crate) length: Option<u64>,
    pub(crate) etag: Option<String>,
    pub(crate) modified: Option<SystemTime>,
    pub(crate) request_id: Option<String>,
}
