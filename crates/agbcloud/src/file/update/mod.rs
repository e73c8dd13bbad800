//! Changing a file depending on its content, without losing the changes of others.

mod change;
mod guard;

use std::{fmt, future::IntoFuture};

use bytes::Bytes;
use futures_core::future::BoxFuture;

pub use change::FileChange;

use super::{download::read_version, files::Files};
use crate::{
    Error, ErrorDetail, ErrorKind, RemotePath, Result,
    client::is_missing_file,
    model::checked,
    retry::conflict_wait,
    transfer::{PutCondition, UpdateGuard},
};

/// Default of [`Update::max_conflicts`].
const MAX_CONFLICTS: u32 = 64;

/// Default of [`Update::limit`].
const LIMIT: u64 = 64 * 1024 * 1024;

impl Files {
    /// Changes a file depending on its content: reads it, calls `change` with the content, or with `None` if there is no
    /// such file, and writes the result only if the file is still the same (compare-and-swap by `If-Match` or
    /// `If-None-Match`). If another client has changed the file in between, it starts again: `change` can be called
    /// several times, and no update is lost.
    ///
    /// `change` returns the new content, as bytes, a vector or a string, or a [`FileChange`], or a `Result` of these, whose error
    /// ends the update.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let increment = |old: Option<bytes::Bytes>| {
    ///     let old = old.map_or(Ok("0".to_owned()), |old| String::from_utf8(old.into()))?;
    ///     let number: u64 = old.trim().parse()?;
    ///     Ok::<_, Box<dyn std::error::Error + Send + Sync>>((number + 1).to_string())
    /// };
    /// let (one, other) = tokio::join!(files.update("/counter", increment), files.update("/counter", increment));
    /// (one?, other?);
    /// assert_eq!(files.read("/counter").await?, b"2"[..]);
    /// # Ok(()) });
    /// ```
    ///
    /// Whether the object store supports conditions is checked once for each client, with a file that is created and
    /// deleted: see [`update_guard`](Self::update_guard). Versions are those of the content: a store that derives ETags from the
    /// content does not notice that another client changed the file and restored it in between. If the response to a write is lost or wrong and the file has changed
    /// since, it may or may not contain the update. That is an error with the detail
    /// [`OutcomeUnknown`](ErrorDetail::OutcomeUnknown): read the file before you repeat the update.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) after [`max_conflicts`](Update::max_conflicts), with the detail
    /// [`Changed`](ErrorDetail::Changed), and if the outcome is unknown,
    /// [`Rejected`](ErrorKind::Rejected) with the detail [`UpdateUnguarded`](ErrorDetail::UpdateUnguarded) if the store ignores
    /// conditions and [`allow_unguarded`](Update::allow_unguarded) is not set, and with the detail
    /// [`SizeLimit`](ErrorDetail::SizeLimit) if the file is larger than the [`limit`](Update::limit),
    /// [`CallerStream`](ErrorKind::CallerStream) with the error of `change` as its source, and those of [`Files::read`] and
    /// [`Files::upload`].
    pub fn update<'a, C: Into<FileChange>>(
        &self,
        path: impl TryInto<RemotePath, Error: Into<Error>>,
        mut change: impl FnMut(Option<Bytes>) -> C + Send + 'a,
    ) -> Update<'a> {
        Update {
            files: self.clone(),
            path: checked(path),
            change: Box::new(move |old| change(old).into()),
            limit: LIMIT,
            max_conflicts: MAX_CONFLICTS,
            allows_unguarded: false,
        }
    }
}

/// An update that has not started. Await it. From [`Files::update`].
///
/// Dropping a running update leaves either the old or the new content.
#[must_use = "an update does nothing until it is awaited"]
pub struct Update<'a> {
    files: Files,
    path: Result<RemotePath>,
    change: Box<dyn FnMut(Option<Bytes>) -> FileChange + Send + 'a>,
    limit: u64,
    max_conflicts: u32,
    allows_unguarded: bool,
}

/// The result of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Updated {
    /// Whether the file was written. `false` if the change was [`FileChange::Keep`].
    pub written: bool,
    /// Size of the file in bytes; 0 if it does not exist.
    pub bytes: u64,
    /// The store's ETag of the file, with its quotes.
    pub etag: Option<String>,
    /// Number of conflicts before the update succeeded.
    pub conflicts: u32,
    /// Whether changes by other clients could be detected.
    pub guard: UpdateGuard,
}

/// The content of a file and what identifies it.
struct OldVersion {
    content: Option<Bytes>,
    etag: Option<String>,
}

