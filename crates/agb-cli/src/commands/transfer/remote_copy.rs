//! Copies a file from a context to the same or another one. The service has no operation for it, so the content passes
//! through this program, as a stream.

use std::time::Duration;

use agbcloud::{ErrorKind, Files, Progress, Upload, UploadSource};

use super::{
    copied::Copied,
    copier::Copier,
    existing::{Version, check_target, explain, file_target, version},
    move_file::{FileAt, Source, Target},
};
use crate::{
    address::Remote,
    clock,
    commands::{folders, lookup, operands::Operand},
    failure::{Code, Failure},
    progress::TransferProgress,
    signals::unless_interrupted,
};

/// Maximum number of attempts: a stream can be sent only once, so the SDK does not repeat an upload.
const ATTEMPTS: usize = 4;

const RETRY_INTERVAL: Duration = Duration::from_millis(500);

impl Copier<'_> {
    /// Copies a file or a folder within the service.
    pub(super) async fn copy(&mut self, from: &Operand, to: &Operand) -> Result<(), Failure> {
        if self.options.recursive && lookup::is_remote_folder(&from.files, &from.address).await? {
            return self.copy_folder(from, to).await;
        }
        if from.address.is_folder() {
            return Err(self.needs_recursive(&from.address, &to.address));
        }
        let name = Ok(from.address.file_name());
        let address = file_target(to, name, self.several).await?;
        let given = &to.address;
        let to = to.at(&address);
        if is_same(from, &to)? {
            let message = format!("{} and {} are the same file", from.address, to.address);
            return Err(Failure::usage(message));
        }
        self.claim(&to.address.to_string())?;
        let mut check = check_target(&to.files, &to.address, self.options.force).await;
        if check.is_err() || self.options.dry_run {
            // What is missing matters more than what exists.
            let entry = match lookup::entry(&from.files, &from.address).await {
                Err(failure) if failure.code == Code::NotFound => return Err(failure),
                Err(failure) => {
                    check = Err(failure);
                    None
                }
                Ok(entry) if entry.is_folder() => {
                    return Err(self.needs_recursive(&from.address, given));
                }
                Ok(entry) => Some(entry),
            };
            if let Some(entry) = entry.filter(|_| self.options.dry_run) {
                let name = from.address.file_name();
                return self.preview_file("copy", name, entry.size, check);
            }
        }
        if let Err(failure) = check {
            let finished = self.finish_move(Source::Remote(from), FileAt::Remote(&to));
            return match unless_interrupted(finished, folders::RESTART_HINT).await? {
                Some(copied) => self.print_copied(copied, &to.address.to_string()),
                None => Err(failure),
            };
        }
        let progress = TransferProgress::start(&self.session.output, self.verb, 1, 0);
        let listener = progress.clone();
        let copy = async {
            let listener = move |progress| listener.update(progress);
            match copy(from, &to, Condition::of_force(self.options.force), listener).await {
                Err(CopyFailure::Source(error)) => {
                    Err(self.explain_source(from, given, &error).await)
                }
                Err(CopyFailure::Target(failure)) => Err(failure),
                Ok(copied) => {
                    let at = Target::Remote(&to.files, &to.address);
                    self.delete_moved(Source::Remote(from), at, copied).await
                }
            }
        };
        let copied = unless_interrupted(copy, folders::RESTART_HINT).await;
        progress.finish();
        self.print_copied(copied?, &to.address.to_string())
    }

    /// Explains why a source can't be read: it may be a folder.
    async fn explain_source(
        &self,
        from: &Operand,
        to: &Remote,
        error: &agbcloud::Error,
    ) -> Failure {
        let Operand { files, address } = from;
        if !lookup::is_missing_file(error) {
            return Failure::in_action(error, &format!("read {address}"));
        }
        match lookup::has_entries(files, address).await {
            true => self.needs_recursive(address, to),
            false => lookup::not_found(address, error),
        }
    }
}

/// Whether both are the same path of the same context.
pub(super) fn is_same(from: &Operand, to: &Operand) -> Result<bool, Failure> {
    Ok(is_same_context(&from.files, &to.files)?
        && from.address.without_slash() == to.address.without_slash())
}

/// Whether both are the same context, whose id or name the addresses contain.
pub(super) fn is_same_context(one: &Files, other: &Files) -> Result<bool, Failure> {
    Ok(one.context_id()? == other.context_id()?)
}

