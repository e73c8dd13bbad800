//! A problem that a check found.

use std::collections::BTreeMap;
use std::fmt;

/// What kind of problem it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The specification is invalid.
    Specification,
    /// The specification has changed since the code was generated.
    ChangedSpecification,
    /// The generator or its settings have changed since the code was generated.
    ChangedGenerator,
    /// A generated file was edited by hand.
    HandEdit,
    /// A generated file is missing.
    MissingFile,
    /// A file in the folder of generated files is not generated.
    UnknownFile,
    /// A program that a check runs does not compile, or fails.
    Build,
    /// The generated types and the schemas of the specification differ.
    Schema,
    /// An example and the specification differ.
    Example,
    /// The routes of the service and the operations of the specification differ.
    Route,
    /// Modules use each other.
    Cycle,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Specification => "invalid specification",
            Self::ChangedSpecification => "changed specification",
            Self::ChangedGenerator => "changed generator",
            Self::HandEdit => "hand edit",
            Self::MissingFile => "missing file",
            Self::UnknownFile => "unknown file",
            Self::Build => "build failure",
            Self::Schema => "schema mismatch",
            Self::Example => "example mismatch",
            Self::Route => "route mismatch",
            Self::Cycle => "module cycle",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    pub(crate) kind: Kind,
    /// The affected file, relative to the root of the repository.
    pub(crate) file: String,
    pub(crate) problem: String,
    /// How to fix it.
    pub(crate) hint: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.kind, self.file)?;
        for line in self.problem.lines() {
            writeln!(f, "    {line}")?;
        }
        write!(f, "    hint: {}", self.hint)
    }
}

/// Counts the problems of each kind, in one line.
pub(crate) fn summary(diagnostics: &[Diagnostic]) -> String {
    let mut counts = BTreeMap::<Kind, usize>::new();
    for diagnostic in diagnostics {
        *counts.entry(diagnostic.kind).or_default() += 1;
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

    fn diagnostic(kind: Kind) -> Diagnostic {
        Diagnostic {
            kind,
            file: "a/b.rs".into(),
            problem: "first\nsecond".into(),
            hint: "do it".into(),
        }
    }

    #[test]
    fn a_diagnostic_shows_kind_file_problem_and_hint() {
        let shown = diagnostic(Kind::HandEdit).to_string();
        assert_eq!(
            shown,
            "hand edit: a/b.rs\n    first\n    second\n    hint: do it"
        );
    }

    #[test]
    fn the_summary_counts_by_kind() {
        let diagnostics = [Kind::Route, Kind::HandEdit, Kind::Route].map(diagnostic);
        assert_eq!(summary(&diagnostics), "1 × hand edit, 2 × route mismatch");
    }
}
