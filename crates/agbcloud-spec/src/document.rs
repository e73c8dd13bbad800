//! Loads the specification and looks up its operations, schemas and references.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Path of the specification, relative to the root of the repository.
pub const SPEC: &str = "spec/context-api.yaml";

/// Path of the specification of the extensions of `agb serve`, relative to the root of the repository.
pub const EXTENSIONS: &str = "spec/extensions.yaml";

/// Why the specification cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The file cannot be read.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// The file is not valid YAML.
    #[error("the specification is not valid YAML: {0}")]
    Yaml(#[from] serde_norway::Error),
    /// A `$ref` has no target, or is part of a cycle.
    #[error("the specification has the reference `{0}`, which has no target")]
    Reference(String),
}

/// The specification: the bytes of its file, and the parsed document.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Content of the file.
    pub bytes: Vec<u8>,
    /// The parsed document.
    pub document: Value,
}

/// One operation of the specification.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'a> {
    /// The `operationId`.
    pub id: &'a str,
    /// The HTTP method, in lower case.
    pub method: &'a str,
    /// The path of the operation.
    pub path: &'a str,
    /// The definition of the operation.
    pub definition: &'a Value,
}

impl Spec {
    /// Loads the specification of the repository with this root.
    ///
    /// # Errors
    ///
    /// [`SpecError::Read`] or [`SpecError::Yaml`].
    pub fn load(root: &Path) -> Result<Self, SpecError> {
        Self::load_file(root.join(SPEC))
    }

    /// Loads the specification of the extensions of the repository with this root.
    ///
    /// # Errors
    ///
    /// [`SpecError::Read`] or [`SpecError::Yaml`].
    pub fn load_extensions(root: &Path) -> Result<Self, SpecError> {
        Self::load_file(root.join(EXTENSIONS))
    }

    fn load_file(path: PathBuf) -> Result<Self, SpecError> {
        let bytes = std::fs::read(&path).map_err(|source| SpecError::Read { path, source })?;
        Self::parse(bytes)
    }

    /// Parses the content of the file.
    ///
    /// # Errors
    ///
    /// [`SpecError::Yaml`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, SpecError> {
        let document = serde_norway::from_slice(&bytes)?;
        Ok(Self { bytes, document })
    }

    /// Creates a specification from a document without a file.
    pub fn from_document(document: Value) -> Self {
        Self {
            bytes: Vec::new(),
            document,
        }
    }

    /// Follows `$ref` to the value that it refers to.
    ///
    /// # Errors
    ///
    /// [`SpecError::Reference`].
    pub fn resolve<'a>(&'a self, mut value: &'a Value) -> Result<&'a Value, SpecError> {
        // A longer chain is a cycle.
        for _ in 0..16 {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
                return Ok(value);
            };
            value = reference
                .strip_prefix('#')
                .and_then(|pointer| self.document.pointer(pointer))
                .ok_or_else(|| SpecError::Reference(reference.to_owned()))?;
        }
        Err(SpecError::Reference(value.to_string()))
    }

    /// Checks that every `$ref`, at any depth, has a target.
    ///
    /// # Errors
    ///
    /// [`SpecError::Reference`] with the first one that has none or is part of a cycle.
    pub fn check_references(&self) -> Result<(), SpecError> {
        let mut pending = vec![&self.document];
        while let Some(value) = pending.pop() {
            match value {
                Value::Object(fields) => {
                    self.resolve(value)?;
                    pending.extend(fields.values());
                }
                Value::Array(items) => pending.extend(items),
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns all operations, in the order of the document.
    pub fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let paths = self.document.get("paths").and_then(Value::as_object);
        paths.into_iter().flatten().flat_map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            methods.filter_map(|(method, definition)| {
                let id = definition.get("operationId")?.as_str()?;
                Some(Operation {
                    id,
                    method,
                    path,
                    definition,
                })
            })
        })
    }

    /// Returns the schema of the JSON response of an operation with this status, or `None` if the document has none.
    pub fn response_schema(&self, operation: &str, status: u16) -> Option<&Value> {
        let operation = self.operations().find(|known| known.id == operation)?;
        let exact = status.to_string();
        let class = format!("{}XX", status / 100);
        let response = [exact, class]
            .iter()
            .find_map(|wanted| operation.responses().find(|(status, _)| status == wanted));
        let response = self.resolve(response?.1).ok()?;
        response.pointer("/content/application~1json/schema")
    }

    /// Returns the component schemas by name.
    pub fn schemas(&self) -> impl Iterator<Item = (&str, &Value)> {
        let schemas = self
            .document
            .pointer("/components/schemas")
            .and_then(Value::as_object);
        schemas
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.as_str(), schema))
    }
}

impl<'a> Operation<'a> {
    /// Returns the responses by status: `200`, `4XX`.
    pub fn responses(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let responses = self.definition.get("responses").and_then(Value::as_object);
        responses
            .into_iter()
            .flatten()
            .map(|(status, response)| (status.as_str(), response))
    }

    /// Returns the names of the query parameters, sorted.
    ///
    /// # Errors
    ///
    /// [`SpecError::Reference`].
    pub fn query(&self, spec: &'a Spec) -> Result<Vec<&'a str>, SpecError> {
        let parameters = self.definition.get("parameters").and_then(Value::as_array);
        let mut names = Vec::new();
        for parameter in parameters.into_iter().flatten() {
            let parameter = spec.resolve(parameter)?;
            let text = |field: &str| parameter.get(field).and_then(Value::as_str);
            if let (Some("query"), Some(name)) = (text("in"), text("name")) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(yaml: &str) -> Spec {
        Spec::parse(yaml.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_reference_without_target_is_an_error_at_any_depth() {
        let found = spec("a: [{b: {$ref: '#/c/d'}}]\nc: {}").check_references();
        assert!(matches!(found, Err(SpecError::Reference(to)) if to == "#/c/d"));
    }

    #[test]
    fn a_reference_to_another_file_is_an_error() {
        assert!(spec("a: {$ref: 'b.yaml#/c'}").check_references().is_err());
    }

    #[test]
    fn a_cycle_of_references_is_an_error() {
        let cycle = spec("a: {$ref: '#/b'}\nb: {$ref: '#/a'}");
        assert!(cycle.check_references().is_err());
    }

    #[test]
    fn a_property_named_like_a_target_is_not_a_cycle() {
        assert!(
            spec("a: {b: {$ref: '#/c'}}\nc: {d: 1}")
                .check_references()
                .is_ok()
        );
    }
}
