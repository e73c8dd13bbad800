//! What the generator is given: the specification less what progenitor 0.15 can't take or would make worse.
//!
//! * Failures (`4XX`, `5XX`) go: with a type for them, a gateway's HTML answer would lose its status and its
//!   headers; without, every failure reaches the caller as the untouched response.
//! * Request bodies go: the service wants none, and progenitor would make the optional one required.
//! * `nullable` and the `allOf` around one reference go: every field of an answer is optional already, and
//!   an `Option` reads null as absent. Only arrays keep it, since an optional array is no `Option` otherwise.
//! * A query parameter with a default becomes optional without one, so that what the caller does not say is
//!   not sent.
//! * An id and a page token of any length are taken: what a service gave goes back to it as it came.
//! * Examples and extensions go: they carry nothing for code.

use serde_json::Value;

use agbcloud_spec::{Spec, SpecError};

pub(super) fn reduce(spec: &Spec) -> Result<Value, SpecError> {
    let mut document = spec.document.clone();
    for operation in operations_mut(&mut document) {
        operation.remove("requestBody");
        if let Some(responses) = operation
            .get_mut("responses")
            .and_then(Value::as_object_mut)
        {
            responses.retain(|status, _| status.starts_with('2'));
        }
    }
    if let Some(components) = document
        .get_mut("components")
        .and_then(Value::as_object_mut)
    {
        components.remove("examples");
        components.remove("requestBodies");
    }
    unbound(&mut document);
    soften(&mut document);
    Ok(document)
}

fn operations_mut(
    document: &mut Value,
) -> impl Iterator<Item = &mut serde_json::Map<String, Value>> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    paths
        .into_iter()
        .flat_map(|paths| paths.values_mut())
        .filter_map(Value::as_object_mut)
        .flat_map(|item| item.values_mut())
        .filter_map(Value::as_object_mut)
}

/// What a caller has from the service and gives back.
const GIVEN: [&str; 3] = ["id", "contextId", "nextToken"];

/// Drops, at any depth, the limit on the length of a parameter that the service gave.
fn unbound(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(unbound),
        Value::Object(fields) => {
            let name = fields.get("name").and_then(Value::as_str);
            if fields.contains_key("in") && name.is_some_and(|name| GIVEN.contains(&name)) {
                let schema = fields.get_mut("schema").and_then(Value::as_object_mut);
                schema.map(|schema| schema.remove("maxLength"));
            }
            fields.values_mut().for_each(unbound);
        }
        _ => {}
    }
}

/// Drops, at any depth, what says nothing to the generator.
fn soften(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(soften),
        Value::Object(fields) => {
            fields.retain(|name, _| {
                !matches!(
                    name.as_str(),
                    "default" | "examples" | "nullable" | "x-always"
                )
            });
            if let Some(only) = only_reference(fields.get("allOf")) {
                *value = only;
                return;
            }
            for (name, field) in fields {
                match field {
                    Value::Object(properties) if name == "properties" => {
                        properties.values_mut().for_each(soften_property);
                    }
                    field => soften(field),
                }
            }
        }
        _ => {}
    }
}

/// An optional array is no `Option` unless it is nullable.
fn soften_property(property: &mut Value) {
    let nullable = property.get("nullable").cloned();
    soften(property);
    if let (Some(nullable), Some(fields)) = (nullable, property.as_object_mut())
        && fields.get("type").is_some_and(|kind| kind == "array")
    {
        fields.insert("nullable".to_owned(), nullable);
    }
}

fn only_reference(all_of: Option<&Value>) -> Option<Value> {
    match all_of?.as_array()?.as_slice() {
        [only] if only.get("$ref").is_some() => Some(only.clone()),
        _ => None,
    }
}
