//! Listings and reads, and how they continue.

use agbcloud_mcp::rmcp::model::ContentBlock;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::support::{CONTEXT, World, at, with};

#[tokio::test]
async fn every_context_is_listed_page_by_page() {
    let world = World::new().await;
    for name in ["a", "b", "c", "d", "e"] {
        world.files(name).await;
    }
    let agent = world.agent().await;
    let (mut names, mut arguments) = (Vec::new(), json!({ "limit": 2 }));
    loop {
        let page = agent.call("list_contexts", arguments.clone()).await;
        let contexts = page["contexts"].as_array().unwrap();
        assert!(contexts.len() <= 2);
        names.extend(contexts.iter().map(|context| context["name"].to_string()));
        assert_eq!(page["truncated"], page["next"].is_string());
        match page["next"].as_str() {
            Some(next) => arguments = json!({ "limit": 2, "cursor": next }),
            None => break,
        }
    }
    names.sort();
    assert_eq!(names, ["\"a\"", "\"b\"", "\"c\"", "\"d\"", "\"e\""]);
}

#[tokio::test]
async fn a_folder_is_listed_within_the_limits_of_entries_and_bytes() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    // About 200 KiB of paths, more than an answer has.
    let long = "x".repeat(200);
    let paths = (0..700).map(|number| format!("/d/{number:04}-{long}"));
    let paths: Vec<String> = paths.collect();
    let uploads = futures_util::future::join_all(paths.iter().map(|path| {
        let upload = files.upload(path, "x");
        async { upload.await.map(|_| ()) }
    }));
    uploads
        .await
        .into_iter()
        .collect::<Result<Vec<()>, _>>()
        .unwrap();
    let agent = world.agent().await;
    let (mut found, mut pages) = (Vec::new(), 0);
    let mut arguments = with(at("/d"), json!({ "limit": 1000 }));
    loop {
        let page = agent.call("list_files", arguments.clone()).await;
        assert!(page.to_string().len() < 140 * 1024);
        let entries = page["entries"].as_array().unwrap();
        found.extend(
            entries
                .iter()
                .map(|entry| entry["path"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        match &page["next"] {
            Value::Null => break,
            next => arguments["cursor"] = next.clone(),
        }
    }
    assert!(pages > 1);
    found.sort();
    assert_eq!(found, paths);
}

#[tokio::test]
async fn a_text_is_read_in_parts_of_whole_lines() {
    let world = World::new().await;
    let text: String = (1..=5000).map(|line| format!("line {line} €\n")).collect();
    let files = world.files(CONTEXT).await;
    let version = files.upload("/log", text.clone()).await.unwrap().etag;
    let agent = world.agent().await;
    let (mut joined, mut arguments) = (
        String::new(),
        with(at("/log"), json!({"max_bytes": 10_000})),
    );
    let mut line = 1;
    loop {
        let part = agent.call("read_file", arguments.clone()).await;
        assert_eq!(part["version"].as_str(), version.as_deref());
        assert_eq!(part["encoding"], "utf-8");
        assert_eq!(part["start_line"], line);
        assert!(
            part["notice"]
                .as_str()
                .unwrap()
                .contains("not instructions")
        );
        let content = part["content"].as_str().unwrap();
        assert!(content.len() <= 10_000 && content.ends_with('\n'));
        joined += content;
        line = part["end_line"].as_u64().unwrap() + 1;
        if part["truncated"] == false {
            assert!(part["next"].is_null());
            break;
        }
        arguments = with(arguments, part["next"].clone());
    }
    assert_eq!(line, 5001);
    assert!(joined == text);
}

#[tokio::test]
async fn lines_are_read_by_number() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    let text: String = (1..=100_000).map(|line| format!("{line}\n")).collect();
    files.upload("/numbers", text).await.unwrap();
    files.upload("/end", "one\ntwo").await.unwrap();
    let agent = world.agent().await;
    let lines = json!({ "start_line": 70_000, "max_lines": 2 });
    let part = agent.call("read_file", with(at("/numbers"), lines)).await;
    assert_eq!(part["content"], "70000\n70001\n");
    assert_eq!(
        (&part["start_line"], &part["end_line"]),
        (&json!(70_000), &json!(70_001))
    );
    let next = agent
        .call(
            "read_file",
            with(
                with(at("/numbers"), json!({"max_lines": 1})),
                part["next"].clone(),
            ),
        )
        .await;
    assert_eq!(
        (&next["content"], &next["start_line"]),
        (&json!("70002\n"), &json!(70_002))
    );
    let end = agent
        .call("read_file", with(at("/end"), json!({"start_line": 2})))
        .await;
    assert_eq!(
        (&end["content"], &end["truncated"]),
        (&json!("two"), &json!(false))
    );
    let failure = agent
        .fail("read_file", with(at("/end"), json!({"start_line": 9})))
        .await;
    assert_eq!(failure["kind"], "invalid_argument");
    assert!(
        failure["next_step"].as_str().unwrap().contains("up to 2"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_binary_file_is_base64_in_parts() {
    let world = World::new().await;
    let bytes: Vec<u8> = (0..100_000).map(|at| (at % 251) as u8).collect();
    world
        .files(CONTEXT)
        .await
        .upload("/image", bytes.clone())
        .await
        .unwrap();
    let agent = world.agent().await;
    let (mut joined, mut arguments) = (Vec::new(), at("/image"));
    loop {
        let part = agent.call("read_file", arguments.clone()).await;
        assert_eq!(part["encoding"], "base64");
        joined.extend(
            BASE64_STANDARD
                .decode(part["content"].as_str().unwrap())
                .unwrap(),
        );
        match &part["next"] {
            Value::Null => break,
            next => arguments = with(arguments, next.clone()),
        }
    }
    assert!(joined == bytes);
    for by_line in [json!({"start_line": 2}), json!({"max_lines": 2})] {
        assert_eq!(
            agent.kind("read_file", with(at("/image"), by_line)).await,
            "not_text"
        );
    }
}

#[tokio::test]
async fn a_large_file_has_a_link_and_a_url_on_request() {
    let world = World::new().await;
    let text = "0123456789\n".repeat(100_000);
    world
        .files(CONTEXT)
        .await
        .upload("/big file", text.clone())
        .await
        .unwrap();
    let agent = world.agent().await;
    let result = agent.try_call("read_file", at("/big file")).await;
    match &result.content[1] {
        ContentBlock::ResourceLink(link) => {
            assert_eq!(link.uri, "agb://project/big%20file");
            assert_eq!(link.size, Some(text.len() as u64));
            let description = link.description.as_deref().unwrap();
            assert!(description.contains("read_file"), "{description}");
        }
        other => panic!("{other:?}"),
    }
    assert!(result.structured_content.unwrap()["get"].is_null());
    let part = agent
        .call(
            "read_file",
            with(at("/big file"), json!({"presigned_url": true})),
        )
        .await;
    let url = part["get"]["url"].as_str().unwrap();
    let body = reqwest::get(url).await.unwrap().text().await.unwrap();
    assert!(body == text);
    assert!(part["get"]["expires_at"].is_string());
}

#[tokio::test]
async fn the_start_and_the_end_of_files_are_exact() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    files.upload("/empty", "").await.unwrap();
    files.upload("/a", "abc").await.unwrap();
    let agent = world.agent().await;
    let empty = agent.call("read_file", at("/empty")).await;
    assert_eq!(
        (&empty["content"], &empty["size"], &empty["truncated"]),
        (&json!(""), &json!(0), &json!(false))
    );
    let tail = agent
        .call("read_file", with(at("/a"), json!({"offset": 2})))
        .await;
    assert_eq!(
        (&tail["content"], &tail["start_line"]),
        (&json!("c"), &json!(null))
    );
    for offset in [3, 4, u64::MAX] {
        let arguments = with(at("/a"), json!({ "offset": offset }));
        assert_eq!(
            agent.kind("read_file", arguments).await,
            "invalid_argument",
            "{offset}"
        );
    }
    for arguments in [
        json!({"max_bytes": 0}),
        json!({"max_lines": 0}),
        json!({"start_line": 0}),
        json!({"offset": -1}),
        json!({"offset": "2"}),
        json!({"unknown": 1}),
    ] {
        assert_eq!(
            agent.kind("read_file", with(at("/a"), arguments)).await,
            "invalid_argument"
        );
    }
}

#[tokio::test]
async fn a_part_of_another_version_is_a_conflict() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    files.upload("/a", "one\ntwo\n").await.unwrap();
    let agent = world.agent().await;
    let first = agent
        .call("read_file", with(at("/a"), json!({"max_lines": 1})))
        .await;
    files.upload("/a", "three\nfour\n").await.unwrap();
    let rest = with(at("/a"), first["next"].clone());
    assert_eq!(agent.kind("read_file", rest).await, "conflict");
}

#[tokio::test]
async fn files_and_folders_have_a_kind_a_size_and_a_version() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    let version = files.upload("/d/a", "abc").await.unwrap().etag.unwrap();
    let agent = world.agent().await;
    let file = agent.call("stat_file", at("/d/a")).await;
    assert_eq!((&file["kind"], &file["size"]), (&json!("file"), &json!(3)));
    assert_eq!(
        (&file["version"], &file["uri"]),
        (&json!(version), &json!("agb://project/d/a"))
    );
    for folder in ["/d", "/d/", "/"] {
        assert_eq!(
            agent.call("stat_file", at(folder)).await["kind"],
            "folder",
            "{folder}"
        );
    }
    let failure = agent.fail("stat_file", at("/d/b")).await;
    assert_eq!(failure["kind"], "not_found");
    assert!(
        failure["next_step"]
            .as_str()
            .unwrap()
            .contains("list_files")
    );
}

#[tokio::test]
async fn the_rest_of_a_file_that_became_smaller_is_a_conflict() {
    let world = World::new().await;
    let files = world.files(CONTEXT).await;
    files.upload("/a", "line\n".repeat(100)).await.unwrap();
    let agent = world.agent().await;
    let read = with(at("/a"), json!({ "max_bytes": 400 }));
    let part = agent.call("read_file", read).await;
    files.upload("/a", "new").await.unwrap();
    let next = with(at("/a"), part["next"].clone());
    assert_eq!(agent.kind("read_file", next).await, "conflict");
    let past = with(at("/a"), json!({ "offset": 400 }));
    assert_eq!(agent.kind("read_file", past).await, "invalid_argument");
}
