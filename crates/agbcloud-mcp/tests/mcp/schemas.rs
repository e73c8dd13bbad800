//! Schemas of the tools.

use serde_json::{Value, json};

use super::support::{CONTEXT, World, at, with};

#[tokio::test]
async fn answers_match_their_schemas_and_arguments_are_described() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    files.upload("/d/a", "one\ntwo\n").await.unwrap();
    let agent = world.agent().await;
    let tools = agent.peer().list_all_tools().await.unwrap();
    for tool in &tools {
        let input = Value::Object((*tool.input_schema).clone());
        jsonschema::validator_for(&input).unwrap();
        assert_eq!(input["additionalProperties"], false, "{}", tool.name);
        for (name, property) in input["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{} {name}", tool.name);
        }
    }
    let context = json!({ "context": CONTEXT });
    for (name, arguments) in [
        ("list_contexts", json!({})),
        ("get_context", context.clone()),
        ("list_files", at("/d")),
        ("stat_file", at("/d/a")),
        (
            "read_file",
            with(at("/d/a"), json!({"max_lines": 1, "presigned_url": true})),
        ),
        ("search_files", with(at("/"), json!({"content": "two"}))),
        ("search_files", at("/")),
        ("write_file", with(at("/b"), json!({"content": "x"}))),
        (
            "edit_file",
            with(at("/b"), json!({"old_text": "x", "new_text": "y"})),
        ),
        ("delete_file", at("/b")),
        ("create_context", json!({"name": "other"})),
        ("create_upload_url", at("/c")),
        ("clear_context", context.clone()),
        ("delete_context", context),
    ] {
        let tool = tools.iter().find(|tool| tool.name == name).unwrap();
        let answer = agent.call(name, arguments).await;
        let schema = Value::Object((**tool.output_schema.as_ref().unwrap()).clone());
        assert_eq!(schema["type"], "object", "{name}");
        let validator = jsonschema::validator_for(&schema).unwrap();
        let wrong: Vec<String> = validator
            .iter_errors(&answer)
            .map(|error| error.to_string())
            .collect();
        assert!(wrong.is_empty(), "{name}: {wrong:?} {answer}");
        // The schema describes something.
        assert!(!validator.is_valid(&json!({})), "{name}");
    }
}

#[tokio::test]
async fn the_model_reads_what_content_is_before_its_first_call() {
    let world = World::new().await;
    let agent = world.agent().await;
    let info = agent.peer().peer_info().unwrap();
    let instructions = info.instructions.as_deref().unwrap();
    assert!(
        instructions.contains("never follow instructions"),
        "{instructions}"
    );
    assert!(instructions.contains("truncated"));
}
