//! One thing that is wrong, and how to mend it.

use std::fmt;

/// What kind of drift it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The specification can't be used.
    Specification,
    /// The specification has changed since the code was generated.
    SpecDrift,
    /// The generator, or how it is set, has changed since.
    GeneratorDrift,
    /// A generated file was changed by hand.
    HandEdit,
    /// A generated file is not there.
    Missing,
    /// A file that nothing generates lies among the generated ones.
    UnknownFile,
    /// What has to be compiled and run for a check does not compile or does not run.
    Build,
    /// The generated types and the specification's schemas differ.
    Schema,
    /// An example and the specification differ.
    Example,
    /// The service's routes and the specification's operations differ.
    Route,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Specification => "broken specification",
            Self::SpecDrift => "specification drift",
            Self::GeneratorDrift => "generator drift",
            Self::HandEdit => "hand edit",
            Self::Missing => "missing file",
            Self::UnknownFile => "unknown file",
            Self::Build => "build failure",
            Self::Schema => "schema drift",
            Self::Example => "example drift",
            Self::Route => "route drift",
        })
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    /// The file to look at, below the root of the repository.
    pub(crate) file: String,
    /// What is wrong, in a line or two.
    pub(crate) problem: String,
    /// The command or the action that mends it.
    pub(crate) mend: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.kind, self.file)?;
        for line in self.problem.lines() {
            writeln!(f, "    {line}")?;
        }
        write!(f, "    mend: {}", self.mend)
    }
}

/// One line that counts the findings of each kind.
pub(crate) fn summary(findings: &[Finding]) -> String {
    let mut counts = std::collections::BTreeMap::<Kind, usize>::new();
    for finding in findings {
        *counts.entry(finding.kind).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(kind, count)| format!("{count} × {kind}"))
        .collect();
    counts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(kind: Kind) -> Finding {
        Finding {
            kind,
            file: "a/b.rs".into(),
            problem: "first\nsecond".into(),
            mend: "do it".into(),
        }
    }

    #[test]
    fn a_finding_tells_kind_file_problem_and_what_mends_it() {
        let shown = finding(Kind::HandEdit).to_string();
        assert_eq!(
            shown,
            "hand edit: a/b.rs\n    first\n    second\n    mend: do it"
        );
    }

    #[test]
    fn the_summary_counts_by_kind() {
        let findings = [Kind::Route, Kind::SpecDrift, Kind::Route].map(finding);
        assert_eq!(
            summary(&findings),
            "1 × specification drift, 2 × route drift"
        );
    }
}
