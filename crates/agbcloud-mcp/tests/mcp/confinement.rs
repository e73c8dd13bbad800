//! `context`: nothing reaches another context.

use agbcloud_mcp::rmcp::{
    ServiceError,
    model::{
        ArgumentInfo, CompleteRequestParams, CompletionContext, ReadResourceRequestParams,
        Reference,
    },
};
use serde_json::{Value, json};

use super::support::{Agent, CONTEXT, World};

/// A file of the other context.
const SECRET: &str = "/secret.txt";

async fn confined() -> (World, Agent, String) {
    let world = World::new().await;
    world
        .files(CONTEXT)
        .await
        .upload("/own.txt", "own")
        .await
        .unwrap();
    let other = world.files("other").await;
    other.upload(SECRET, "secret").await.unwrap();
    let id = other.context_id().unwrap().to_string();
    let server = world.server().allow_write(true).allow_destructive(true);
    let agent = Agent::of(server.context(CONTEXT)).await;
    (world, agent, id)
}

#[tokio::test]
async fn tools_refuse_other_contexts_by_name_and_by_id() {
    let (world, agent, id) = confined().await;
    for other in ["other", &*id, "missing", "SdkCtx-missing", "", "../other"] {
        let context = json!({ "context": other });
        let file = json!({ "context": other, "path": SECRET });
        let write = json!({ "context": other, "path": SECRET, "content": "x", "overwrite": true });
        let edit = json!({ "context": other, "path": SECRET, "old_text": "s", "new_text": "t" });
        for (tool, arguments) in [
            ("get_context", &context),
            ("list_files", &context),
            ("search_files", &context),
            ("stat_file", &file),
            ("read_file", &file),
            ("delete_file", &file),
            ("create_upload_url", &file),
            ("write_file", &write),
            ("edit_file", &edit),
            ("delete_context", &context),
            ("clear_context", &context),
            ("create_context", &json!({ "name": other })),
        ] {
            let kind = agent.kind(tool, arguments.clone()).await;
            assert_eq!(kind, "not_allowed", "{tool} {other:?}");
        }
    }
    let content = world.files("other").await.read(SECRET).await.unwrap();
    assert_eq!(content, "secret");
    let names = world.client.contexts().list().all().await.unwrap();
    assert_eq!(names.len(), 2);
}

#[tokio::test]
async fn the_own_context_needs_no_name() {
    let (world, agent, _) = confined().await;
    let id = world.files(CONTEXT).await.context_id().unwrap().to_string();
    let listed = agent.call("list_contexts", json!({})).await;
    assert_eq!(listed["contexts"].as_array().unwrap().len(), 1);
    assert_eq!(listed["contexts"][0]["name"], CONTEXT);
    for arguments in [
        json!({ "path": "/own.txt" }),
        json!({ "path": "/own.txt", "context": CONTEXT }),
        json!({ "path": "/own.txt", "context": id }),
    ] {
        assert_eq!(agent.call("read_file", arguments).await["content"], "own");
    }
    let found = agent
        .call("search_files", json!({ "content": "secret" }))
        .await;
    assert_eq!(found["files"], json!([]));
    assert_eq!(found["scanned"]["files_read"], 1);
}

#[tokio::test]
async fn a_cursor_of_another_context_is_refused() {
    let (world, _, _) = confined().await;
    world.files("other").await.upload("/b", "b").await.unwrap();
    world.files(CONTEXT).await.upload("/c", "c").await.unwrap();
    let agent = world.agent().await;
    let page = json!({ "context": "other", "limit": 1 });
    let cursor = agent.call("list_files", page).await["next"].clone();
    let other = json!({ "context": CONTEXT, "limit": 1, "cursor": cursor });
    assert_eq!(agent.kind("list_files", other).await, "invalid_argument");
    let same = json!({ "context": "other", "limit": 1, "cursor": cursor });
    assert_eq!(agent.call("list_files", same).await["truncated"], false);
}

