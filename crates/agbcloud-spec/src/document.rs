//! The specification as a document: loading it and finding one's way in it.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where the specification lives, below the root of the repository.
pub const SPEC: &str = "spec/context-api.yaml";

/// Why the specification can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The file can't be read.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no YAML.
    #[error("spec/context-api.yaml is not valid YAML: {0}")]
    Yaml(#[from] serde_norway::Error),
    /// A `$ref` leads nowhere, or in a circle.
    #[error("spec/context-api.yaml: the reference `{0}` leads nowhere")]
    Reference(String),
}

/// The specification: its bytes as they are on disk, and what they say.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its file, byte for byte.
    pub bytes: Vec<u8>,
    /// What stands in it.
    pub document: Value,
}

/// One operation of the specification.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'a> {
    /// Its name.
    pub id: &'a str,
    /// The HTTP method, in small letters.
    pub method: &'a str,
    /// The path that it is at.
    pub path: &'a str,
    /// All that is said of it.
    pub definition: &'a Value,
}

impl Spec {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// If it is not there, or is no YAML.
    pub fn load(root: &Path) -> Result<Self, SpecError> {
        let path = root.join(SPEC);
        let bytes = std::fs::read(&path).map_err(|source| SpecError::Read { path, source })?;
        Self::parse(bytes)
    }

    /// From the bytes of its file.
    ///
    /// # Errors
    ///
    /// If they are no YAML.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, SpecError> {
        let document = serde_norway::from_slice(&bytes)?;
        Ok(Self { bytes, document })
    }

    /// A document that stands in no file.
    pub fn from_document(document: Value) -> Self {
        Self {
            bytes: Vec::new(),
            document,
        }
    }

    /// Follows `$ref` until something stands there itself.
    ///
    /// # Errors
    ///
    /// If one leads nowhere, or in a circle.
    pub fn resolve<'a>(&'a self, mut value: &'a Value) -> Result<&'a Value, SpecError> {
        // A chain longer than this is a circle.
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

    /// Finds the first `$ref`, at any depth, that leads nowhere or in a circle.
    ///
    /// # Errors
    ///
    /// That one.
    pub fn check_references(&self) -> Result<(), SpecError> {
        let mut open = vec![&self.document];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(fields) => {
                    self.resolve(value)?;
                    open.extend(fields.values());
                }
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
        Ok(())
    }

    /// Every operation, in the order of the document.
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

    /// The schema of the JSON that an operation answers with under this status; `None` where nothing is said of it.
    pub fn answer(&self, operation: &str, status: u16) -> Option<&Value> {
        let operation = self.operations().find(|known| known.id == operation)?;
        let exact = status.to_string();
        let class = format!("{}XX", status / 100);
        let response = [exact, class]
            .iter()
            .find_map(|wanted| operation.responses().find(|(status, _)| status == wanted));
        let response = self.resolve(response?.1).ok()?;
        response.pointer("/content/application~1json/schema")
    }

    /// The component schemas by name.
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
    /// Its answers by status: `200`, `4XX`.
    pub fn responses(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let responses = self.definition.get("responses").and_then(Value::as_object);
        responses
            .into_iter()
            .flatten()
            .map(|(status, response)| (status.as_str(), response))
    }

    /// The names of its query parameters, sorted.
    ///
    /// # Errors
    ///
    /// If a `$ref` among them leads nowhere.
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
    fn a_reference_that_leads_nowhere_is_found_at_any_depth() {
        let found = spec("a: [{b: {$ref: '#/c/d'}}]\nc: {}").check_references();
        assert!(matches!(found, Err(SpecError::Reference(to)) if to == "#/c/d"));
    }

    #[test]
    fn a_reference_to_another_file_leads_nowhere() {
        assert!(spec("a: {$ref: 'b.yaml#/c'}").check_references().is_err());
    }

    #[test]
    fn a_circle_of_references_is_found() {
        let circle = spec("a: {$ref: '#/b'}\nb: {$ref: '#/a'}");
        assert!(circle.check_references().is_err());
    }

    #[test]
    fn a_property_of_the_name_is_no_circle() {
        assert!(
            spec("a: {b: {$ref: '#/c'}}\nc: {d: 1}")
                .check_references()
                .is_ok()
        );
    }
}
