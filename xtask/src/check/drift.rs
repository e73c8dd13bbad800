//! Compares the generated files with a new generation, and reports the cause of a difference: the specification, the
//! generator, or an edit by hand.

use std::collections::BTreeSet;
use std::path::Path;

use super::diagnostic::{Diagnostic, Kind};
use crate::generate::header::{self, Header, Provenance};
use crate::generate::{self, FILES, GenerateError, GeneratedFile, OUTPUT, settings};
use agbcloud_spec::{SPEC, Spec};

const GENERATE: &str = "run `cargo xtask generate`";

/// A new generation. `None` where it failed.
struct Generation {
    files: Option<Vec<GeneratedFile>>,
    provenance: Option<Provenance>,
}

impl Generation {
    fn content(&self, path: &str) -> Option<&str> {
        let mut files = self.files.iter().flatten();
        let file = files.find(|file| file.path == path)?;
        Some(&file.content)
    }
}

pub(super) fn check(root: &Path) -> Vec<Diagnostic> {
    let generated = generate::generate(root);
    let mut diagnostics: Vec<Diagnostic> = generated
        .as_ref()
        .err()
        .map(generation_failed)
        .into_iter()
        .collect();
    let generation = Generation {
        files: generated.ok(),
        provenance: provenance(root),
    };
    for name in FILES {
        diagnostics.extend(check_file(root, &format!("{OUTPUT}/{name}"), &generation));
    }
    diagnostics.extend(unknown_files(root));
    diagnostics
}

fn provenance(root: &Path) -> Option<Provenance> {
    let spec = Spec::load(root).ok()?;
    settings::provenance(root, &spec).ok()
}

fn generation_failed(error: &GenerateError) -> Diagnostic {
    let (kind, file) = match error {
        GenerateError::Spec(_) | GenerateError::OpenApi(_) | GenerateError::Progenitor(_) => {
            (Kind::Specification, SPEC)
        }
        GenerateError::Rewrite(_) => (
            Kind::ChangedGenerator,
            "xtask/src/generate/rewrite_output.rs",
        ),
        GenerateError::Lock(_) => (Kind::ChangedGenerator, "Cargo.lock"),
        GenerateError::Write { .. } => (Kind::ChangedGenerator, OUTPUT),
    };
    Diagnostic {
        kind,
        file: file.to_owned(),
        problem: error.to_string(),
        hint: error.hint().to_owned(),
    }
}

/// Files in the folder of generated files that are not generated.
fn unknown_files(root: &Path) -> Vec<Diagnostic> {
    let entries = std::fs::read_dir(root.join(OUTPUT));
    let names: BTreeSet<String> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !FILES.contains(&name.as_str()))
        .collect();
    let diagnostics = names
        .iter()
        .map(|name| unknown_file(&format!("{OUTPUT}/{name}")));
    diagnostics.collect()
}

fn check_file(root: &Path, path: &str, generation: &Generation) -> Vec<Diagnostic> {
    let content = match std::fs::read_to_string(root.join(path)) {
        Ok(content) => content.replace("\r\n", "\n"),
        Err(error) => return vec![unreadable(path, &error)],
    };
    let Some(header) = header::read(&content) else {
        return vec![missing_header(path)];
    };
    let fresh = generation.content(path);
    let mut diagnostics = Vec::new();
    if !header.intact {
        diagnostics.push(edited(path));
    }
    // The first line is the checksum. If it is the current one, the file was generated from the current inputs, and all
    // differences are edits.
    if fresh.and_then(|fresh| fresh.lines().next()) != content.lines().next() {
        diagnostics.extend(changed_inputs(
            path,
            &header,
            generation.provenance.as_ref(),
        ));
    }
    if diagnostics.is_empty() && fresh.is_some_and(|fresh| fresh != content) {
        diagnostics.push(unexplained(path));
    }
    diagnostics
}