impl Update<'_> {
    /// Maximum size of the old content in bytes. Defaults to 64 MiB. Both contents are in memory.
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Maximum number of conflicts with other clients before the update fails. Defaults to 64. The waits between them are
    /// random and grow to a second.
    pub fn max_conflicts(mut self, conflicts: u32) -> Self {
        self.max_conflicts = conflicts;
        self
    }

    /// Writes without a condition if the store ignores conditions. Changes that another client makes between the reading and
    /// the writing are lost then. [`Updated::guard`] says whether that was possible.
    pub fn allow_unguarded(mut self, allow: bool) -> Self {
        self.allows_unguarded = allow;
        self
    }

    /// Updates the file, as awaiting it does.
    ///
    /// # Errors
    ///
    /// Those of [`Files::update`].
    pub async fn send(self) -> Result<Updated> {
        self.run().await
    }

    async fn run(mut self) -> Result<Updated> {
        let path = self.path.clone()?;
        let mut conflicts = 0;
        loop {
            let was_detected = self.files.is_guard_detected();
            let old = read(&self.files, &path, self.limit).await?;
            let guard = guard(&self.files, &old).await?;
            if guard == UpdateGuard::Unavailable {
                if !self.allows_unguarded {
                    return Err(unguarded(&self.files));
                }
                // The detection took several requests, in which another client can have written.
                if !was_detected && self.files.is_guard_detected() {
                    continue;
                }
            }
            let (size, etag) = (old.content.as_ref().map_or(0, Bytes::len), old.etag.clone());
            let condition = match guard {
                UpdateGuard::Unavailable => PutCondition::None,
                UpdateGuard::Conditions => etag
                    .clone()
                    .map_or(PutCondition::IfAbsent, PutCondition::IfMatch),
            };
            let new = match (self.change)(old.content) {
                FileChange::Write(new) => new,
                FileChange::Keep => {
                    return Ok(Updated {
                        written: false,
                        bytes: size as u64,
                        etag,
                        conflicts,
                        guard,
                    });
                }
                FileChange::Fail(cause) => return Err(change_failed(cause, &self.files, &path)),
            };
            let upload = self.files.upload(path.clone(), new).only_if(condition);
            match upload.await {
                Ok(uploaded) => {
                    return Ok(Updated {
                        written: true,
                        bytes: uploaded.bytes,
                        etag: uploaded.etag,
                        conflicts,
                        guard,
                    });
                }
                Err(error) if error.is_failed_condition() => {
                    conflicts += 1;
                    if let Some(error) = final_conflict(error, conflicts, self.max_conflicts) {
                        return Err(error);
                    }
                    let client = &self.files.client;
                    let wait = conflict_wait(conflicts, client.retry_context().jitter);
                    client.time().sleep(wait).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl<'a> IntoFuture for Update<'a> {
    type Output = Result<Updated>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Update<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Reads the file, which may be missing.
async fn read(files: &Files, path: &RemotePath, limit: u64) -> Result<OldVersion> {
    match read_version(files, path, limit).await {
        Ok((content, etag)) => Ok(OldVersion {
            content: Some(content),
            etag,
        }),
        Err(error) if is_missing_file(&error) => Ok(OldVersion {
            content: None,
            etag: None,
        }),
        Err(error) => Err(error),
    }
}

/// Whether a write can depend on the old version.
async fn guard(files: &Files, old: &OldVersion) -> Result<UpdateGuard> {
    match (&old.content, &old.etag) {
        (None, _) => files.update_guard().await,
        (Some(_), Some(etag)) => files.version_guard(etag).await,
        (Some(_), None) => Ok(UpdateGuard::Unavailable),
    }
}

/// Returns the error of a conflict after which the update must not start again.
fn final_conflict(error: Error, conflicts: u32, max: u32) -> Option<Error> {
    if error.earlier_attempt_may_be_done() {
        let message = "the file has changed, and may contain the update: the response to an earlier attempt was lost or wrong. \
                       Read it before you repeat the update";
        return Some(conflict(error, message).with_detail(ErrorDetail::OutcomeUnknown));
    }
    (conflicts > max).then(|| {
        let message = format!("another client changed the file each time: {conflicts} conflicts");
        conflict(error, message).with_detail(ErrorDetail::Changed)
    })
}

fn conflict(cause: Error, message: impl Into<String>) -> Error {
    let mut error = Error::new(ErrorKind::Conflict, message)
        .with_operation(crate::Operation::Upload)
        .with_request_id(cause.request_id().map(str::to_owned));
    if let Some(context) = cause.context_id() {
        error = error.with_context(context);
    }
    if let Some(path) = cause.path() {
        error = error.with_path(path);
    }
    error.with_source(cause)
}

fn change_failed(
    cause: Box<dyn std::error::Error + Send + Sync>,
    files: &Files,
    path: &RemotePath,
) -> Error {
    let error = Error::new(ErrorKind::CallerStream, "the change of the file failed")
        .with_operation(crate::Operation::Upload)
        .with_path(path.as_str())
        .with_source(cause);
    match &files.context {
        Ok(context) => error.with_context(context.as_str()),
        Err(_) => error,
    }
}

fn unguarded(files: &Files) -> Error {
    let message = "the object store ignores conditions, so changes by other clients would be lost: use \
                   allow_unguarded(true) if no other client writes this file";
    let error = Error::new(ErrorKind::Rejected, message)
        .with_operation(crate::Operation::Upload)
        .with_detail(ErrorDetail::UpdateUnguarded);
    match &files.context {
        Ok(context) => error.with_context(context.as_str()),
        Err(_) => error,
    }
}

#[cfg(test)]
mod tests;
