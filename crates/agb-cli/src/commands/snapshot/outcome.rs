//! [`Outcome`]: what a snapshot, a restore or a copy has done.

use crate::{
    commands::{session::Session, transfer::check_failures},
    failure::Failure,
    output::{self, records::FailedFile, snapshot_summary::SnapshotSummary},
    stderr,
};

/// Maximum number of failures in the summary.
const MAX_FAILURES: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Files that were written.
    pub(super) files: u64,
    /// Their size.
    pub(super) bytes: u64,
    /// Files that the target had with the same content.
    pub(super) unchanged: u64,
    /// Unchanged files that were compared by size and time only, since the store has no checksum.
    pub(super) unverified: u64,
    /// Files that only the target has.
    pub(super) others: u64,
    /// Files that were deleted before they were read.
    pub(super) deleted: Vec<String>,
    /// Entries that a context does not store, such as links.
    pub(super) not_files: Vec<String>,
    pub(super) empty_folders: Vec<String>,
    pub(super) failures: Vec<(String, Failure)>,
    /// Number of failures that are not in the list.
    pub(super) unlisted_failures: u64,
}

impl Outcome {
    /// Prints the text, or the summary as JSON, and what the user should know. Fails if a file failed.
    pub(super) fn print(
        self,
        session: &Session,
        summary: SnapshotSummary,
        text: &str,
        target: &str,
    ) -> Result<(), Failure> {
        let failures = self.failures.iter().take(MAX_FAILURES);
        let skipped = [&self.deleted, &self.not_files, &self.empty_folders];
        let summary = SnapshotSummary {
            files: self.files,
            bytes: self.bytes,
            unchanged: self.unchanged,
            skipped: skipped.into_iter().flatten().cloned().collect(),
            others: self.others,
            failed: self.failures.len() as u64 + self.unlisted_failures,
            failures: failures
                .map(|(path, failure)| FailedFile::of_source(path, failure))
                .collect(),
            ..summary
        };
        output::print_result(&session.output, &summary, text)?;
        for path in &self.deleted {
            stderr::note(format_args!("note: {path} was deleted before it was read"));
        }
        for path in &self.not_files {
            stderr::note(format_args!(
                "note: {path} is not a file or folder: skipped"
            ));
        }
        for path in &self.empty_folders {
            stderr::note(format_args!("note: {path} is an empty folder: skipped"));
        }
        if self.unverified > 0 {
            let unverified = output::counted(self.unverified, "unchanged file");
            stderr::note(format_args!(
                "note: {unverified} compared by size and time only, since the store has no checksum"
            ));
        }
        if self.others > 0 {
            let others = output::counted(self.others, "file");
            stderr::note(format_args!("note: {target} has {others} more, which stay"));
        }
        self.check()
    }

    /// Prints the failures. Fails if there is one.
    pub(super) fn check(&self) -> Result<(), Failure> {
        check_failures(&self.failures, self.unlisted_failures)
    }
}
