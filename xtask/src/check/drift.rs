//! The generated files against what would be generated now, and which of three it is that differs: the
//! specification, the generator, or a file that was edited by hand.

use std::collections::BTreeSet;
use std::path::Path;

use super::finding::{Finding, Kind};
use crate::generate::header::{self, Provenance, Stamp};
use crate::generate::{self, FILES, GenerateError, GeneratedFile, OUTPUT, settings};
use agbcloud_spec::{SPEC, Spec};

const GENERATE: &str = "run `cargo xtask generate`";

/// What would be generated now, as far as that can be told.
struct Now {
    files: Option<Vec<GeneratedFile>>,
    provenance: Option<Provenance>,
}

impl Now {
    fn fresh(&self, path: &str) -> Option<&str> {
        let mut files = self.files.iter().flatten();
        let file = files.find(|file| file.path == path)?;
        Some(&file.content)
    }
}

pub(super) fn check(root: &Path) -> Vec<Finding> {
    let fresh = generate::generate(root);
    let mut findings: Vec<Finding> = fresh.as_ref().err().map(refused).into_iter().collect();
    let now = Now {
        files: fresh.ok(),
        provenance: provenance(root),
    };
    for name in FILES {
        findings.extend(check_file(root, &format!("{OUTPUT}/{name}"), &now));
    }
    findings.extend(strangers(root));
    findings
}

fn provenance(root: &Path) -> Option<Provenance> {
    let spec = Spec::load(root).ok()?;
    settings::provenance(root, &spec).ok()
}

fn refused(error: &GenerateError) -> Finding {
    let (kind, file) = match error {
        GenerateError::Spec(_) | GenerateError::OpenApi(_) | GenerateError::Progenitor(_) => {
            (Kind::Specification, SPEC)
        }
        GenerateError::Rewrite(_) => (Kind::GeneratorDrift, "xtask/src/generate/rewrite.rs"),
        GenerateError::Settings(_) => (Kind::GeneratorDrift, "Cargo.lock"),
        GenerateError::Write { .. } => (Kind::GeneratorDrift, OUTPUT),
    };
    Finding {
        kind,
        file: file.to_owned(),
        problem: error.to_string(),
        mend: error.mend().to_owned(),
    }
}

/// What lies among the generated files and is none.
fn strangers(root: &Path) -> Vec<Finding> {
    let entries = std::fs::read_dir(root.join(OUTPUT));
    let names: BTreeSet<String> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !FILES.contains(&name.as_str()))
        .collect();
    let strange = names
        .iter()
        .map(|name| unknown(&format!("{OUTPUT}/{name}")));
    strange.collect()
}

fn check_file(root: &Path, path: &str, now: &Now) -> Vec<Finding> {
    let content = match std::fs::read_to_string(root.join(path)) {
        Ok(content) => content.replace("\r\n", "\n"),
        Err(error) => return vec![unreadable(path, &error)],
    };
    let Some(stamp) = header::read(&content) else {
        return vec![headless(path)];
    };
    let fresh = now.fresh(path);
    let mut findings = Vec::new();
    if !stamp.intact {
        findings.push(edited(path));
    }
    // The checksum is the first line. The one of a fresh file says that this was generated from what is there
    // now: whatever else differs was edited later.
    if fresh.and_then(|fresh| fresh.lines().next()) != content.lines().next() {
        findings.extend(moved_on(path, &stamp, now.provenance.as_ref()));
    }
    if findings.is_empty() && fresh.is_some_and(|fresh| fresh != content) {
        findings.push(unexplained(path));
    }
    findings
}

fn unknown(path: &str) -> Finding {
    Finding {
        kind: Kind::UnknownFile,
        file: path.to_owned(),
        problem: "nothing generates this file, and only generated files belong here".to_owned(),
        mend: "move it out of the folder, or delete it".to_owned(),
    }
}

fn unreadable(path: &str, error: &std::io::Error) -> Finding {
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    Finding {
        kind: if missing {
            Kind::Missing
        } else {
            Kind::HandEdit
        },
        file: path.to_owned(),
        problem: if missing {
            "it should have been generated, and is not there".to_owned()
        } else {
            format!("it can't be read: {error}")
        },
        mend: GENERATE.to_owned(),
    }
}

fn headless(path: &str) -> Finding {
    hand_edit(
        path,
        "edited by hand: its header, which tells what it was generated from, is gone or damaged",
    )
}

fn edited(path: &str) -> Finding {
    hand_edit(
        path,
        "edited by hand: it does not match the checksum in its first line",
    )
}

fn hand_edit(path: &str, problem: &str) -> Finding {
    Finding {
        kind: Kind::HandEdit,
        file: path.to_owned(),
        problem: problem.to_owned(),
        mend: format!(
            "run `git checkout -- {path}` or `cargo xtask generate`; a change that should stay belongs in \
             {SPEC} or in xtask/src/generate"
        ),
    }
}

/// What of the file's provenance is no longer so.
fn moved_on(path: &str, stamp: &Stamp, now: Option<&Provenance>) -> Vec<Finding> {
    let Some(now) = now else {
        return Vec::new();
    };
    let then = &stamp.provenance;
    let finding = |kind, problem| Finding {
        kind,
        file: path.to_owned(),
        problem,
        mend: GENERATE.to_owned(),
    };
    let mut findings = Vec::new();
    if then.spec != now.spec {
        let change = change(&then.spec, &now.spec);
        let problem = format!("{SPEC} has changed since this was generated ({change})");
        findings.push(finding(Kind::SpecDrift, problem));
    }
    if then.generator != now.generator {
        let problem = format!(
            "the generator has changed: {}",
            versions(&then.generator, &now.generator)
        );
        findings.push(finding(Kind::GeneratorDrift, problem));
    }
    if then.settings != now.settings {
        let change = change(&then.settings, &now.settings);
        let problem =
            format!("the generator's settings in xtask/src/generate have changed ({change})");
        findings.push(finding(Kind::GeneratorDrift, problem));
    }
    findings
}

/// The first digits of two hashes are enough to see that they differ.
fn change(old: &str, new: &str) -> String {
    let short = |hash: &str| hash.chars().take(12).collect::<String>();
    format!("{} → {}", short(old), short(new))
}

/// The packages whose versions differ: `name old → new`.
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

fn unexplained(path: &str) -> Finding {
    Finding {
        kind: Kind::GeneratorDrift,
        file: path.to_owned(),
        problem:
            "a fresh generation differs, though specification, versions and settings are the same: \
                  something that shapes the output is not in the fingerprint (xtask/src/generate/settings.rs)"
                .to_owned(),
        mend: GENERATE.to_owned(),
    }
}

#[cfg(test)]
mod tests;
