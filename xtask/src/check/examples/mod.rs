//! The example answers against the specification.
//!
//! The specification links every example by `externalValue`. Each link must lead to a file, each file must be
//! linked, and what the file holds must be an answer that the service could give: see [`ResponseValidator`] for its form
//! and [`envelope`] for what it says.

mod envelope;
mod links;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::links::Link;
use super::finding::{Finding, Kind};
use agbcloud_spec::{ResponseValidator, SPEC, Spec};

/// Where the examples are, below the root of the repository.
const FOLDER: &str = "spec/examples";

pub(super) fn check(root: &Path, spec: &Spec) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut complain = |file: &str, problem: String| findings.push(finding(file, problem));
    for problem in agbcloud_spec::schema_problems(spec) {
        complain(SPEC, problem);
    }
    let links = links::all(spec, &mut complain);
    let mut strict = ResponseValidator::new(spec);
    let mut linked = BTreeSet::new();
    for link in &links {
        linked.insert(link.file.clone());
        for problem in check_link(root, link, &mut strict) {
            complain(&link.file, format!("{problem} (as {})", link.place));
        }
    }
    for file in files(root) {
        if !linked.contains(&file) {
            complain(&file, format!("an orphan: nothing in {SPEC} links to it"));
        }
    }
    merged(findings)
}

fn finding(file: &str, problem: String) -> Finding {
    let mend = match file {
        SPEC => format!("correct {SPEC}"),
        file => format!("correct {file}, or {SPEC} where it is right"),
    };
    Finding {
        kind: Kind::Example,
        file: file.to_owned(),
        problem,
        mend,
    }
}

/// What is wrong with one example under one link.
fn check_link(root: &Path, link: &Link<'_>, strict: &mut ResponseValidator<'_>) -> Vec<String> {
    let text = match std::fs::read(root.join(&link.file)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return vec!["the file is linked, but is not there".to_owned()];
        }
        Err(error) => return vec![format!("it can't be read: {error}")],
    };
    let value: Value = match serde_json::from_slice(&text) {
        Ok(value) => value,
        Err(error) => return vec![format!("it is not valid JSON: {error}")],
    };
    let mut problems = strict.problems(link.schema, &value);
    problems.extend(envelope::problems(link, &value));
    problems
}

/// Every example, below the root, with `/`.
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

/// An example that many operations share is wrong in the same way under each: that is said once.
fn merged(findings: Vec<Finding>) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let what = |problem: &str| match problem.rsplit_once(" (as ") {
        Some((what, _)) => what.to_owned(),
        None => problem.to_owned(),
    };
    findings
        .into_iter()
        .filter(|finding| seen.insert((finding.file.clone(), what(&finding.problem))))
        .collect()
}

#[cfg(test)]
mod tests;
