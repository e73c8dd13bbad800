//! Validates responses against the schemas of the specification, more strictly than clients do.
//!
//! Clients parse responses leniently. Examples and the responses of agbcloud-server must be exact: a field that the schema
//! does not list is a problem, and the fields that `x-always` lists must exist and not be null.
//!
//! Objects that `allOf` combines from several parts are not supported: each part would refuse the fields of the others.

use std::collections::HashMap;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value, json};

use crate::Spec;

/// Validates responses. Compiles the schemas on first use.
#[derive(Debug)]
pub struct ResponseValidator<'a> {
    spec: &'a Spec,
    compiled: HashMap<String, Result<Validator, String>>,
}

impl<'a> ResponseValidator<'a> {
    /// Creates a validator for this specification.
    pub fn new(spec: &'a Spec) -> Self {
        Self {
            spec,
            compiled: HashMap::new(),
        }
    }

    /// Returns the differences of a response, or of an example of one, from the schema.
    pub fn problems(&mut self, schema: &Value, response: &Value) -> Vec<String> {
        let compiled = self
            .compiled
            .entry(schema.to_string())
            .or_insert_with(|| validator(self.spec, schema));
        match compiled {
            Ok(validator) => {
                let mut problems: Vec<String> = validator
                    .iter_errors(response)
                    .flat_map(|error| describe(&error))
                    .collect();
                problems.dedup();
                problems
            }
            Err(problem) => vec![problem.clone()],
        }
    }
}

fn validator(spec: &Spec, schema: &Value) -> Result<Validator, String> {
    let definitions: Map<String, Value> = spec
        .schemas()
        .map(|(name, schema)| (name.to_owned(), convert(schema)))
        .collect();
    let root = json!({"allOf": [convert(schema)], "$defs": definitions});
    jsonschema::draft202012::new(&root)
        .map_err(|error| format!("its schema is not a valid schema: {error}"))
}

/// Returns mistakes in the schemas that would make every example fail with an unclear error.
pub fn schema_problems(spec: &Spec) -> Vec<String> {
    let mut found = Vec::new();
    for (name, schema) in spec.schemas() {
        for always in always(schema) {
            let property = schema
                .pointer("/properties")
                .and_then(|all| all.get(always));
            if property.is_none() {
                found.push(format!(
                    "`x-always` of the schema `{name}` lists `{always}`, which is not one of its properties"
                ));
            }
        }
    }
    found
}

fn always(schema: &Value) -> impl Iterator<Item = &str> {
    let names = schema.get("x-always").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str)
}

/// Converts an OpenAPI 3.0 schema to a JSON schema.
fn convert(schema: &Value) -> Value {
    let Some(fields) = schema.as_object() else {
        return schema.clone();
    };
    if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
        let reference = reference.replace("#/components/schemas/", "#/$defs/");
        return json!({"$ref": reference});
    }
    let mut converted: Map<String, Value> = fields
        .iter()
        .filter(|(keyword, _)| is_assertion(keyword))
        .map(|(keyword, value)| (keyword.clone(), convert_keyword(keyword, value)))
        .collect();
    forbid_unlisted(schema, &mut converted);
    limit_integers(&mut converted);
    match fields.get("nullable") {
        Some(Value::Bool(true)) => or_null(converted),
        _ => Value::Object(converted),
    }
}

fn is_assertion(keyword: &str) -> bool {
    let is_annotation = matches!(
        keyword,
        "nullable"
            | "title"
            | "description"
            | "default"
            | "example"
            | "externalDocs"
            | "deprecated"
    );
    !is_annotation && !keyword.starts_with("x-")
}

fn convert_keyword(keyword: &str, value: &Value) -> Value {
    match (keyword, value) {
        ("properties", Value::Object(properties)) => properties
            .iter()
            .map(|(name, property)| (name.clone(), convert(property)))
            .collect(),
        ("allOf" | "oneOf" | "anyOf", Value::Array(schemas)) => {
            schemas.iter().map(convert).collect()
        }
        ("items" | "not" | "additionalProperties", schema) => convert(schema),
        (_, value) => value.clone(),
    }
}

/// Refuses unlisted fields, and requires the fields of `x-always`.
fn forbid_unlisted(schema: &Value, converted: &mut Map<String, Value>) {
    if !converted.contains_key("properties") {
        return;
    }
    converted
        .entry("additionalProperties")
        .or_insert(Value::Bool(false));
    let mut required: Vec<Value> = match converted.remove("required") {
        Some(Value::Array(names)) => names,
        _ => Vec::new(),
    };
    for name in always(schema) {
        required.push(name.into());
        let property = converted
            .get_mut("properties")
            .and_then(|all| all.get_mut(name));
        if let Some(property) = property {
            *property = json!({"allOf": [property.take(), {"not": {"type": "null"}}]});
        }
    }
    converted.insert("required".to_owned(), required.into());
}

