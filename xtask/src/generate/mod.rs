//! From the specification to `crates/agbcloud-api/src/generated`.
//!
//! The way of one run: [`reduce`] derives from the specification what the generator can take, progenitor
//! turns that into tokens, [`rewrite`] mends the one place where an answer would lose its head and splits
//! types from client, prettyplease formats, [`header`] says where the file comes from.

pub(crate) mod header;
mod reduce;
mod rewrite;
pub(crate) mod settings;
mod unpanicked;

use std::path::Path;

use agbcloud_spec::{Spec, SpecError};

/// Folder of the generated files, below the root of the repository.
pub(crate) const OUTPUT: &str = "crates/agbcloud-api/src/generated";

/// The files in it.
pub(crate) const FILES: [&str; 2] = ["client.rs", "types.rs"];

/// One generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GeneratedFile {
    /// Its path below the root of the repository, with `/`.
    pub(crate) path: String,
    /// All of it, header included.
    pub(crate) content: String,
}

/// Why nothing could be generated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GenerateError {
    /// The specification can't be used.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The specification is no OpenAPI 3.0 document.
    #[error("spec/context-api.yaml is no OpenAPI 3.0 document: {0}")]
    OpenApi(serde_json::Error),
    /// The generator refused the specification.
    #[error("progenitor can't generate from spec/context-api.yaml: {0}")]
    Progenitor(String),
    /// The generator's output is not what the rewriting step knows.
    #[error(
        "progenitor's output has changed its shape: {0}; look at xtask/src/generate/rewrite.rs"
    )]
    Rewrite(String),
    /// The versions of the generator can't be found out.
    #[error(transparent)]
    Settings(#[from] settings::SettingsError),
    /// A file can't be written.
    #[error("can't write {path}: {source}")]
    Write {
        /// The file, below the root.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl GenerateError {
    /// What to do about it.
    pub(crate) fn mend(&self) -> &'static str {
        match self {
            Self::Spec(_) | Self::OpenApi(_) | Self::Progenitor(_) => {
                "correct spec/context-api.yaml, then run `cargo xtask generate`"
            }
            Self::Rewrite(_) => {
                "adapt xtask/src/generate/rewrite.rs to the generator, then run `cargo xtask generate`"
            }
            Self::Settings(_) => {
                "restore Cargo.lock with `git checkout -- Cargo.lock`, or make it anew with `cargo generate-lockfile`"
            }
            Self::Write { .. } => "make the folder writable, then run `cargo xtask generate` again",
        }
    }
}

/// Generates everything in memory: the same input gives the same bytes.
pub(crate) fn generate(root: &Path) -> Result<Vec<GeneratedFile>, GenerateError> {
    unpanicked::run(|| generate_here(root))
        .map_err(|message| GenerateError::Progenitor(format!("it panicked: {message}")))?
}

fn generate_here(root: &Path) -> Result<Vec<GeneratedFile>, GenerateError> {
    let spec = Spec::load(root)?;
    spec.check_references()?;
    let provenance = settings::provenance(root, &spec)?;
    let sources = rewrite::split(tokens(&spec)?)?;
    Ok(sources
        .into_iter()
        .map(|(name, source)| GeneratedFile {
            path: format!("{OUTPUT}/{name}"),
            content: header::with_header(&provenance, &prettyplease::unparse(&source)),
        })
        .collect())
}

/// Generates and writes what differs; gives the paths that were written. A reader never sees half a file:
/// each is written beside its place and renamed.
pub(crate) fn write(root: &Path) -> Result<Vec<String>, GenerateError> {
    let mut written = Vec::new();
    for file in generate(root)? {
        let target = root.join(&file.path);
        if std::fs::read_to_string(&target).is_ok_and(|old| old == file.content) {
            continue;
        }
        replace(&target, &file.content).map_err(|source| GenerateError::Write {
            path: file.path.clone(),
            source,
        })?;
        written.push(file.path);
    }
    Ok(written)
}

fn replace(target: &Path, content: &str) -> std::io::Result<()> {
    let folder = target.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut temporary, content.as_bytes())?;
    temporary.persist(target).map_err(|error| error.error)?;
    Ok(())
}

fn tokens(spec: &Spec) -> Result<syn::File, GenerateError> {
    let reduced = reduce::reduce(spec)?;
    // Once more: what is left of a schema that consists of itself is a circle, which the generator would
    // follow until the stack ends.
    Spec::from_document(reduced.clone()).check_references()?;
    let document = serde_json::from_value(reduced).map_err(GenerateError::OpenApi)?;
    let tokens = settings::generator()
        .generate_tokens(&document)
        .map_err(|error| GenerateError::Progenitor(error.to_string()))?;
    syn::parse2(tokens).map_err(|error| GenerateError::Progenitor(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn two_runs_give_the_same_bytes() {
        let scratch = Scratch::new();
        assert_eq!(
            generate(scratch.root()).unwrap(),
            generate(scratch.root()).unwrap()
        );
    }

    #[test]
    fn writing_touches_only_what_differs_and_leaves_nothing_else_behind() {
        let scratch = Scratch::new();
        assert_eq!(write(scratch.root()).unwrap(), Vec::<String>::new());

        let types = format!("{OUTPUT}/types.rs");
        let before = scratch.read(&types);
        scratch.write(&types, "struct Mine;\n");
        assert_eq!(write(scratch.root()).unwrap(), std::slice::from_ref(&types));
        assert_eq!(scratch.read(&types), before);
        let entries = std::fs::read_dir(scratch.root().join(OUTPUT)).unwrap();
        assert_eq!(entries.count(), 2);
    }

    #[test]
    fn the_files_are_those_that_are_known() {
        let files = generate(Scratch::new().root()).unwrap();
        let mut paths: Vec<String> = files.into_iter().map(|file| file.path).collect();
        paths.sort_unstable();
        assert_eq!(paths, FILES.map(|name| format!("{OUTPUT}/{name}")));
    }

    #[test]
    fn a_missing_folder_is_made() {
        let scratch = Scratch::new();
        std::fs::remove_dir_all(scratch.root().join(OUTPUT)).unwrap();
        assert_eq!(write(scratch.root()).unwrap().len(), 2);
    }
}
