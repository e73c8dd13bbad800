//! Where the content of one file is: presigned URLs, asked for when they are needed.

use std::time::Duration;

use super::{Files, PresignedUrl};
use crate::{Attempt, Error, ErrorKind, Operation, RemotePath, Result, retry};

/// A URL that has less time than this is not used for another try.
const MARGIN: Duration = Duration::from_secs(15);

/// The presigned URL of one transfer, and how it comes by a new one.
#[derive(Clone)]
pub(super) struct Address<'a> {
    files: &'a Files,
    path: &'a RemotePath,
    operation: Operation,
    url: Option<PresignedUrl>,
    /// The caller has given it: there is no other.
    given: bool,
    /// URLs that were refused one after the other.
    refused: u32,
}

impl<'a> Address<'a> {
    pub(super) fn new(
        files: &'a Files,
        path: &'a RemotePath,
        operation: Operation,
        given: Option<PresignedUrl>,
    ) -> Self {
        Self {
            files,
            path,
            operation,
            given: given.is_some(),
            url: given,
            refused: 0,
        }
    }

    /// A URL for the next try: the one of the last, if there is one that has time left.
    pub(super) async fn url(&mut self) -> Result<PresignedUrl> {
        if let Some(url) = self.url.clone().filter(|url| self.given || self.lasts(url)) {
            return Ok(url);
        }
        let url = match self.operation {
            Operation::Upload => self.files.upload_url(self.path).await?,
            _ => self.files.download_url(self.path).await?,
        };
        Ok(self.url.insert(url.into_inner()).clone())
    }

    fn lasts(&self, url: &PresignedUrl) -> bool {
        let soon = self.files.client.time().system_time().checked_add(MARGIN);
        url.expires_at()
            .zip(soon)
            .is_none_or(|(end, soon)| end > soon)
    }

    /// The URL was good for something.
    pub(super) fn worked(&mut self) {
        self.refused = 0;
    }

    /// Whether another try can succeed after this failure. A URL that was refused is not used again.
    pub(super) fn may_help(&mut self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::UrlRejected => {
                self.url = self.url.take().filter(|_| self.given);
                self.refused += 1;
                !self.given && self.refused < 2
            }
            ErrorKind::Corrupted => true,
            _ => {
                if error.status().is_some() {
                    self.worked();
                } else if self.operation == Operation::Upload && Attempt::of(error).may_be_done() {
                    // A store that refuses a file without reading it hangs up, and its answer can get lost with that.
                    self.url = self.url.take().filter(|_| self.given);
                }
                retry::is_retryable(error)
            }
        }
    }
}