/// Limits integers to their format, because clients cannot parse larger ones.
fn limit_integers(converted: &mut Map<String, Value>) {
    if converted
        .get("format")
        .is_some_and(|format| format == "int32")
    {
        converted.entry("minimum").or_insert(i32::MIN.into());
        converted.entry("maximum").or_insert(i32::MAX.into());
    }
}

fn or_null(mut converted: Map<String, Value>) -> Value {
    if let Some(kind) = converted.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
        return Value::Object(converted);
    }
    match converted.is_empty() {
        // A schema without assertions accepts null already.
        true => Value::Object(converted),
        false => json!({"anyOf": [converted, {"type": "null"}]}),
    }
}

/// Describes an error with its location. For alternatives, only the first one of the same type (list or object) as the
/// response is described: the others only report the different type.
fn describe(error: &ValidationError<'_>) -> Vec<String> {
    let matching = alternatives(error)
        .iter()
        .find(|errors| !has_other_type(errors, depth(error)))
        .or_else(|| alternatives(error).first());
    match matching {
        Some(errors) => errors.iter().flat_map(describe).collect(),
        None => vec![format!("at {}: {error}", location(error))],
    }
}

fn alternatives<'a>(error: &'a ValidationError<'_>) -> &'a [Vec<ValidationError<'static>>] {
    match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            context
        }
        _ => &[],
    }
}

/// Returns whether the value at this depth itself has the wrong type.
fn has_other_type(errors: &[ValidationError<'_>], at: usize) -> bool {
    errors.iter().any(|error| {
        let wrong = match error.kind() {
            ValidationErrorKind::Type { .. } => true,
            _ => {
                let mut rest = alternatives(error).iter().peekable();
                rest.peek().is_some() && rest.all(|errors| has_other_type(errors, at))
            }
        };
        wrong && depth(error) == at
    })
}

fn depth(error: &ValidationError<'_>) -> usize {
    error.instance_path().as_str().matches('/').count()
}

fn location(error: &ValidationError<'_>) -> String {
    match error.instance_path().as_str() {
        "" => "the top".to_owned(),
        path => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMAS: &str = "
components:
  schemas:
    Answer:
      type: object
      x-always: [data]
      properties:
        data: {nullable: true, allOf: [{$ref: '#/components/schemas/Page'}]}
        count: {type: integer, format: int32, nullable: true}
        rest: {nullable: true, description: Anything.}
    Page:
      oneOf:
        - {type: array, items: {$ref: '#/components/schemas/Entry'}}
        - {type: object, properties: {items: {type: array, nullable: true, items: {type: string}}}}
    Entry:
      type: object
      x-always: [id]
      properties:
        id: {type: string, nullable: true}
";

    fn problems_of(response: &Value) -> Vec<String> {
        let spec = Spec::parse(SCHEMAS.into()).unwrap();
        let schema = json!({"$ref": "#/components/schemas/Answer"});
        ResponseValidator::new(&spec).problems(&schema, response)
    }

    #[test]
    fn responses_that_match_the_schema_have_no_problems() {
        for valid in [
            json!({"data": [{"id": "a"}], "count": 1, "rest": {"any": 1}}),
            json!({"data": [], "count": null, "rest": null}),
            json!({"data": {"items": ["a"]}}),
        ] {
            assert_eq!(problems_of(&valid), Vec::<String>::new(), "{valid}");
        }
    }

    #[test]
    fn each_problem_has_its_location() {
        for (bad, place, what) in [
            (json!({}), "the top", "required"),
            (json!({"data": null}), "/data", "null"),
            (json!({"data": [], "more": 1}), "the top", "'more'"),
            (json!({"data": [], "count": "1"}), "/count", "integer"),
            (
                json!({"data": [], "count": 3_000_000_000_u64}),
                "/count",
                "maximum",
            ),
            (json!({"data": [{"id": 7}]}), "/data/0/id", "string"),
            (json!({"data": [{"id": null}]}), "/data/0/id", "null"),
            (json!({"data": [{"id": "a", "x": 1}]}), "/data/0", "'x'"),
            (json!({"data": [{}]}), "/data/0", "required"),
            (json!({"data": {"items": [1]}}), "/data/items/0", "string"),
        ] {
            let problems = problems_of(&bad);
            let expected = format!("at {place}: ");
            assert!(
                problems
                    .iter()
                    .any(|problem| problem.starts_with(&expected) && problem.contains(what)),
                "{bad}: {problems:?}"
            );
        }
    }

    #[test]
    fn x_always_must_list_properties() {
        let schemas = SCHEMAS.replace("x-always: [id]", "x-always: [id, ident]");
        let spec = Spec::parse(schemas.into()).unwrap();
        assert_eq!(
            schema_problems(&spec),
            ["`x-always` of the schema `Entry` lists `ident`, which is not one of its properties"]
        );
    }
}
