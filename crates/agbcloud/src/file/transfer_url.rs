//! The presigned URLs of one transfer.

use std::time::Duration;

use super::files::Files;
use crate::{Attempt, Error, ErrorKind, Operation, PresignedUrl, RemotePath, Result, retry};

/// A URL that expires sooner is not used for another attempt.
const MIN_VALIDITY: Duration = Duration::from_secs(15);

/// The URL that a transfer starts with.
#[derive(Debug, Clone)]
pub(crate) enum FirstUrl {
    /// From the caller. It is not replaced.
    Given(PresignedUrl),
    /// Requested together with those of other files.
    Prefetched(PresignedUrl),
}

/// The presigned URL of one transfer, which is requested when it is needed and replaced when it expires.
#[derive(Clone)]
pub(super) struct TransferUrl<'a> {
    files: &'a Files,
    path: &'a RemotePath,
    operation: Operation,
    url: Option<PresignedUrl>,
    /// The caller has provided the URL, which is not replaced.
    given: bool,
    /// Number of URLs that were rejected consecutively.
    rejected: u32,
}

impl<'a> TransferUrl<'a> {
    pub(super) fn new(
        files: &'a Files,
        path: &'a RemotePath,
        operation: Operation,
        first: Option<FirstUrl>,
    ) -> Self {
        let given = matches!(first, Some(FirstUrl::Given(_)));
        let url = first.map(|first| match first {
            FirstUrl::Given(url) | FirstUrl::Prefetched(url) => url,
        });
        Self {
            files,
            path,
            operation,
            given,
            url,
            rejected: 0,
        }
    }

    /// Returns the URL for the next attempt, and requests a new one if necessary.
    pub(super) async fn url(&mut self) -> Result<PresignedUrl> {
        if let Some(url) = self
            .url
            .clone()
            .filter(|url| self.given || self.is_valid_for_long(url))
        {
            return Ok(url);
        }
        let url = match self.operation {
            Operation::Upload => self.files.upload_url(self.path).await?,
            _ => self.files.download_url(self.path).await?,
        };
        Ok(self.url.insert(url).clone())
    }

    fn is_valid_for_long(&self, url: &PresignedUrl) -> bool {
        let soon = self
            .files
            .client
            .time()
            .system_time()
            .checked_add(MIN_VALIDITY);
        url.expires_at()
            .zip(soon)
            .is_none_or(|(end, soon)| end > soon)
    }

    /// Records that the store has accepted the URL.
    pub(super) fn accepted(&mut self) {
        self.rejected = 0;
    }

    /// Whether another attempt can succeed after this failure. Discards a rejected URL.
    pub(super) fn can_retry(&mut self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::UrlRejected => {
                self.url = self.url.take().filter(|_| self.given);
                self.rejected += 1;
                !self.given && self.rejected < 2
            }
            ErrorKind::Corrupted => true,
            _ => {
                if error.status().is_some() {
                    self.accepted();
                } else if self.operation == Operation::Upload && Attempt::of(error).may_be_done() {
                    // A store that rejects a body closes the connection, which can lose the response.
                    self.url = self.url.take().filter(|_| self.given);
                }
                retry::is_retryable(error)
            }
        }
    }
}
