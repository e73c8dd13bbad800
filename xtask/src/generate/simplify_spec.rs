//! Removes parts of the specification that progenitor 0.15 does not support or turns into worse code:
//!
//! * Failures (`4XX`, `5XX`). With a type for them, progenitor drops status and headers of an error page of a gateway;
//!   without, it returns the response unchanged.
//! * Request bodies. The service requires none, and progenitor makes the optional one required.
//! * `nullable`, and an `allOf` around a single reference. All fields of responses are optional, and an `Option` reads
//!   null as `None`. Arrays keep `nullable`, since progenitor otherwise generates no `Option` for an optional array.
//! * Defaults of query parameters, so that the client does not send a parameter that the caller has not set.
//! * Length limits of ids and page tokens, so that the client returns those of the service unchanged.
//! * Examples and extensions, which have no effect on the code.

use serde_json::Value;

use agbcloud_spec::{Spec, SpecError};

pub(super) fn simplify(spec: &Spec) -> Result<Value, SpecError> {
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
    remove_length_limits(&mut document);
    simplify_schemas(&mut document);
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

/// Parameters whose values come from the service.
const OPAQUE: [&str; 3] = ["id", "contextId", "nextToken"];

/// Removes the length limits of [`OPAQUE`] parameters, at any depth.
fn remove_length_limits(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(remove_length_limits),
        Value::Object(fields) => {
            let name = fields.get("name").and_then(Value::as_str);
            if fields.contains_key("in") && name.is_some_and(|name| OPAQUE.contains(&name)) {
                let schema = fields.get_mut("schema").and_then(Value::as_object_mut);
                schema.map(|schema| schema.remove("maxLength"));
            }
            fields.values_mut().for_each(remove_length_limits);
        }
        _ => {}
    }
}

/// Removes the keywords without effect on the code, at any depth.
fn simplify_schemas(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(simplify_schemas),
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
                        properties.values_mut().for_each(simplify_property);
                    }
                    field => simplify_schemas(field),
                }
            }
        }
        _ => {}
    }
}

/// Keeps `nullable` of an array.
fn simplify_property(property: &mut Value) {
    let nullable = property.get("nullable").cloned();
    simplify_schemas(property);
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
