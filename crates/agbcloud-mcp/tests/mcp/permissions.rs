//! What the options allow.

use agbcloud_mcp::rmcp::{ServiceError, model::CallToolRequestParams};
use serde_json::json;

use super::support::{Agent, CONTEXT, World, at, with};

const READ: [&str; 6] = [
    "list_contexts",
    "get_context",
    "list_files",
    "stat_file",
    "read_file",
    "search_files",
];
const WRITE: [&str; 5] = [
    "write_file",
    "edit_file",
    "delete_file",
    "create_context",
    "create_upload_url",
];
const DESTRUCTIVE: [&str; 2] = ["delete_context", "clear_context"];

#[tokio::test]
async fn only_allowed_tools_are_listed_and_run() {
    let world = World::new().await;
    world.files(CONTEXT).await;
    for (write, destructive) in [(false, false), (true, false), (false, true), (true, true)] {
        let server = world.server().allow_write(write);
        let agent = Agent::of(server.allow_destructive(destructive)).await;
        let mut expected = READ.to_vec();
        expected.extend(WRITE.iter().filter(|_| write));
        expected.extend(DESTRUCTIVE.iter().filter(|_| destructive));
        assert_eq!(agent.tool_names().await, expected);
        for tool in WRITE.iter().filter(|_| !write) {
            let failure = agent.fail(tool, at("/a")).await;
            assert_eq!(failure["kind"], "not_allowed");
            assert!(
                failure["next_step"]
                    .as_str()
                    .unwrap()
                    .contains("--allow-write")
            );
        }
        for tool in DESTRUCTIVE.iter().filter(|_| !destructive) {
            let failure = agent.fail(tool, json!({"context": CONTEXT})).await;
            assert_eq!(failure["kind"], "not_allowed");
            assert!(
                failure["next_step"]
                    .as_str()
                    .unwrap()
                    .contains("--allow-destructive")
            );
        }
    }
    // Nothing was changed by the refused calls.
    let agent = world.agent().await;
    agent.call("get_context", json!({"context": CONTEXT})).await;
    assert_eq!(agent.kind("stat_file", at("/a")).await, "not_found");
}

#[tokio::test]
async fn an_unknown_tool_is_an_error_of_the_protocol() {
    let agent = World::new().await.agent().await;
    let call = CallToolRequestParams::new("format_disk");
    match agent.peer().call_tool(call).await {
        Err(ServiceError::McpError(error)) => {
            assert_eq!(error.data.unwrap()["kind"], "invalid_argument");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn annotations_are_true() {
    let world = World::new().await;
    let tools = world.agent().await.peer().list_all_tools().await.unwrap();
    for tool in tools {
        let name = &*tool.name;
        let hints = tool.annotations.unwrap();
        let reads = READ.contains(&name);
        assert_eq!(hints.read_only_hint, Some(reads), "{name}");
        let creates_only = name == "create_context";
        assert_eq!(
            hints.destructive_hint,
            Some(!reads && !creates_only),
            "{name}"
        );
        assert_eq!(hints.idempotent_hint, Some(name != "edit_file"), "{name}");
        // A presigned URL for uploads can be used by anyone.
        assert_eq!(
            hints.open_world_hint,
            Some(name == "create_upload_url"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn contexts_are_created_cleared_and_deleted() {
    let world = World::new().await;
    let agent = world.agent().await;
    let created = agent
        .call("create_context", json!({"name": "new one"}))
        .await;
    assert_eq!(created["uri"], "agb://new%20one/");
    let again = agent
        .call("create_context", json!({"name": "new one"}))
        .await;
    assert_eq!(again["id"], created["id"]);
    let context = json!({"context": "new one"});
    let file = json!({"path": "/a", "content": "x"});
    agent.call("write_file", with(context.clone(), file)).await;
    let cleared = agent.call("clear_context", context.clone()).await;
    assert_eq!(cleared["done"], true);
    let listed = agent.call("list_files", context.clone()).await;
    assert_eq!(listed["entries"], json!([]));
    let deleted = agent.call("delete_context", context.clone()).await;
    assert_eq!(deleted["id"], created["id"]);
    let failure = agent.fail("get_context", context).await;
    assert_eq!(failure["kind"], "not_found");
    assert!(
        failure["next_step"]
            .as_str()
            .unwrap()
            .contains("list_contexts")
    );
    assert!(failure["request_id"].is_string());
}
