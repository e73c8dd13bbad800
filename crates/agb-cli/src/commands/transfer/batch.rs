//! Copies or moves the files of a folder one by one, several concurrently.

use std::sync::Arc;

use agbcloud::{Progress, SkipReason};
use futures_util::{StreamExt, stream};

use super::copier::Copier;
use crate::{
    commands::{
        folders::{self, skipped_summary},
        session::Session,
    },
    failure::{Code, Failure},
    output::{
        bytes, counted,
        records::{FailedFile, SkippedItem, TransferSummary},
    },
    progress::TransferProgress,
    signals::unless_interrupted,
    stderr,
};

/// Maximum number of failures that are printed.
const MAX_PRINTED: usize = 10;

/// A file of a folder.
#[derive(Debug, Clone)]
pub(in crate::commands) struct BatchFile {
    /// Path relative to both folders.
    pub(in crate::commands) path: String,
    pub(in crate::commands) size: Option<u64>,
}

/// Reports the progress of one file.
#[derive(Clone)]
pub(in crate::commands) struct Listener(Arc<dyn Fn(Progress) + Send + Sync>);

impl Listener {
    pub(in crate::commands) fn report(&self, progress: Progress) {
        (self.0)(progress);
    }
}

/// The results of the files.
#[derive(Default)]
pub(in crate::commands) struct Batch {
    pub(in crate::commands) copied: u64,
    pub(in crate::commands) bytes: u64,
    pub(in crate::commands) failures: Vec<(String, Failure)>,
}

/// Copies the files with `copy`, which returns the number of bytes. Stops after a failure that the others would have too.
pub(in crate::commands) async fn run_batch<F>(
    session: &Session,
    verb: &'static str,
    jobs: usize,
    files: Vec<BatchFile>,
    copy: impl Fn(BatchFile, Listener) -> F,
) -> Result<Batch, Failure>
where
    F: Future<Output = Result<u64, Failure>>,
{
    let total = files.iter().filter_map(|file| file.size).sum();
    let progress = TransferProgress::start(&session.output, verb, files.len() as u64, total);
    let one = |file: BatchFile| {
        let (progress, path) = (progress.clone(), file.path.clone());
        let (shown, shown_path) = (progress.clone(), path.clone());
        let listener = move |update: Progress| shown.update_file(&shown_path, update.bytes);
        let copied = copy(file.clone(), Listener(Arc::new(listener)));
        async move {
            let copied = copied.await;
            let size = copied.as_ref().copied().unwrap_or(file.size.unwrap_or(0));
            progress.finish_file(&path, size, copied.is_err());
            (path, copied)
        }
    };
    let run = async {
        let mut batch = Batch::default();
        let mut copies = stream::iter(files).map(one).buffer_unordered(jobs);
        while let Some((path, copied)) = copies.next().await {
            match copied {
                Ok(bytes) => {
                    batch.copied += 1;
                    batch.bytes += bytes;
                }
                Err(failure) if is_of_all(failure.code) => return Err(failure),
                Err(failure) => batch.failures.push((path, failure)),
            }
        }
        Ok(batch)
    };
    let batch = unless_interrupted(run, folders::RESUME_HINT).await;
    progress.finish();
    batch
}

/// Whether the other files would fail too.
fn is_of_all(code: Code) -> bool {
    matches!(
        code,
        Code::NotAllowed | Code::Unavailable | Code::TimedOut | Code::Interrupted
    )
}

impl Copier<'_> {
    /// Prints the results with what the summary counts already, and fails if a file failed.
    pub(super) fn print_batch(
        &mut self,
        mut summary: TransferSummary,
        skipped: &[(SkipReason, String)],
        batch: Batch,
    ) -> Result<(), Failure> {
        summary.copied += batch.copied;
        summary.bytes += batch.bytes;
        if self.moves {
            summary.deleted += batch.copied;
        }
        for (path, failure) in &batch.failures {
            summary.add_failure(FailedFile::of_source(path, failure));
        }
        let done = if self.moves { "moved" } else { "copied" };
        let mut message = format!("{} {done} ({})", summary.copied, bytes(Some(summary.bytes)));
        if summary.unchanged > 0 {
            message += &format!(", {} unchanged", summary.unchanged);
        }
        let entries = skipped
            .iter()
            .map(|(reason, path)| (*reason, path.as_str()));
        message += &skipped_summary(entries, skipped.len() as u64, "skipped");
        for (reason, path) in skipped {
            summary.skip(SkippedItem {
                path: path.clone(),
                reason: reason.as_str(),
            });
        }
        if summary.filtered > 0 {
            message += &format!(", {} left at the source (filtered)", summary.filtered);
        }
        self.results.print(summary, &message)?;
        check_failures(&batch.failures, 0)
    }
}

/// Prints the first failures. Fails if there is one. `unlisted` is the number of failures that are not in the list.
pub(in crate::commands) fn check_failures(
    failures: &[(String, Failure)],
    unlisted: u64,
) -> Result<(), Failure> {
    for (path, failure) in failures.iter().take(MAX_PRINTED) {
        stderr::error(format_args!("{path}: {failure}"));
        stderr::details(failure);
    }
    let failed = failures.len() as u64 + unlisted;
    if failed > MAX_PRINTED as u64 {
        stderr::note(format_args!("only the first {MAX_PRINTED} are shown"));
    }
    if failed == 0 {
        return Ok(());
    }
    let all = |code| unlisted == 0 && failures.iter().all(|(_, failure)| failure.code == code);
    let code = match all(Code::Conflict) {
        true => Code::Conflict,
        false => Code::Partial,
    };
    let message = format!("{} failed", counted(failed, "file"));
    Err(Failure::with_code(code, message))
}
