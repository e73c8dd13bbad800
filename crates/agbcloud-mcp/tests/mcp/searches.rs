//! `search_files`.

use std::collections::BTreeSet;

use agbcloud::{
    Client, Error, ErrorKind, PresignedUrl,
    testing::{MockContextApi, context, error, fail, file, file_page, folder, ok},
};
use agbcloud_mcp::McpServer;
use axum::{body::Bytes, http::Response};
use serde_json::{Value, json};

use super::support::{Agent, CONTEXT, World, at, with};

fn paths(answer: &Value) -> BTreeSet<String> {
    let files = answer["files"].as_array().unwrap();
    let paths = files
        .iter()
        .map(|file| file["path"].as_str().unwrap().to_owned());
    paths.collect()
}

async fn world() -> World {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    for (path, content) in [
        ("/readme.md", "hello\nThe Needle\n"),
        ("/src/main.rs", "fn main() {}\n// needle\n"),
        ("/src/deep/mod.rs", "nothing"),
        ("/src/deep/data.bin", "needle\0"),
        ("/docs/a.md", "needle needle\nneedle"),
    ] {
        files.upload(path, content).await.unwrap();
    }
    files
        .upload("/large.txt", "needle\n".repeat(200_000))
        .await
        .unwrap();
    world
}

#[tokio::test]
async fn names_are_found_by_globs() {
    let world = world().await;
    let agent = world.agent().await;
    let search =
        async |arguments: Value| paths(&agent.call("search_files", with(at("/"), arguments)).await);
    let set = |paths: &[&str]| {
        paths
            .iter()
            .map(|&path| path.to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(search(json!({})).await.len(), 6);
    assert_eq!(
        search(json!({"name": "*.md"})).await,
        set(&["/docs/a.md", "/readme.md"])
    );
    assert_eq!(
        search(json!({"name": "src/**/*.rs"})).await,
        set(&["/src/deep/mod.rs", "/src/main.rs"])
    );
    assert_eq!(
        search(json!({"name": "*.MD", "ignore_case": true}))
            .await
            .len(),
        2
    );
    assert_eq!(
        search(json!({"name": "*.rs", "path": "/src/deep"})).await,
        set(&["/src/deep/mod.rs"])
    );
}

#[tokio::test]
async fn lines_are_found_and_what_was_not_searched_is_counted() {
    let world = world().await;
    let agent = world.agent().await;
    let found = agent
        .call("search_files", with(at("/"), json!({"content": "needle"})))
        .await;
    assert_eq!(
        paths(&found),
        BTreeSet::from(["/docs/a.md".into(), "/src/main.rs".into()])
    );
    let scanned = &found["scanned"];
    assert_eq!(
        (&scanned["skipped_large"], &scanned["skipped_binary"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(scanned["files_read"], 5);
    let files = found["files"].as_array().unwrap();
    let docs = files
        .iter()
        .find(|file| file["path"] == "/docs/a.md")
        .unwrap();
    assert_eq!(docs["matching_lines"], 2);
    assert_eq!(
        docs["lines"][0],
        json!({"line": 1, "text": "needle needle"})
    );
    let any_case = json!({"content": "NEEDLE", "ignore_case": true, "name": "*.md"});
    let found = agent.call("search_files", with(at("/"), any_case)).await;
    assert_eq!(paths(&found).len(), 2);
    assert_eq!(found["truncated"], false);
}

#[tokio::test]
async fn a_search_continues_after_its_limit() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    for number in 0..40 {
        let content = if number % 2 == 0 { "needle" } else { "hay" };
        files
            .upload(format!("/{}/{number}", number % 4), content)
            .await
            .unwrap();
    }
    let agent = world.agent().await;
    for (content, expected) in [(Some("needle"), 20), (None, 40)] {
        let (mut found, mut calls) = (BTreeSet::new(), 0);
        let mut arguments = with(at("/"), json!({ "limit": 3 }));
        if let Some(content) = content {
            arguments["content"] = json!(content);
        }
        loop {
            let page = agent.call("search_files", arguments.clone()).await;
            let paths = paths(&page);
            assert!(paths.len() <= 3);
            for path in paths {
                assert!(found.insert(path.clone()), "{path} twice");
            }
            calls += 1;
            if page["truncated"] == false {
                break;
            }
            assert_eq!(page["stopped_by"], "results");
            arguments["cursor"] = page["next"].clone();
        }
        assert_eq!(found.len(), expected);
        assert!(calls >= expected / 3);
        let other = with(arguments, json!({"content": "other"}));
        assert_eq!(agent.kind("search_files", other).await, "invalid_argument");
    }
}

#[tokio::test]
async fn refused_names_are_counted_and_others_are_found() {
    let mut api = MockContextApi::new();
    api.expect_get_context()
        .returning(|_| ok(context("SdkCtx-1", CONTEXT)));
    api.expect_list_files()
        .returning(|query| match query.folder.as_str() {
            "/" => ok(file_page(
                vec![
                    folder("/"),
                    folder("/a\\b"),
                    folder("/refused"),
                    folder("/d/"),
                    file("/refused.md", 1),
                ],
                5,
            )),
            "/refused" => fail(error(ErrorKind::Rejected).status(400)),
            _ => ok(file_page(
                vec![folder("/d/"), file("/d/\\.md", 1), file("/d/ä.md", 1)],
                3,
            )),
        });
    api.expect_download_url().returning(|_, path| {
        let url = format!("https://store.test{}", path.as_str());
        match path.as_str() {
            "/refused.md" => fail(error(ErrorKind::Rejected).status(400)),
            _ => ok(PresignedUrl::new(url.replace('ä', "a")).unwrap()),
        }
    });
    let client = Client::builder()
        .stub(api)
        .stub_store(|_| Ok::<_, Error>(Response::new(Bytes::from("needle"))));
    let agent = Agent::of(McpServer::builder(client.build().unwrap())).await;
    let search = json!({ "name": "?.md", "content": "needle" });
    let found = agent.call("search_files", with(at("/"), search)).await;
    assert_eq!(paths(&found), BTreeSet::from(["/d/ä.md".to_owned()]));
    // The folders, and the file with a backslash.
    assert_eq!(found["scanned"]["skipped_names"], 3);
    let search = json!({ "content": "needle" });
    let found = agent.call("search_files", with(at("/"), search)).await;
    assert_eq!(found["scanned"]["skipped_names"], 4);
}

#[tokio::test]
async fn wrong_patterns_are_invalid_arguments() {
    let world = World::new().await;
    world.files(CONTEXT).await;
    let agent = world.agent().await;
    for arguments in [
        json!({"name": "["}),
        json!({"name": ""}),
        json!({"content": "a\nb"}),
        json!({"content": "x".repeat(5000)}),
        json!({"limit": 0}),
        json!({"cursor": "next-00000000-1"}),
        json!({"path": "relative"}),
    ] {
        let kind = agent
            .kind("search_files", with(at("/"), arguments.clone()))
            .await;
        assert_eq!(kind, "invalid_argument", "{arguments}");
    }
}

#[tokio::test]
async fn one_file_can_be_searched_and_a_missing_folder_is_an_error() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    files.upload("/d/a.txt", "one\r\nneedle\r\n").await.unwrap();
    let agent = world.agent().await;
    let search = async |path: &str, filter: Value| {
        let found = agent.call("search_files", with(at(path), filter)).await;
        paths(&found)
    };
    let needle = json!({ "content": "needle" });
    let file = BTreeSet::from(["/d/a.txt".to_owned()]);
    for filter in [json!({}), needle.clone(), json!({ "name": "*.txt" })] {
        assert_eq!(search("/d/a.txt", filter).await, file);
    }
    for other in [json!({ "content": "x" }), json!({ "name": "*.md" })] {
        assert!(search("/d/a.txt", other).await.is_empty());
    }
    for path in ["/nope", "/d/nope.txt", "/d/a.txt/b"] {
        let kind = agent
            .kind("search_files", with(at(path), needle.clone()))
            .await;
        assert_eq!(kind, "not_found", "{path}");
    }
    let end = json!({ "content": "needle\r\n" });
    let kind = agent.kind("search_files", with(at("/d"), end)).await;
    assert_eq!(kind, "invalid_argument");
}
