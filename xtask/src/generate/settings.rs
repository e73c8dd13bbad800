//! How the generator is set, and the fingerprint by which a change of that is told from a change of the
//! specification.

use std::path::{Path, PathBuf};

use progenitor::{GenerationSettings, Generator, InterfaceStyle, TagStyle, TypeImpl};
use sha2::{Digest, Sha256};

use super::header::Provenance;
use agbcloud_spec::Spec;

/// What decides the output besides the specification: these packages, at the versions of `Cargo.lock`.
const GENERATORS: [&str; 3] = ["progenitor-impl", "typify-impl", "prettyplease"];

/// Everything of ours that shapes the output.
const SOURCES: [&str; 3] = [
    include_str!("settings.rs"),
    include_str!("reduce.rs"),
    include_str!("rewrite.rs"),
];

/// Why the provenance can't be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The lock file can't be read.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A part of the generator is not locked.
    #[error("Cargo.lock names no `{0}`: run `cargo generate-lockfile`")]
    Unlocked(&'static str),
}

pub(super) fn generator() -> Generator {
    let mut settings = GenerationSettings::default();
    settings
        .with_interface(InterfaceStyle::Builder)
        .with_tag(TagStyle::Merged)
        .with_derive("schemars::JsonSchema")
        // Whoever prints an answer must not print a signature: see the type.
        .with_replacement("SignedUrl", "crate::SignedUrl", [TypeImpl::FromStr].into_iter());
    Generator::new(&settings)
}

/// Where a run's output comes from.
pub(crate) fn provenance(root: &Path, spec: &Spec) -> Result<Provenance, SettingsError> {
    let path = root.join("Cargo.lock");
    let lock =
        std::fs::read_to_string(&path).map_err(|source| SettingsError::Read { path, source })?;
    let mut generator = Vec::new();
    for name in GENERATORS {
        let version = locked_version(&lock, name).ok_or(SettingsError::Unlocked(name))?;
        generator.push(format!("{name} {version}"));
    }
    Ok(Provenance {
        generator: generator.join(", "),
        spec: hash([spec.bytes.as_slice()]),
        settings: hash(SOURCES.map(str::as_bytes)),
    })
}

/// The highest version of a package that the lock file names.
fn locked_version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let start = lock.rfind(&entry)? + entry.len();
    lock.get(start..)?.split('"').next()
}

/// SHA-256 over the parts, in hexadecimal. Line ends are folded, so that a checkout with CRLF is the same.
pub(crate) fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        for line in part.split(|byte| *byte == b'\n') {
            digest.update(line.strip_suffix(b"\r").unwrap_or(line));
            digest.update(b"\n");
        }
        digest.update([0]);
    }
    digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
