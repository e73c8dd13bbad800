//! From the specification to `crates/agbcloud-api/src/generated`.
//!
//! The way of one run: [`reduce`] derives from the specification what the generator can take, progenitor
//! turns that into tokens, [`rewrite`] mends the one place where an answer would lose its head and splits
//! types from client, prettyplease formats, [`header`] says where the file comes from.

pub(crate) mod header;
mod reduce;
mod rewrite;
pub(crate) mod settings;

use std::path::Path;

use crate::spec::{Spec, SpecError};

/// Folder of the generated files, below the root of the repository.
pub(crate) const OUTPUT: &str = "crates/agbcloud-api/src/generated";

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

/// Generates everything in memory: the same input gives the same bytes.
pub(crate) fn generate(root: &Path) -> Result<Vec<GeneratedFile>, GenerateError> {
    let spec = Spec::load(root)?;
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
    let document = serde_json::from_value(reduce::reduce(spec)?).map_err(GenerateError::OpenApi)?;
    let tokens = settings::generator()
        .generate_tokens(&document)
        .map_err(|error| GenerateError::Progenitor(error.to_string()))?;
    syn::parse2(tokens).map_err(|error| GenerateError::Progenitor(error.to_string()))
}
