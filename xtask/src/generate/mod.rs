//! `cargo xtask generate`: generates `crates/agbcloud-api/src/generated` from the specification.
//!
//! The steps: [`simplify_spec`] removes from the specification what the generator does not support, progenitor generates
//! tokens, [`rewrite_output`] replaces the decoding of responses and splits types from client, prettyplease formats, and
//! [`header`] adds the inputs and a checksum.

pub(crate) mod header;
mod rewrite_output;
pub(crate) mod settings;
mod simplify_spec;

use std::panic::catch_unwind;
use std::path::Path;

use crate::failure::Failure;
use agbcloud_spec::{Spec, SpecError};

/// Folder of the generated files, relative to the root of the repository.
pub(crate) const OUTPUT: &str = "crates/agbcloud-api/src/generated";

/// The generated files.
pub(crate) const FILES: [&str; 2] = ["client.rs", "types.rs"];

/// One generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GeneratedFile {
    /// Path relative to the root of the repository, with `/`.
    pub(crate) path: String,
    /// Content, including the header.
    pub(crate) content: String,
}

/// The error of a generation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GenerateError {
    /// The specification is invalid.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The specification is not an OpenAPI 3.0 document.
    #[error("spec/context-api.yaml is not an OpenAPI 3.0 document: {0}")]
    OpenApi(serde_json::Error),
    /// The generator rejects the specification.
    #[error("progenitor can't generate from spec/context-api.yaml: {0}")]
    Progenitor(String),
    /// The rewriting step does not support the generator's output.
    #[error("the structure of progenitor's output has changed: {0}")]
    Rewrite(String),
    /// The lock file does not contain the versions of the generator.
    #[error("can't read the versions of the generator from Cargo.lock: {0}")]
    Lock(String),
    /// A file can't be written.
    #[error("can't write {path}: {source}")]
    Write {
        /// The file, relative to the root.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl GenerateError {
    /// What to do.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Spec(_) | Self::OpenApi(_) | Self::Progenitor(_) => {
                "correct spec/context-api.yaml, then run `cargo xtask generate`"
            }
            Self::Rewrite(_) => {
                "adapt xtask/src/generate/rewrite_output.rs to the generator, then run `cargo xtask generate`"
            }
            Self::Lock(_) => {
                "restore Cargo.lock with `git checkout -- Cargo.lock`, or create it with `cargo generate-lockfile`"
            }
            Self::Write { .. } => "make the folder writable, then run `cargo xtask generate` again",
        }
    }
}

/// Generates all files and prints what it wrote.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let written = write(root).map_err(|error| Failure::new(error.to_string(), error.hint()))?;
    for file in &written {
        println!("wrote {file}");
    }
    if written.is_empty() {
        println!("all generated files are up to date");
    }
    Ok(())
}

/// Generates all files in memory. The same inputs generate the same bytes.
pub(crate) fn generate(root: &Path) -> Result<Vec<GeneratedFile>, GenerateError> {
    // progenitor panics on some specifications.
    catch_unwind(|| generate_or_panic(root)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        GenerateError::Progenitor(format!("it panicked: {}", text.unwrap_or_default()))
    })?
}

fn generate_or_panic(root: &Path) -> Result<Vec<GeneratedFile>, GenerateError> {
    let spec = Spec::load(root)?;
    spec.check_references()?;
    let provenance = settings::provenance(root, &spec)?;
    let sources = rewrite_output::split(tokens(&spec)?)?;
    Ok(sources
        .into_iter()
        .map(|(name, source)| GeneratedFile {
            path: format!("{OUTPUT}/{name}"),
            content: header::with_header(&provenance, &prettyplease::unparse(&source)),
        })
        .collect())
}

/// Generates all files and writes those that differ. Returns the paths of the written files.
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

/// Writes a temporary file and renames it, so that no reader sees half a file.
fn replace(target: &Path, content: &str) -> std::io::Result<()> {
    let folder = target.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut temporary, content.as_bytes())?;
    temporary.persist(target).map_err(|error| error.error)?;
    Ok(())
}

fn tokens(spec: &Spec) -> Result<syn::File, GenerateError> {
    let simplified = simplify_spec::simplify(spec)?;
    // Checked again: a simplified recursive schema can be a cycle of references, which overflows the generator's stack.
    Spec::from_document(simplified.clone()).check_references()?;
    let document = serde_json::from_value(simplified).map_err(GenerateError::OpenApi)?;
    let tokens = settings::generator()
        .generate_tokens(&document)
        .map_err(|error| GenerateError::Progenitor(error.to_string()))?;
    syn::parse2(tokens).map_err(|error| GenerateError::Progenitor(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_repository::TestRepository;

    #[test]
    fn two_runs_generate_the_same_bytes() {
        let repository = TestRepository::new();
        assert_eq!(
            generate(repository.root()).unwrap(),
            generate(repository.root()).unwrap()
        );
    }

    #[test]
    fn only_files_that_differ_are_written() {
        let repository = TestRepository::new();
        assert_eq!(write(repository.root()).unwrap(), Vec::<String>::new());
        let types = format!("{OUTPUT}/types.rs");
        let before = repository.read(&types);
        repository.write(&types, "struct Mine;\n");
        assert_eq!(
            write(repository.root()).unwrap(),
            std::slice::from_ref(&types)
        );
        assert_eq!(repository.read(&types), before);
        let entries = std::fs::read_dir(repository.root().join(OUTPUT)).unwrap();
        assert_eq!(entries.count(), 2);
    }

    #[test]
    fn the_generated_files_are_the_listed_ones() {
        let files = generate(TestRepository::new().root()).unwrap();
        let mut paths: Vec<String> = files.into_iter().map(|file| file.path).collect();
        paths.sort_unstable();
        assert_eq!(paths, FILES.map(|name| format!("{OUTPUT}/{name}")));
    }

    #[test]
    fn a_missing_folder_is_created() {
        let repository = TestRepository::new();
        std::fs::remove_dir_all(repository.root().join(OUTPUT)).unwrap();
        assert_eq!(write(repository.root()).unwrap().len(), 2);
    }
}