/// Why a file was not copied.
pub(in crate::commands) enum CopyFailure {
    Source(agbcloud::Error),
    Target(Failure),
}

impl CopyFailure {
    /// The failure, for a source that is known to be a file.
    pub(in crate::commands) fn into_failure(self, from: &Remote) -> Failure {
        match self {
            Self::Source(error) => super::get::explain(&error, from),
            Self::Target(failure) => failure,
        }
    }
}

/// What must be at the target, so that a copy replaces nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) enum Condition {
    /// No file.
    Absent,
    /// The version with this ETag.
    Unchanged(String),
    Any,
}

impl Condition {
    /// The condition of a copy with or without `--force`.
    pub(super) fn of_force(force: bool) -> Self {
        match force {
            true => Self::Any,
            false => Self::Absent,
        }
    }

    pub(in crate::commands) fn apply(&self, upload: Upload) -> Upload {
        match self {
            Self::Absent => upload.if_absent(),
            Self::Unchanged(etag) => upload.if_match(etag),
            Self::Any => upload,
        }
    }

    /// Explains why an upload with this condition failed.
    pub(in crate::commands) fn explain(
        &self,
        error: &agbcloud::Error,
        to: &Remote,
        action: &str,
    ) -> Failure {
        match self {
            Self::Unchanged(_) if error.is_failed_condition() => {
                let message = format!("{to} was changed meanwhile");
                Failure::with_code(Code::Conflict, message)
                    .with_hint("run the same command to compare again")
            }
            _ => explain(error, to, *self == Self::Any, action),
        }
    }
}

/// Copies one file. The download compares the content with the checksum of the source, and the upload with that of the
/// target; the last bytes are sent only after the first comparison. A store that rejects conditions receives the file without.
pub(in crate::commands) async fn copy(
    from: &Operand,
    to: &Operand,
    mut condition: Condition,
    listener: impl Fn(Progress) + Clone + Send + Sync + 'static,
) -> Result<Copied, CopyFailure> {
    let mut attempt = 1;
    loop {
        let source = from.files.open(from.address.path.as_str()).await;
        let source = source.map_err(CopyFailure::Source)?;
        let opened = Version::of(&source);
        let source = match source.size() {
            Some(size) => UploadSource::reader(source, size),
            None => UploadSource::stream(source),
        };
        let upload = to.files.upload(to.address.path.as_str(), source);
        let upload = condition.apply(upload);
        match upload.on_progress(listener.clone()).await {
            Ok(uploaded) => {
                return Ok(Copied {
                    source: Some(opened),
                    ..uploaded.into()
                });
            }
            Err(error) if condition != Condition::Any && rejects_condition(&error) => {
                condition = Condition::Any;
            }
            Err(error) if attempt < ATTEMPTS && can_retry(&error) => {
                attempt += 1;
                clock::sleep(RETRY_INTERVAL).await;
            }
            // The response to an earlier attempt was lost, and that attempt wrote the file; or another client, or an earlier run
            // whose files are not listed yet.
            Err(error)
                if error.is_failed_condition()
                    && has_content(to, &opened)
                        .await
                        .map_err(CopyFailure::Target)? =>
            {
                return Ok(Copied {
                    bytes: opened.size.unwrap_or(0),
                    crc64: 0,
                    etag: opened.etag.clone(),
                    source: Some(opened),
                });
            }
            Err(error) => {
                let action = format!("copy {} to {}", from.address, to.address);
                let failure = condition.explain(&error, &to.address, &action);
                return Err(CopyFailure::Target(failure));
            }
        }
    }
}

/// Whether a file certainly has the content of this version.
async fn has_content(file: &Operand, source: &Version) -> Result<bool, Failure> {
    let found = version(&file.files, &file.address).await?;
    Ok(found.is_some_and(|found| found.has_content_of(source)))
}

/// Whether the store does not support conditions.
fn rejects_condition(error: &agbcloud::Error) -> bool {
    matches!(error.status(), Some(400 | 501))
}

/// Whether a new stream may succeed. The error of a stream is that of the download.
fn can_retry(error: &agbcloud::Error) -> bool {
    error.is_transient() || matches!(error.kind(), ErrorKind::CallerStream | ErrorKind::Corrupted)
}
