//! Changes of files, and their guards.

use std::net::SocketAddr;

use agbcloud_server::Server;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::support::{CONTEXT, World, at, with};

#[tokio::test]
async fn an_existing_file_is_replaced_only_on_request() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    let agent = world.agent().await;
    let one = with(at("/a/b.txt"), json!({ "content": "one" }));
    let written = agent.call("write_file", one.clone()).await;
    assert_eq!(written["guard"], "conditions");
    assert_eq!(
        (&written["size"], &written["uri"]),
        (&json!(3), &json!("agb://project/a/b.txt"))
    );
    let failure = agent.fail("write_file", one.clone()).await;
    assert_eq!(failure["kind"], "conflict");
    assert!(failure["next_step"].as_str().unwrap().contains("overwrite"));
    let guarded = json!({ "content": "two", "if_version": written["version"] });
    let second = agent
        .call("write_file", with(one.clone(), guarded.clone()))
        .await;
    assert_eq!(
        agent.kind("write_file", with(one.clone(), guarded)).await,
        "conflict"
    );
    assert_eq!(files.read("/a/b.txt").await.unwrap(), "two");
    let both = json!({ "if_version": second["version"], "overwrite": true });
    assert_eq!(
        agent.kind("write_file", with(one.clone(), both)).await,
        "invalid_argument"
    );
    agent
        .call("write_file", with(one, json!({ "overwrite": true })))
        .await;
    assert_eq!(files.read("/a/b.txt").await.unwrap(), "one");
    let missing = with(
        at("/none"),
        json!({ "content": "x", "if_version": "\"0\"" }),
    );
    assert_eq!(agent.kind("write_file", missing).await, "not_found");
}

#[tokio::test]
async fn bytes_are_written_as_base64() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    let agent = world.agent().await;
    let bytes = [0, 255, 10, 128];
    let content = json!({ "content": BASE64_STANDARD.encode(bytes), "encoding": "base64" });
    agent.call("write_file", with(at("/b"), content)).await;
    assert_eq!(files.read("/b").await.unwrap(), bytes[..]);
    let wrong = json!({ "content": "not base64!", "encoding": "base64" });
    assert_eq!(
        agent.kind("write_file", with(at("/c"), wrong)).await,
        "invalid_argument"
    );
    let large = json!({ "content": "x".repeat(5 * 1024 * 1024) });
    let failure = agent.fail("write_file", with(at("/c"), large)).await;
    assert_eq!(failure["kind"], "too_large");
    assert!(
        failure["next_step"]
            .as_str()
            .unwrap()
            .contains("create_upload_url")
    );
    assert_eq!(agent.kind("stat_file", at("/c")).await, "not_found");
}

#[tokio::test]
async fn an_edit_replaces_an_exact_text_of_the_read_version() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    files.upload("/a", "one\ntwo\none\n").await.unwrap();
    let agent = world.agent().await;
    let version = agent.call("read_file", at("/a")).await["version"].clone();
    let edit = |old: &str, new: &str| with(at("/a"), json!({ "old_text": old, "new_text": new }));
    let failure = agent.fail("edit_file", edit("one", "1")).await;
    assert!(
        failure["message"].as_str().unwrap().contains("lines 1, 3"),
        "{failure}"
    );
    assert_eq!(
        agent.kind("edit_file", edit("three", "3")).await,
        "invalid_argument"
    );
    let guarded = with(edit("two", "2"), json!({ "if_version": version }));
    let edited = agent.call("edit_file", guarded.clone()).await;
    assert_eq!(
        (&edited["replacements"], &edited["lines"]),
        (&json!(1), &json!([2]))
    );
    assert_eq!(files.read("/a").await.unwrap(), "one\n2\none\n");
    assert_eq!(agent.kind("edit_file", guarded).await, "conflict");
    let all = with(
        edit("one", "1"),
        json!({ "replace_all": true, "if_version": edited["version"] }),
    );
    assert_eq!(agent.call("edit_file", all).await["replacements"], 2);
    assert_eq!(files.read("/a").await.unwrap(), "1\n2\n1\n");
    files.upload("/bytes", &b"a\0b"[..]).await.unwrap();
    let binary = with(at("/bytes"), json!({ "old_text": "a", "new_text": "b" }));
    assert_eq!(agent.kind("edit_file", binary).await, "not_text");
    let missing = with(at("/none"), json!({ "old_text": "a", "new_text": "b" }));
    assert_eq!(agent.kind("edit_file", missing).await, "not_found");
}

