//! Hostile inputs, cancelled calls and many calls at the same time.

use std::time::Duration;

use agbcloud_mcp::rmcp::{
    model::{CallToolRequest, CallToolRequestParams, ClientRequest},
    service::{PeerRequestOptions, ServiceError},
};
use agbcloud_server::Server;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{Agent, CONTEXT, World, at, with};

#[tokio::test]
async fn hostile_paths_are_typed_errors() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    files.upload("/a", "x").await.unwrap();
    let agent = world.agent().await;
    let long = format!("/{}", "x".repeat(100_000));
    for path in [
        "",
        "relative",
        "../a",
        "/../a",
        "/a/../../etc/passwd",
        "/a/./b",
        "//",
        "//a",
        "/a///",
        "/a\0b",
        "/a\nb",
        "/a/",
        "C:\\a",
        "\\\\host\\share",
        &long,
    ] {
        for (tool, more) in [
            ("read_file", json!({})),
            ("stat_file", json!({})),
            ("delete_file", json!({})),
            ("create_upload_url", json!({})),
            ("write_file", json!({"content": "x", "overwrite": true})),
            ("edit_file", json!({"old_text": "x", "new_text": "y"})),
        ] {
            if (tool, path) == ("stat_file", "/a/") {
                // A slash at the end is a folder.
                continue;
            }
            let failure = agent.fail(tool, with(at(path), more)).await;
            assert_eq!(
                failure["kind"], "invalid_argument",
                "{tool} {path:.40}: {failure}"
            );
        }
    }
    assert_eq!(files.read("/a").await.unwrap(), "x");
}