#[tokio::test]
async fn resources_and_templates_are_confined() {
    let (_world, agent, id) = confined().await;
    let resources = agent.peer().list_all_resources().await.unwrap();
    let uris: Vec<&str> = resources.iter().map(|resource| &*resource.uri).collect();
    assert_eq!(uris, ["agb://project/own.txt"]);
    let templates = agent.peer().list_all_resource_templates().await.unwrap();
    assert_eq!(templates[0].uri_template, "agb://project/{+path}");
    for uri in [
        "agb://other/secret.txt".to_owned(),
        "agb://other/".to_owned(),
        "agb://project%2f..%2fother/secret.txt".to_owned(),
        format!("agb://{id}/secret.txt"),
    ] {
        let read = agent
            .peer()
            .read_resource(ReadResourceRequestParams::new(&uri));
        match read.await {
            Err(ServiceError::McpError(error)) => {
                assert_eq!(error.data.unwrap()["kind"], "not_allowed", "{uri}");
            }
            other => panic!("{uri}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn completion_is_confined() {
    let (_world, agent, id) = confined().await;
    let complete = async |template: &str, name: &str, value: &str, context: Option<&str>| {
        let argument = ArgumentInfo::new(name, value);
        let mut request = CompleteRequestParams::new(Reference::for_resource(template), argument);
        if let Some(context) = context {
            let arguments = [("context".to_owned(), context.to_owned())].into();
            request = request.with_context(CompletionContext::with_arguments(arguments));
        }
        agent.peer().complete(request).await
    };
    let template = "agb://project/{+path}";
    let own = complete(template, "path", "o", None).await.unwrap();
    assert_eq!(own.completion.values, ["own.txt"]);
    let names = complete(template, "context", "", None).await.unwrap();
    assert_eq!(names.completion.values, [CONTEXT]);
    for (template, context) in [
        ("agb://{context}/{+path}", Some("other")),
        (template, Some(&*id)),
        ("agb://other/{+path}", None),
    ] {
        match complete(template, "path", "", context).await {
            Err(ServiceError::McpError(error)) => {
                assert_eq!(error.data.unwrap()["kind"], "not_allowed", "{template}");
            }
            completed => panic!("{template}: {completed:?}"),
        }
    }
}

#[tokio::test]
async fn a_missing_context_can_be_created_under_its_name_only() {
    let world = World::new().await;
    let server = world.server().allow_write(true).context("later");
    let agent = Agent::of(server).await;
    assert_eq!(agent.kind("list_files", json!({})).await, "not_found");
    assert_eq!(
        agent
            .kind("create_context", json!({"name": "sooner"}))
            .await,
        "not_allowed"
    );
    agent.call("create_context", json!({"name": "later"})).await;
    let listed: Value = agent.call("list_files", json!({})).await;
    assert_eq!(listed["context"], "later");
}

#[tokio::test]
async fn an_id_is_never_a_name() {
    let world = World::new().await;
    let id = world.files(CONTEXT).await.context_id().unwrap().to_string();
    let server = world.server().allow_write(true).allow_destructive(true);
    let agent = Agent::of(server.context(&id)).await;
    for name in [&*id, "other"] {
        let create = json!({ "name": name });
        assert_eq!(agent.kind("create_context", create).await, "not_allowed");
    }
    let own = agent
        .call("create_context", json!({ "name": CONTEXT }))
        .await;
    assert_eq!(own["id"], id);
    assert_eq!(own["uri"], format!("agb://{id}/"));
    agent.call("delete_context", json!({ "context": id })).await;
    // Another context has the name that the deleted one had, or its id as a name.
    world.files(CONTEXT).await;
    world.files(&id).await;
    for arguments in [json!({}), json!({ "context": id })] {
        let failure = agent.fail("get_context", arguments).await;
        assert_eq!(failure["kind"], "not_found");
        let next_step = failure["next_step"].as_str().unwrap();
        assert!(next_step.contains("--context"), "{next_step}");
    }
    let create = json!({ "name": CONTEXT });
    assert_eq!(agent.kind("create_context", create).await, "not_found");
    let free = world.agent().await;
    let kind = free.kind("get_context", json!({ "context": id })).await;
    assert_eq!(kind, "not_found");
}

#[tokio::test]
async fn a_missing_context_has_a_next_step_that_works() {
    let world = World::new().await;
    for (allow_write, expected) in [(true, "create_context"), (false, "ask the user")] {
        let server = world.server().allow_write(allow_write).context("later");
        let agent = Agent::of(server).await;
        for tool in ["list_contexts", "list_files"] {
            let failure = agent.fail(tool, json!({})).await;
            let next_step = failure["next_step"].as_str().unwrap();
            assert!(next_step.contains(expected), "{tool}: {next_step}");
        }
    }
}
