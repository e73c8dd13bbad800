//! JSON Schemas of arguments and answers.

use std::sync::Arc;

use rmcp::model::JsonObject;
use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::transform_subschemas};
use serde_json::Value;

/// The schema of arguments.
pub(crate) fn of_input<T: JsonSchema>() -> Arc<JsonObject> {
    schema::<T>(SchemaSettings::draft2020_12().for_deserialize())
}

/// The schema of an answer.
pub(crate) fn of_output<T: JsonSchema>() -> Arc<JsonObject> {
    schema::<T>(SchemaSettings::draft2020_12().for_serialize())
}

/// Clients differ in their support for JSON Schema, so that the schema has no references, no formats of Rust's numbers and
/// no name of a type.
fn schema<T: JsonSchema>(settings: SchemaSettings) -> Arc<JsonObject> {
    let settings = settings.with(|settings| settings.inline_subschemas = true);
    let mut schema = settings
        .with_transform(remove_formats)
        .into_generator()
        .into_root_schema_for::<T>();
    for name in ["$schema", "title", "description"] {
        schema.remove(name);
    }
    match schema.to_value() {
        Value::Object(object) => Arc::new(object),
        _ => Arc::default(),
    }
}

fn remove_formats(schema: &mut Schema) {
    schema.remove("format");
    transform_subschemas(&mut remove_formats, schema);
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Serialize, JsonSchema)]
    struct Outer {
        size: u64,
        inner: Option<Inner>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Inner {
        name: String,
    }

    #[test]
    fn a_schema_has_no_references_and_no_formats() {
        let schema = Value::Object((*of_output::<Outer>()).clone());
        let text = schema.to_string();
        assert_eq!(schema["type"], "object");
        assert!(!text.contains("$ref") && !text.contains("format"), "{text}");
        assert!(text.contains("\"name\""), "{text}");
    }
}