#[tokio::test]
async fn wrong_arguments_are_typed_errors() {
    let world = World::new().await;
    let agent = world.agent().await;
    for tool in agent.tool_names().await {
        for arguments in [
            json!({"context": 5, "path": [], "name": {}}),
            json!({"unknown": true}),
            json!({"context": "\u{0}", "name": "\u{0}", "path": "/a", "content": "", "old_text": "a", "new_text": "b", "limit": 0}),
        ] {
            assert_eq!(
                agent.kind(&tool, arguments.clone()).await,
                "invalid_argument",
                "{tool} {arguments}"
            );
        }
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_is_answered() {
    let world = World::new().await;
    let agent = world.agent().await;
    let content = "x".repeat(17 * 1024 * 1024);
    let arguments = with(at("/a"), json!({"content": content}));
    let Value::Object(arguments) = arguments else {
        panic!("not an object");
    };
    let call = CallToolRequestParams::new("write_file").with_arguments(arguments);
    let Err(ServiceError::McpError(error)) = agent.peer().call_tool(call).await else {
        panic!("the call succeeded");
    };
    let failure = error.data.unwrap();
    assert_eq!(failure["kind"], "too_large", "{failure}");
    assert!(!failure["next_step"].as_str().unwrap().is_empty());
    // The connection goes on.
    assert_eq!(agent.kind("read_file", at("/a")).await, "not_found");
}

#[tokio::test]
async fn a_last_message_without_a_line_feed_is_answered() {
    let world = World::new().await;
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let (reader, writer) = tokio::io::split(server);
    let served = tokio::spawn(world.server().build().unwrap().serve(reader, writer));
    let messages = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"#,
        r#""clientInfo":{"name":"a","version":"1"}}}"#,
        "\n",
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        "\n",
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#,
    );
    client.write_all(messages.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.unwrap();
    assert!(answers.contains(r#""id":2"#), "{answers}");
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_cancelled_call_ends_and_others_go_on() {
    let slow = "latency=30s,op=DescribeContextFiles".parse().unwrap();
    let world = World::of(Server::builder().fault(slow)).await;
    let files = world.files(CONTEXT).await;
    files.upload("/a", "content").await.unwrap();
    let agent = world.agent().await;
    // More than run at the same time, so that a call that does not end blocks those after it.
    let mut handles = Vec::new();
    for _ in 0..40 {
        let call = CallToolRequestParams::new("list_files");
        let call = call.with_arguments(at("/").as_object().unwrap().clone());
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(call));
        let options = PeerRequestOptions::no_options();
        let sent = agent.peer().send_cancellable_request(request, options);
        handles.push(sent.await.unwrap());
    }
    for handle in handles {
        handle
            .cancel(Some("the user stopped".to_owned()))
            .await
            .unwrap();
    }
    let read = agent.call("read_file", at("/a"));
    #[expect(
        clippy::disallowed_methods,
        reason = "fails instead of waiting for the delayed calls"
    )]
    let read = tokio::time::timeout(Duration::from_secs(20), read).await;
    assert_eq!(
        read.expect("the cancelled calls still run")["content"],
        "content"
    );
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_a_typed_error() {
    let slow = "latency=30s,op=DescribeContextFiles".parse().unwrap();
    let world = World::of(Server::builder().fault(slow)).await;
    world.files(CONTEXT).await;
    let server = world.server().call_timeout(Duration::from_millis(200));
    let agent = Agent::of(server).await;
    let failure = agent.fail("list_files", at("/")).await;
    assert_eq!(failure["kind"], "timeout");
}

#[tokio::test]
async fn a_hundred_calls_at_the_same_time_are_answered() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    files.upload("/shared", "x".repeat(300_000)).await.unwrap();
    let agent = world.agent().await;
    let calls = (0..100).map(|number| {
        let agent = &agent;
        async move {
            let path = format!("/{number}");
            match number % 4 {
                0 => {
                    agent
                        .call("write_file", with(at(&path), json!({"content": path})))
                        .await
                }
                1 => agent.call("read_file", at("/shared")).await,
                2 => {
                    agent
                        .fail("read_file", at(&format!("/missing{path}")))
                        .await
                }
                _ => {
                    agent
                        .call("search_files", with(at("/"), json!({"name": "shared"})))
                        .await
                }
            }
        }
    });
    let answers: Vec<Value> = futures_util::future::join_all(calls).await;
    for (number, answer) in answers.iter().enumerate() {
        match number % 4 {
            0 => assert_eq!(answer["path"], format!("/{number}")),
            1 => assert_eq!(answer["truncated"], true),
            2 => assert_eq!(answer["kind"], "not_found"),
            _ => assert_eq!(answer["files"][0]["path"], "/shared"),
        }
    }
    let listed = agent.call("list_files", at("/")).await;
    assert_eq!(listed["entries"].as_array().unwrap().len(), 26);
}

#[tokio::test]
async fn a_service_that_fails_is_a_typed_error() {
    let down = "status=500,op=GetContext".parse().unwrap();
    let world = World::of(Server::builder().fault(down)).await;
    let agent = world.agent().await;
    let failure = agent.fail("get_context", json!({"context": CONTEXT})).await;
    assert_eq!(failure["kind"], "unavailable");
    assert!(failure["request_id"].is_string(), "{failure}");
    assert!(
        failure["next_step"]
            .as_str()
            .unwrap()
            .contains("request id")
    );
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_server() {
    let world = World::new().await;
    let (agent, running) = Agent::start(world.server()).await;
    agent.call("list_contexts", json!({})).await;
    drop(agent);
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn numbers_and_globs_at_their_limits_are_typed_errors() {
    let world = World::new().await;
    world
        .files(CONTEXT)
        .await
        .upload("/a", "one\ntwo\n")
        .await
        .unwrap();
    let agent = world.agent().await;
    let nested = format!("{}a{}", "{".repeat(400), "}".repeat(400));
    let search = with(at("/"), json!({ "name": nested }));
    assert_eq!(agent.kind("search_files", search).await, "invalid_argument");
    for start_line in [u64::MAX, u64::MAX - 1] {
        let lines = with(at("/a"), json!({ "start_line": start_line }));
        assert_eq!(agent.kind("read_file", lines).await, "invalid_argument");
        let lines = json!({ "offset": 1, "start_line": start_line, "max_lines": u64::MAX });
        let part = agent.call("read_file", with(at("/a"), lines)).await;
        assert_eq!(part["content"], "ne\ntwo\n");
    }
}

#[tokio::test]
async fn a_long_argument_is_cut_in_a_failure() {
    let world = World::new().await;
    world.files(CONTEXT).await;
    let agent = world.agent().await;
    let long = "x".repeat(1_000_000);
    for (tool, arguments) in [
        ("list_files", json!({ "limit": long })),
        ("read_file", json!({ "path": "/a", (long.clone()): 1 })),
        (
            "write_file",
            json!({ "path": "/a", "content": "x", "overwrite": long }),
        ),
        ("get_context", json!({ "context": long })),
        ("read_file", at(&format!("/{long}"))),
    ] {
        let failure = agent.fail(tool, arguments).await;
        assert!(failure.to_string().len() < 2000, "{tool}");
    }
}

#[tokio::test]
async fn null_is_an_argument_that_is_left_out() {
    let world = World::new().await;
    let agent = world.agent().await;
    let optional = json!({ "encoding": null, "if_version": null, "overwrite": null });
    world.files(CONTEXT).await;
    let write = with(at("/a"), json!({ "content": "one" }));
    agent.call("write_file", with(write, optional)).await;
    let edit = json!({ "old_text": "one", "new_text": "1", "replace_all": null });
    agent.call("edit_file", with(at("/a"), edit)).await;
    let search = json!({ "ignore_case": null, "name": null, "limit": null });
    agent.call("search_files", with(at("/"), search)).await;
    let read = json!({ "presigned_url": null, "offset": null });
    agent.call("read_file", with(at("/a"), read)).await;
    let missing = json!({ "context": CONTEXT, "path": null });
    assert_eq!(agent.kind("read_file", missing).await, "invalid_argument");
}
