//! [`Report`]: prints the checks and counts the ones that failed.

use crate::{
    failure::{Code, Failure},
    output::{
        OutputMode, OutputOptions, Rows, counted,
        setting_records::{CheckRow, CheckStatus},
    },
};

pub(super) struct Report {
    rows: Rows,
    mode: OutputMode,
    failed: u64,
    /// The exit code of the first check that failed.
    code: Code,
}

impl Report {
    pub(super) fn new(options: &OutputOptions) -> Self {
        let mut rows = Rows::new(options);
        rows.fit(&["connection", "skipped"]);
        Self {
            rows,
            mode: options.mode(),
            failed: 0,
            code: Code::Other,
        }
    }

    pub(super) fn pass(&mut self, check: &'static str, message: String) -> Result<(), Failure> {
        self.print(check, CheckStatus::Ok, message, None)
    }

    /// A check that was not made, and why.
    pub(super) fn skip(&mut self, check: &'static str, reason: &str) -> Result<(), Failure> {
        self.print(check, CheckStatus::Skipped, reason.to_owned(), None)
    }

    pub(super) fn fail(&mut self, check: &'static str, failure: Failure) -> Result<(), Failure> {
        if self.failed == 0 {
            self.code = failure.code;
        }
        self.failed += 1;
        let cause = failure.cause.as_ref();
        let cause = cause.map_or(String::new(), |cause| format!(": {cause}"));
        let message = format!("{failure}{cause}");
        self.print(check, CheckStatus::Failed, message, failure.hint)
    }

    pub(super) fn add(
        &mut self,
        check: &'static str,
        result: Result<String, Failure>,
    ) -> Result<(), Failure> {
        match result {
            Ok(message) => self.pass(check, message),
            Err(failure) => self.fail(check, failure),
        }
    }

    fn print(
        &mut self,
        check: &'static str,
        status: CheckStatus,
        message: String,
        hint: Option<String>,
    ) -> Result<(), Failure> {
        if self.mode == OutputMode::Quiet && status != CheckStatus::Failed {
            return Ok(());
        }
        self.rows.print(&[CheckRow {
            check,
            ok: status == CheckStatus::Ok,
            status,
            message,
            hint,
        }])
    }

    pub(super) fn finish(&self) -> Result<(), Failure> {
        match self.failed {
            0 => Ok(()),
            _ if self.mode == OutputMode::Json => Err(Failure::silent(self.code)),
            failed => Err(Failure::with_code(
                self.code,
                format!("{} failed", counted(failed, "check")),
            )),
        }
    }
}
