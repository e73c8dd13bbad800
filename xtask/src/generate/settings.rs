//! The settings of the generator, and their hash.

use std::path::Path;

use progenitor::{GenerationSettings, Generator, InterfaceStyle, TagStyle, TypeImpl};

use super::GenerateError;
use super::header::{Provenance, hash};
use agbcloud_spec::Spec;

/// Packages whose versions in `Cargo.lock` determine the output.
const GENERATORS: [&str; 3] = ["progenitor-impl", "typify-impl", "prettyplease"];

/// Our own code that determines the output.
const SOURCES: [&str; 3] = [
    include_str!("settings.rs"),
    include_str!("simplify_spec.rs"),
    include_str!("rewrite_output.rs"),
];

pub(super) fn generator() -> Generator {
    let mut settings = GenerationSettings::default();
    settings
        .with_interface(InterfaceStyle::Builder)
        .with_tag(TagStyle::Merged)
        .with_derive("schemars::JsonSchema")
        .with_inner_type(quote::quote!(crate::RequestHook))
        // This type hides the signature in `Debug`.
        .with_replacement("SignedUrl", "crate::SignedUrl", [TypeImpl::FromStr].into_iter());
    Generator::new(&settings)
}

/// Returns the current inputs.
pub(crate) fn provenance(root: &Path, spec: &Spec) -> Result<Provenance, GenerateError> {
    let lock = std::fs::read_to_string(root.join("Cargo.lock"))
        .map_err(|error| GenerateError::Lock(error.to_string()))?;
    let mut generator = Vec::new();
    for name in GENERATORS {
        let version = locked_version(&lock, name)
            .ok_or_else(|| GenerateError::Lock(format!("there is no {name}")))?;
        generator.push(format!("{name} {version}"));
    }
    Ok(Provenance {
        generator: generator.join(", "),
        spec: hash([spec.bytes.as_slice()]),
        settings: hash(SOURCES.map(str::as_bytes)),
    })
}

/// The highest version of a package in the lock file.
fn locked_version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let start = lock.rfind(&entry)? + entry.len();
    lock.get(start..)?.split('"').next()
}