#[tokio::test]
async fn concurrent_edits_lose_nothing() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    let text: String = (0..10).map(|number| format!("<{number}>")).collect();
    files.upload("/a", text).await.unwrap();
    let agent = world.agent().await;
    let edits = (0..10).map(|number| {
        let agent = &agent;
        let edit = json!({ "old_text": format!("<{number}>"), "new_text": format!("[{number}]") });
        async move {
            let mut conflicts = 0;
            loop {
                let result = agent
                    .try_call("edit_file", with(at("/a"), edit.clone()))
                    .await;
                if result.is_error == Some(false) {
                    return conflicts;
                }
                let text = &result.content[0].as_text().unwrap().text;
                assert!(text.contains("\"conflict\""), "{text}");
                conflicts += 1;
            }
        }
    });
    let conflicts: u32 = futures_util::future::join_all(edits).await.iter().sum();
    assert!(conflicts > 0, "no two edits were concurrent");
    let expected: String = (0..10).map(|number| format!("[{number}]")).collect();
    assert_eq!(files.read("/a").await.unwrap(), expected.as_bytes());
}

/// Forwards connections, and hides the conditions of requests from the service, as a store that ignores them.
async fn ignore_conditions(listener: TcpListener, service: SocketAddr) {
    while let Ok((client, _)) = listener.accept().await {
        let server = TcpStream::connect(service).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
                let sent = String::from_utf8_lossy(&buffer[..length]).replace("\nif-", "\nno-");
                if to_server.write_all(sent.as_bytes()).await.is_err() {
                    break;
                }
            }
        });
        tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    }
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = format!("http://{}", listener.local_addr().unwrap());
    let world = World::of(Server::builder().public_url(store)).await;
    let service = world.client.endpoint().trim_start_matches("http://");
    tokio::spawn(ignore_conditions(listener, service.parse().unwrap()));
    let files = world.files(CONTEXT).await;
    let agent = world.agent().await;
    let one = with(at("/a"), json!({ "content": "one" }));
    let written = agent.call("write_file", one.clone()).await;
    assert_eq!(written["guard"], "unavailable");
    // The comparison of this server still finds what happened before the call.
    assert_eq!(agent.kind("write_file", one).await, "conflict");
    files.upload("/a", "two").await.unwrap();
    let stale = json!({ "old_text": "two", "new_text": "2", "if_version": written["version"] });
    assert_eq!(
        agent.kind("edit_file", with(at("/a"), stale)).await,
        "conflict"
    );
    let edit = with(at("/a"), json!({ "old_text": "two", "new_text": "2" }));
    assert_eq!(agent.call("edit_file", edit).await["guard"], "unavailable");
    assert_eq!(files.list().all().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_is_deleted_once() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    files.upload("/a", "x").await.unwrap();
    let agent = world.agent().await;
    assert_eq!(agent.call("delete_file", at("/a")).await["path"], "/a");
    assert_eq!(agent.kind("delete_file", at("/a")).await, "not_found");
}

#[tokio::test]
async fn an_upload_url_writes_the_file() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    let agent = world.agent().await;
    let answer = agent.call("create_upload_url", at("/big")).await;
    let put = reqwest::Client::new().put(answer["put"]["url"].as_str().unwrap());
    let response = put.body("content").send().await.unwrap();
    assert!(response.status().is_success(), "{response:?}");
    assert_eq!(files.read("/big").await.unwrap(), "content");
}
