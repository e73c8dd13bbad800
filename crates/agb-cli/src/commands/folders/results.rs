//! [`TransferResults`]: what a command with several sources copied.

use crate::{
    commands::{partial_failures::PartialFailures, session::Session},
    failure::Failure,
    output::{
        self, OutputMode,
        records::{FailedFile, TransferSummary},
    },
};

/// Prints the result of each source, and as JSON one document for all sources.
pub(in crate::commands) struct TransferResults<'a> {
    session: &'a Session,
    failures: PartialFailures,
    /// The sum, for JSON.
    total: TransferSummary,
    /// Whether the summary of the current source contains its failures.
    has_failures: bool,
    /// A dry run prints changes instead.
    is_preview: bool,
}

impl<'a> TransferResults<'a> {
    pub(in crate::commands) fn new(session: &'a Session, sources: usize) -> Self {
        Self {
            session,
            failures: PartialFailures::new(sources),
            total: TransferSummary::default(),
            has_failures: false,
            is_preview: false,
        }
    }

    /// Prints no summary, since the changes of a dry run are printed.
    pub(in crate::commands) fn preview(&mut self) {
        self.is_preview = true;
    }

    /// Adds sources, such as the matches of a glob.
    pub(in crate::commands) fn add_sources(&mut self, sources: usize) {
        self.failures.add(sources);
    }

    /// Prints the result of one source.
    pub(in crate::commands) fn print(
        &mut self,
        summary: TransferSummary,
        message: &str,
    ) -> Result<(), Failure> {
        self.has_failures = summary.failed > 0;
        if self.session.output.mode() == OutputMode::Json {
            self.total.add(summary);
            return Ok(());
        }
        output::print_result(&self.session.output, &summary, message)
    }

    /// Counts the failure of one of several sources. Returns it if the other sources would fail too.
    pub(in crate::commands) fn record(
        &mut self,
        source: &str,
        result: Result<(), Failure>,
    ) -> Result<(), Failure> {
        if let Err(failure) = &result
            && !std::mem::take(&mut self.has_failures)
            && self.failures.has_several()
        {
            self.total
                .add_failure(FailedFile::of_source(source, failure));
        }
        match self.failures.record(result) {
            Ok(()) => Ok(()),
            Err(failure) => {
                // The only source failed before anything was copied: there is no document.
                if !self.total.is_empty() {
                    self.print_total()?;
                }
                Err(failure)
            }
        }
    }

    pub(in crate::commands) fn finish(self) -> Result<(), Failure> {
        self.print_total()?;
        self.failures.finish()
    }

    /// Prints the JSON document, unless the only source failed before anything was copied.
    fn print_total(&self) -> Result<(), Failure> {
        match self.session.output.mode() {
            OutputMode::Json if !self.is_preview => {
                output::print_result(&self.session.output, &self.total, "")
            }
            _ => Ok(()),
        }
    }
}
