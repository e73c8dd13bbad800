//! Describes a schema in a few words, which are the same for an OpenAPI 3.0 schema and the JSON schema of a Rust type.
//!
//! The description omits what differs by design: titles, examples, extensions, whether null is allowed (the types always
//! allow it), and `oneOf` versus `anyOf`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A named schema.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) shape: String,
    pub(super) description: String,
    pub(super) properties: BTreeMap<String, Property>,
}

/// A property of a schema.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Property {
    pub(super) shape: String,
    pub(super) description: String,
    pub(super) required: bool,
}

impl Outline {
    pub(super) fn of(schema: &Value) -> Self {
        let properties = schema.get("properties").and_then(Value::as_object);
        let properties = properties.into_iter().flatten().map(|(name, property)| {
            let property = Property {
                shape: shape(property),
                description: description(property),
                required: requires(schema, name),
            };
            (name.clone(), property)
        });
        Self {
            shape: own_shape(schema),
            description: description(schema),
            properties: properties.collect(),
        }
    }
}

fn requires(schema: &Value, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|required| required == name))
}

/// The description without line breaks, which differ between YAML and doc comments.
fn description(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str);
    let words: Vec<&str> = text.unwrap_or_default().split_whitespace().collect();
    words.join(" ")
}

/// The shape without the properties, which are compared separately.
fn own_shape(schema: &Value) -> String {
    match schema.as_object() {
        Some(fields) => {
            let mut fields = fields.clone();
            fields.remove("properties");
            fields.remove("required");
            shape(&Value::Object(fields))
        }
        None => shape(schema),
    }
}

fn shape(schema: &Value) -> String {
    let Some(fields) = schema.as_object() else {
        // schemars writes `true` for a field without a type.
        return "anything".to_owned();
    };
    let base = reference(fields)
        .or_else(|| alternatives(fields))
        .unwrap_or_else(|| plain(fields));
    let mut limits: Vec<String> = fields
        .iter()
        .filter(|(name, _)| is_limit(name))
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    limits.sort_unstable();
    match limits.is_empty() {
        true => base,
        false => format!("{base} with {}", limits.join(", ")),
    }
}

fn is_limit(keyword: &str) -> bool {
    let in_shape = matches!(
        keyword,
        "$ref"
            | "allOf"
            | "oneOf"
            | "anyOf"
            | "type"
            | "format"
            | "items"
            | "properties"
            | "required"
    );
    let ignored = matches!(
        keyword,
        "$schema"
            | "$defs"
            | "title"
            | "description"
            | "nullable"
            | "default"
            | "example"
            | "examples"
    );
    !in_shape && !ignored && !keyword.starts_with("x-")
}

/// `{$ref}`, or `{allOf: [{$ref}]}`, which OpenAPI 3.0 requires next to other keywords.
fn reference(fields: &Map<String, Value>) -> Option<String> {
    if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
        return reference.rsplit('/').next().map(str::to_owned);
    }
    match fields.get("allOf")?.as_array()?.as_slice() {
        [only] => Some(shape(only)),
        parts => Some(format!("all of ({})", joined(parts))),
    }
}

/// The alternatives without null. A single one is shown alone.
fn alternatives(fields: &Map<String, Value>) -> Option<String> {
    let all = fields.get("oneOf").or_else(|| fields.get("anyOf"))?;
    let is_null = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "null");
    let rest: Vec<Value> = all
        .as_array()?
        .iter()
        .filter(|schema| !is_null(schema))
        .cloned()
        .collect();
    match rest.as_slice() {
        [only] => Some(shape(only)),
        rest => Some(format!("one of ({})", joined(rest))),
    }
}

fn joined(schemas: &[Value]) -> String {
    let mut shapes: Vec<String> = schemas.iter().map(shape).collect();
    shapes.sort_unstable();
    shapes.join(" | ")
}

fn plain(fields: &Map<String, Value>) -> String {
    let kind = kind(fields);
    match (kind.as_str(), fields.get("format").and_then(Value::as_str)) {
        ("array", _) => {
            let items = fields.get("items").map(shape);
            format!("array of {}", items.as_deref().unwrap_or("anything"))
        }
        ("object", _) if fields.contains_key("properties") => inline_object(fields),
        (_, Some(format)) => format!("{kind} ({format})"),
        (_, None) => kind,
    }
}

/// The types without null.
fn kind(fields: &Map<String, Value>) -> String {
    let kinds: Vec<&str> = match fields.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let kinds: Vec<&str> = kinds.into_iter().filter(|kind| *kind != "null").collect();
    match kinds.is_empty() {
        true => "anything".to_owned(),
        false => kinds.join(" or "),
    }
}

fn inline_object(fields: &Map<String, Value>) -> String {
    let properties = fields.get("properties").and_then(Value::as_object);
    let mut properties: Vec<String> = properties
        .into_iter()
        .flatten()
        .map(|(name, property)| format!("{name}: {}", shape(property)))
        .collect();
    properties.sort_unstable();
    format!("object {{{}}}", properties.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_dialects_have_the_same_shape() {
        for (openapi, json_schema, expected) in [
            (
                json!({"type": "string", "nullable": true}),
                json!({"type": ["string", "null"]}),
                "string",
            ),
            (
                json!({"type": "integer", "format": "int32", "nullable": true}),
                json!({"type": ["integer", "null"], "format": "int32"}),
                "integer (int32)",
            ),
            (
                json!({"nullable": true, "allOf": [{"$ref": "#/components/schemas/Context"}]}),
                json!({"anyOf": [{"$ref": "#/$defs/Context"}, {"type": "null"}]}),
                "Context",
            ),
            (
                json!({"nullable": true, "description": "d"}),
                json!({"description": "d"}),
                "anything",
            ),
            (json!({}), json!(true), "anything"),
            (
                json!({"type": "array", "title": "Array", "items": {"$ref": "#/components/schemas/A"}}),
                json!({"type": ["array", "null"], "items": {"$ref": "#/$defs/A"}}),
                "array of A",
            ),
            (
                json!({"oneOf": [{"type": "string", "title": "Text"}, {"$ref": "#/components/schemas/A"}]}),
                json!({"anyOf": [{"$ref": "#/$defs/A"}, {"type": "string"}, {"type": "null"}]}),
                "one of (A | string)",
            ),
        ] {
            assert_eq!(shape(&openapi), expected);
            assert_eq!(shape(&json_schema), expected);
        }
    }

    #[test]
    fn a_limit_is_part_of_the_shape() {
        let limited = json!({"type": "string", "maxLength": 3, "x-always": [], "title": "T"});
        assert_eq!(shape(&limited), "string with maxLength 3");
    }

    #[test]
    fn an_object_inside_shows_its_properties() {
        let object = json!({"type": "object", "properties": {"b": {"type": "string"}, "a": {}}});
        assert_eq!(shape(&object), "object {a: anything, b: string}");
    }

    #[test]
    fn an_outline_lists_the_properties() {
        let outline = Outline::of(&json!({
            "type": "object",
            "description": "Two\n  lines.",
            "required": ["a"],
            "properties": {"a": {"type": "string", "description": "An a."}}
        }));
        assert_eq!(outline.shape, "object");
        assert_eq!(outline.description, "Two lines.");
        let property = Property {
            shape: "string".into(),
            description: "An a.".into(),
            required: true,
        };
        assert_eq!(outline.properties["a"], property);
    }
}
