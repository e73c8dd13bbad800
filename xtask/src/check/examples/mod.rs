//! Checks the example responses against the specification.
//!
//! The specification links every example by `externalValue`. Each linked file must exist, each file must be linked, and
//! its content must be a possible response of the service: [`ResponseValidator`] checks the schema, [`envelope`] the values.

mod envelope;
mod links;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::links::Link;
use super::diagnostic::{Diagnostic, Kind};
use agbcloud_spec::{ResponseValidator, SPEC, Spec};

/// Folder of the examples, relative to the root of the repository.
const FOLDER: &str = "spec/examples";

pub(super) fn check(root: &Path, spec: &Spec) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let mut report =
        |file: &str, problem: String| diagnostics.push(example_mismatch(file, problem));
    for problem in agbcloud_spec::schema_problems(spec) {
        report(SPEC, problem);
    }
    let links = links::all(spec, &mut report);
    let mut strict = ResponseValidator::new(spec);
    let mut linked = BTreeSet::new();
    for link in &links {
        linked.insert(link.file.clone());
        for problem in check_link(root, link, &mut strict) {
            report(&link.file, format!("{problem} (as {})", link.place));
        }
    }
    for file in files(root) {
        if !linked.contains(&file) {
            report(&file, format!("{SPEC} does not link to it"));
        }
    }
    without_duplicates(diagnostics)
}

fn example_mismatch(file: &str, problem: String) -> Diagnostic {
    let hint = match file {
        SPEC => format!("correct {SPEC}"),
        file => format!("correct {file} or {SPEC}"),
    };
    Diagnostic {
        kind: Kind::Example,
        file: file.to_owned(),
        problem,
        hint,
    }
}

/// The problems of one linked example.
fn check_link(root: &Path, link: &Link<'_>, strict: &mut ResponseValidator<'_>) -> Vec<String> {
    let text = match std::fs::read(root.join(&link.file)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return vec!["the linked file does not exist".to_owned()];
        }
        Err(error) => return vec![format!("can't read the file: {error}")],
    };
    let value: Value = match serde_json::from_slice(&text) {
        Ok(value) => value,
        Err(error) => return vec![format!("it is not valid JSON: {error}")],
    };
    let mut problems = strict.problems(link.schema, &value);
    problems.extend(envelope::problems(link, &value));
    problems
}

/// The paths of all examples, relative to the root, with `/`.
fn files(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::from(FOLDER)];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(root.join(&folder));
        for entry in entries.into_iter().flatten().flatten() {
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                found.insert(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found
}

/// Keeps one of the equal problems of an example that several operations share.
fn without_duplicates(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut seen = BTreeSet::new();
    let without_place = |problem: &str| match problem.rsplit_once(" (as ") {
        Some((start, _)) => start.to_owned(),
        None => problem.to_owned(),
    };
    diagnostics
        .into_iter()
        .filter(|diagnostic| {
            seen.insert((diagnostic.file.clone(), without_place(&diagnostic.problem)))
        })
        .collect()
}

#[cfg(test)]
mod tests;
