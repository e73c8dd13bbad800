//! `agb serve fsck`: the check of a data folder after a service ended.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::agb_serve::Service;
use crate::failure::Failure;

/// Maximum number of restarts until all garbage is collected.
const MAX_RESTARTS: usize = 50;

/// The report of `agb serve fsck --json`.
pub(crate) struct FsckReport {
    /// Whether a finding is more than a leftover, which the next start removes or moves to the quarantine.
    pub(crate) damaged: bool,
    pub(crate) text: String,
}

impl FsckReport {
    fn new(damaged: bool, text: String) -> Self {
        Self { damaged, text }
    }

    /// Number of contents in the quarantine.
    #[cfg(target_os = "linux")]
    pub(crate) fn quarantined(&self) -> usize {
        let report: Value = serde_json::from_str(&self.text).unwrap_or_default();
        report["quarantine"].as_array().map_or(0, Vec::len)
    }

    /// Whether there are no findings. Contents stay in the quarantine for days.
    fn is_clean(&self) -> bool {
        let report: Value = serde_json::from_str(&self.text).unwrap_or_default();
        let findings = report["findings"].as_array();
        !self.damaged && findings.is_some_and(Vec::is_empty)
    }
}

/// Checks a data folder that no service uses.
pub(crate) fn fsck(program: &Path, data: &Path) -> Result<FsckReport, String> {
    let output = Command::new(program)
        .args(["serve", "fsck", "--json", "--data-dir"])
        .arg(data)
        .output()
        .map_err(|error| format!("can't run fsck: {error}"))?;
    let text = match output.stdout.is_empty() {
        true => output.stderr,
        false => output.stdout,
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(FsckReport::new(!output.status.success(), text))
}

/// Restarts the service until fsck finds nothing. Returns that report.
pub(crate) fn wait_until_collected(
    program: &Path,
    data: &Path,
    start: impl Fn() -> Result<Service, Failure>,
) -> Result<FsckReport, String> {
    let mut last = String::new();
    for _ in 0..MAX_RESTARTS {
        let report = fsck(program, data)?;
        if report.is_clean() {
            return Ok(report);
        }
        last = report.text;
        start().map_err(|error| error.to_string())?.stop();
    }
    Err(format!("garbage is not collected:\n{last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_without_findings_is_clean() {
        let is_clean = |damaged, text: &str| FsckReport::new(damaged, text.to_owned()).is_clean();
        assert!(is_clean(false, r#"{"findings": [], "quarantine": [{}]}"#));
        assert!(!is_clean(true, r#"{"findings": []}"#));
        assert!(!is_clean(false, r#"{"findings": [{}]}"#));
        assert!(!is_clean(false, "error: agb.sqlite3 not found"));
    }
}
