//! [`Version`]: what identifies the content of a file, and the deletion of exactly that content.

use std::time::{Duration, SystemTime};

use agbcloud::{ErrorDetail, ErrorKind, Files, RemoteFile, RemotePath};

use crate::{
    app::App,
    text,
    web::{failure::Result, form::Form},
};

/// Maximum number of attempts of a deletion.
const DELETE_ATTEMPTS: u32 = 3;
/// The pause after the first attempt, which grows by itself after each further one.
const DELETE_PAUSE: Duration = Duration::from_millis(200);

/// What identifies the content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    etag: Option<String>,
    size: Option<u64>,
    modified: Option<SystemTime>,
}

/// The result of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletion {
    Deleted,
    /// The file did not exist before the first attempt.
    Missing,
    /// The file has another version, and was not deleted.
    Changed,
}

impl Version {
    pub(crate) fn of(file: &RemoteFile) -> Self {
        Self {
            etag: file.etag().map(str::to_owned),
            size: file.size(),
            modified: file.modified_at(),
        }
    }

    /// The current version. `None` if the file does not exist.
    pub(crate) async fn find(files: &Files, path: &RemotePath) -> Result<Option<Self>> {
        match files.open(path).await {
            Ok(file) => Ok(Some(Self::of(&file))),
            Err(error)
                if error.kind() == ErrorKind::NotFound
                    && error.detail() != Some(ErrorDetail::ContextNotFound) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The version as fields of a form.
    pub(crate) fn fields(&self) -> [(&'static str, String); 3] {
        let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
        let nanos = self.modified.and_then(since).map(|time| time.as_nanos());
        [
            ("etag", self.etag.clone().unwrap_or_default()),
            (
                "size",
                self.size.map(|size| size.to_string()).unwrap_or_default(),
            ),
            (
                "modified",
                nanos.map(|nanos| nanos.to_string()).unwrap_or_default(),
            ),
        ]
    }

    /// The version of a form with these fields.
    pub(crate) fn of_form(form: &Form) -> Self {
        let time = |nanos: u64| SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(nanos));
        Self {
            etag: Some(form.get("etag").to_owned()).filter(|etag| !etag.is_empty()),
            size: form.get("size").parse().ok(),
            modified: form.get("modified").parse().ok().and_then(time),
        }
    }

    /// `12.5 KiB, modified 2026-01-31 12:00:00 UTC`
    pub(crate) fn describe(&self) -> String {
        let modified = self.modified.and_then(text::time);
        let modified = modified.map(|time| format!("modified {time}"));
        let parts = [self.size.map(text::bytes), modified];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// Deletes a file if it has this version, which each attempt compares first. A change between the comparison and the deletion
/// is lost: the service has no conditional deletion.
#[expect(
    clippy::disallowed_methods,
    reason = "the pause is real time; no stored data depends on it"
)]
pub(crate) async fn delete_version(
    app: &App,
    id: &str,
    path: &RemotePath,
    version: &Version,
) -> Result<Deletion> {
    let files = app.client.contexts().files(id);
    // A retry of the SDK would not compare the version again.
    let once = app.once.contexts().files(id);
    let mut attempt = 1;
    loop {
        match Version::find(&files, path).await? {
            None if attempt == 1 => return Ok(Deletion::Missing),
            // Its response was lost.
            None => return Ok(Deletion::Deleted),
            Some(found) if found != *version => return Ok(Deletion::Changed),
            Some(_) => {}
        }
        match once.delete(path).missing_ok(true).await {
            Ok(()) => return Ok(Deletion::Deleted),
            Err(error) if attempt < DELETE_ATTEMPTS && is_temporary(&error) => {
                tokio::time::sleep(DELETE_PAUSE * attempt).await;
                attempt += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_temporary(error: &agbcloud::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Connection
    )
}
