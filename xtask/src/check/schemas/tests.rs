use super::*;
use crate::test_repository::TestRepository;
use serde_json::json;

const SPECIFICATION: &str = "
components:
  schemas:
    Context:
      type: object
      description: A context.
      properties:
        id: {type: string, nullable: true, description: Its id.}
        size: {type: integer, format: int64, nullable: true}
    Page:
      type: array
      items: {$ref: '#/components/schemas/Context'}
";

fn types() -> Value {
    json!({
        "Context": {
            "type": "object",
            "title": "Context",
            "description": "A context.",
            "properties": {
                "id": {"type": ["string", "null"], "description": "Its id."},
                "size": {"type": ["integer", "null"], "format": "int64"}
            }
        },
        "Page": {"type": "array", "items": {"$ref": "#/$defs/Context"}}
    })
}

fn problems(types: &Value) -> Vec<String> {
    let spec = Spec::parse(SPECIFICATION.into()).unwrap();
    let diagnostics = compare(&spec, types.as_object().unwrap());
    assert!(
        diagnostics
            .iter()
            .all(|diagnostic| diagnostic.kind == Kind::Schema)
    );
    diagnostics
        .into_iter()
        .map(|diagnostic| diagnostic.problem)
        .collect()
}

#[test]
fn equal_schemas_have_no_problems() {
    assert_eq!(problems(&types()), Vec::<String>::new());
}

#[test]
fn a_renamed_property_is_missing_on_one_side_and_extra_on_the_other() {
    let mut types = types();
    let properties = types["Context"]["properties"].as_object_mut().unwrap();
    let id = properties.remove("id").unwrap();
    properties.insert("ident".into(), id);
    assert_eq!(
        problems(&types),
        [
            "`Context.id` is missing in the type",
            "`Context.ident` is not in the specification"
        ]
    );
}

#[test]
fn a_different_type_format_or_reference_is_reported() {
    for (place, value, problem) in [
        (
            "/Context/properties/id/type",
            json!("boolean"),
            "`Context.id` is string in the specification, boolean in the type",
        ),
        (
            "/Context/properties/size/format",
            json!("int32"),
            "`Context.size` is integer (int64) in the specification, integer (int32) in the type",
        ),
        (
            "/Page/items/$ref",
            json!("#/$defs/Other"),
            "`Page` is array of Context in the specification, array of Other in the type",
        ),
    ] {
        let mut types = types();
        *types.pointer_mut(place).unwrap() = value;
        assert_eq!(problems(&types), [problem]);
    }
}

#[test]
fn a_field_that_became_required_is_reported() {
    let mut types = types();
    types["Context"]["required"] = json!(["id"]);
    assert_eq!(
        problems(&types),
        ["`Context.id` is optional in the specification, required in the type"]
    );
}

#[test]
fn a_different_description_is_shown() {
    let mut types = types();
    types["Context"]["properties"]["id"]["description"] = json!("Its name.");
    assert_eq!(
        problems(&types),
        [
            "the description of `Context.id` differs\nspecification: Its id.\ntype:          Its name."
        ]
    );
}

#[test]
fn a_schema_on_one_side_only_is_reported() {
    let mut types = types();
    let page = types.as_object_mut().unwrap().remove("Page").unwrap();
    types["Pages"] = page;
    assert_eq!(
        problems(&types),
        [
            "the schema `Page` of the specification is missing in the printed types",
            "the printed type `Pages` is not a schema of spec/context-api.yaml"
        ]
    );
}

#[test]
fn types_that_do_not_compile_are_reported() {
    let repository = TestRepository::new();
    let spec = Spec::load(repository.root()).unwrap();
    // The folder has no Cargo.toml.
    let diagnostics = check(repository.root(), &spec);
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(diagnostics[0].kind, Kind::Build);
    assert!(diagnostics[0].problem.contains("failed:\nerror: "));
}