fn unknown_file(path: &str) -> Diagnostic {
    Diagnostic {
        kind: Kind::UnknownFile,
        file: path.to_owned(),
        problem: "this file is not generated, and the folder is for generated files only"
            .to_owned(),
        hint: "move it out of the folder, or delete it".to_owned(),
    }
}

fn unreadable(path: &str, error: &std::io::Error) -> Diagnostic {
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    Diagnostic {
        kind: if missing {
            Kind::MissingFile
        } else {
            Kind::HandEdit
        },
        file: path.to_owned(),
        problem: if missing {
            "the generated file does not exist".to_owned()
        } else {
            format!("can't read the file: {error}")
        },
        hint: GENERATE.to_owned(),
    }
}

fn missing_header(path: &str) -> Diagnostic {
    hand_edit(path, "edited by hand: its header is missing or damaged")
}

fn edited(path: &str) -> Diagnostic {
    hand_edit(
        path,
        "edited by hand: it does not match the checksum in its first line",
    )
}

fn hand_edit(path: &str, problem: &str) -> Diagnostic {
    Diagnostic {
        kind: Kind::HandEdit,
        file: path.to_owned(),
        problem: problem.to_owned(),
        hint: format!(
            "run `git checkout -- {path}` or `cargo xtask generate`; to keep a change, make it in {SPEC} or \
             xtask/src/generate"
        ),
    }
}

/// The inputs that have changed since the file was generated.
fn changed_inputs(path: &str, header: &Header, now: Option<&Provenance>) -> Vec<Diagnostic> {
    let Some(now) = now else {
        return Vec::new();
    };
    let then = &header.provenance;
    let diagnostic = |kind, problem| Diagnostic {
        kind,
        file: path.to_owned(),
        problem,
        hint: GENERATE.to_owned(),
    };
    let mut diagnostics = Vec::new();
    if then.spec != now.spec {
        let change = change(&then.spec, &now.spec);
        let problem = format!("{SPEC} has changed since the file was generated ({change})");
        diagnostics.push(diagnostic(Kind::ChangedSpecification, problem));
    }
    if then.generator != now.generator {
        let problem = format!(
            "the generator has changed: {}",
            versions(&then.generator, &now.generator)
        );
        diagnostics.push(diagnostic(Kind::ChangedGenerator, problem));
    }
    if then.settings != now.settings {
        let change = change(&then.settings, &now.settings);
        let problem =
            format!("the generator's settings in xtask/src/generate have changed ({change})");
        diagnostics.push(diagnostic(Kind::ChangedGenerator, problem));
    }
    diagnostics
}

/// The first digits of two hashes.
fn change(old: &str, new: &str) -> String {
    let short = |hash: &str| hash.chars().take(12).collect::<String>();
    format!("{} → {}", short(old), short(new))
}

/// The packages whose versions differ, as `name old → new`.
fn versions(old: &str, new: &str) -> String {
    let version = |list: &str, package: &str| {
        let mut entries = list.split(", ").filter_map(|entry| entry.split_once(' '));
        entries
            .find(|(name, _)| *name == package)
            .map_or("none".to_owned(), |(_, version)| version.to_owned())
    };
    let packages: BTreeSet<&str> = old
        .split(", ")
        .chain(new.split(", "))
        .filter_map(|entry| entry.split(' ').next())
        .collect();
    let changes: Vec<String> = packages
        .into_iter()
        .map(|package| (package, version(old, package), version(new, package)))
        .filter(|(_, old, new)| old != new)
        .map(|(package, old, new)| format!("{package} {old} → {new}"))
        .collect();
    changes.join(", ")
}

fn unexplained(path: &str) -> Diagnostic {
    Diagnostic {
        kind: Kind::ChangedGenerator,
        file: path.to_owned(),
        problem:
            "a new generation differs, although specification, versions and settings are the same: \
                  an input is missing in the hashes of xtask/src/generate/settings.rs"
                .to_owned(),
        hint: GENERATE.to_owned(),
    }
}

#[cfg(test)]
mod tests;
