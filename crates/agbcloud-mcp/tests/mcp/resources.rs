//! Resources, templates and completion without confinement.

use agbcloud_mcp::rmcp::{
    ServiceError,
    model::{
        ArgumentInfo, CompleteRequestParams, CompletionContext, ReadResourceRequestParams,
        Reference, ResourceContents,
    },
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::support::{Agent, CONTEXT, World, at};

async fn read(agent: &Agent, uri: &str) -> Result<ResourceContents, Value> {
    let request = ReadResourceRequestParams::new(uri);
    match agent.peer().read_resource(request).await {
        Ok(mut result) => Ok(result.contents.remove(0)),
        Err(ServiceError::McpError(error)) => Err(error.data.unwrap()),
        Err(other) => panic!("{uri}: {other:?}"),
    }
}

#[tokio::test]
async fn files_are_resources_with_text_or_bytes() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    files.upload("/d/ä b.txt", "text").await.unwrap();
    files.upload("/d/bytes", &b"\0\xff"[..]).await.unwrap();
    files
        .upload("/large", vec![b'x'; 2 * 1024 * 1024])
        .await
        .unwrap();
    let agent = world.agent().await;
    match read(&agent, "agb://project/d/%C3%A4%20b.txt")
        .await
        .unwrap()
    {
        ResourceContents::TextResourceContents { text, meta, .. } => {
            assert_eq!(text, "text");
            assert!(
                meta.unwrap().0["agb/notice"]
                    .as_str()
                    .unwrap()
                    .contains("data")
            );
        }
        other => panic!("{other:?}"),
    }
    match read(&agent, "agb://project/d/bytes").await.unwrap() {
        ResourceContents::BlobResourceContents { blob, .. } => {
            assert_eq!(BASE64_STANDARD.decode(blob).unwrap(), b"\0\xff");
        }
        other => panic!("{other:?}"),
    }
    match read(&agent, "agb://project/d/").await.unwrap() {
        ResourceContents::TextResourceContents { text, .. } => {
            let listing: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(listing["entries"].as_array().unwrap().len(), 2);
            assert_eq!(listing["truncated"], false);
        }
        other => panic!("{other:?}"),
    }
    for (uri, kind) in [
        ("agb://project/large", "too_large"),
        ("agb://project/none", "not_found"),
        ("agb://project/none/", "not_found"),
        ("agb://none/a", "not_found"),
        ("agb://project/d/../../x", "invalid_argument"),
        ("file:///etc/passwd", "invalid_argument"),
        ("agb://project/a?b", "invalid_argument"),
    ] {
        let failure = read(&agent, uri).await.unwrap_err();
        assert_eq!(failure["kind"], kind, "{uri}");
        assert!(!failure["next_step"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn contexts_are_listed_and_arguments_are_completed() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    world.files("prod").await;
    files.upload("/docs/a.md", "a").await.unwrap();
    files.upload("/docs/b.md", "b").await.unwrap();
    let agent = world.agent().await;
    let listed = agent.peer().list_all_resources().await.unwrap();
    let uris: Vec<String> = listed.into_iter().map(|resource| resource.uri).collect();
    assert!(
        uris.contains(&"agb://project/".to_owned()) && uris.len() == 2,
        "{uris:?}"
    );
    let template = &agent.peer().list_all_resource_templates().await.unwrap()[0];
    let complete = async |name: &str, value: &str| {
        let reference = Reference::for_resource(&template.uri_template);
        let request = CompleteRequestParams::new(reference, ArgumentInfo::new(name, value));
        let arguments = [("context".to_owned(), CONTEXT.to_owned())].into();
        let request = request.with_context(CompletionContext::with_arguments(arguments));
        agent
            .peer()
            .complete(request)
            .await
            .unwrap()
            .completion
            .values
    };
    let mut names = complete("context", "pro").await;
    names.sort();
    assert_eq!(names, ["prod", CONTEXT]);
    assert_eq!(complete("path", "do").await, ["docs/"]);
    assert_eq!(complete("path", "docs/b").await, ["docs/b.md"]);
    assert!(complete("path", "docs/../../").await.is_empty());
    for (name, value, expected) in [
        ("x%41.txt", "x", "x%2541.txt"),
        ("q?#.txt", "q?", "q%3F%23.txt"),
        ("s ä.txt", "s%20%C3", ""),
        ("s ä.txt", "s%20%C3%A4", "s%20%C3%A4.txt"),
        ("s ä.txt", "s ä", "s%20%C3%A4.txt"),
    ] {
        files.upload(format!("/{name}"), name).await.unwrap();
        let completed = complete("path", value).await;
        assert_eq!(completed.first().map_or("", |path| path), expected);
        if !expected.is_empty() {
            match read(&agent, &format!("agb://project/{expected}"))
                .await
                .unwrap()
            {
                ResourceContents::TextResourceContents { text, .. } => assert_eq!(text, name),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_ambiguous_name_is_an_id_in_uris() {
    let world = World::new().await;
    let contexts = world.client.contexts();
    for region in ["cn-hangzhou", "cn-shanghai"] {
        contexts
            .get_or_create("twice")
            .region(region)
            .await
            .unwrap();
    }
    contexts.get_or_create("SdkCtx-name").await.unwrap();
    contexts.get_or_create("once").await.unwrap();
    let agent = world.agent().await;
    let listed = agent.call("list_contexts", serde_json::json!({})).await;
    let resources = agent.peer().list_all_resources().await.unwrap();
    let resources: Vec<&str> = resources.iter().map(|resource| &*resource.uri).collect();
    let contexts = listed["contexts"].as_array().unwrap();
    assert_eq!(contexts.len(), 4);
    for context in contexts {
        let name = context["name"].as_str().unwrap();
        let reference = match name {
            "once" => name,
            _ => context["id"].as_str().unwrap(),
        };
        let uri = format!("agb://{reference}/");
        assert_eq!(context["uri"], uri);
        assert!(resources.contains(&&*uri), "{resources:?}");
    }
}

#[tokio::test]
async fn more_resources_than_a_page_are_listed_once() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    for number in 0..230 {
        files
            .upload(format!("/{}/{number}", number % 3), "x")
            .await
            .unwrap();
    }
    let agent = Agent::of(world.server().context(CONTEXT)).await;
    let listed = agent.peer().list_all_resources().await.unwrap();
    let mut uris: Vec<String> = listed.into_iter().map(|resource| resource.uri).collect();
    uris.sort();
    uris.dedup();
    assert_eq!(uris.len(), 233);
}

#[tokio::test]
async fn the_uri_of_a_folder_in_an_answer_can_be_read() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    files.upload("/d/e f/a", "x").await.unwrap();
    let agent = world.agent().await;
    for (tool, path) in [
        ("stat_file", "/"),
        ("stat_file", "/d/e f"),
        ("stat_file", "/d/e f/"),
        ("list_files", "/"),
        ("list_files", "/d/e f"),
        ("list_files", "/d/e f/"),
    ] {
        let answer = agent.call(tool, at(path)).await;
        let request = ReadResourceRequestParams::new(answer["uri"].as_str().unwrap());
        let read = agent.peer().read_resource(request).await;
        assert!(read.is_ok(), "{tool} {path}: {read:?}");
    }
}
