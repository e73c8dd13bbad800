//! Properties of stored contents and of listings, compared with a simple model.

use std::collections::{BTreeMap, BTreeSet};

use agbcloud_server::test_store;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;

use crate::client::{Client, start};

/// Few cases, because each one sends requests over a socket.
fn runner() -> TestRunner {
    TestRunner::new(ProptestConfig {
        cases: test_store::cases(48),
        failure_persistence: None,
        ..ProptestConfig::default()
    })
}

fn segment() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "a", "b", "#1", "%2e", "...", "é", "e\u{301}", "😀", "a b", "&", "+", "?", "=", "~", "A",
    ]);
    let any = "[^/\\\\\\p{C}]{1,12}";
    prop_oneof![3 => odd.prop_map(str::to_owned), 1 => any.prop_map(|text| text)]
        .prop_filter("not a dot segment", |text| text != "." && text != "..")
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(segment(), 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

#[test]
fn a_file_with_any_valid_path_is_stored() {
    let runtime = Runtime::new().unwrap();
    let (_server, client) = runtime.block_on(start());
    let id = runtime.block_on(client.create("c"));
    runner()
        .run(
            &(path(), prop::collection::vec(any::<u8>(), 0..200)),
            |(path, bytes)| {
                runtime.block_on(async {
                    client.upload(&id, &path, bytes.clone()).await;
                    assert_eq!(client.download(&id, &path).await, bytes);
                    let parent = &path[..path.rfind('/').unwrap()];
                    let (entries, count) = client.list(&id, parent).await;
                    assert_eq!(entries.len() as i64, count);
                    assert!(
                        entries.contains(&(path.clone(), "file".to_owned(), bytes.len() as i64)),
                        "{path}"
                    );
                });
                Ok(())
            },
        )
        .unwrap();
}

#[derive(Debug, Clone)]
enum Step {
    Put(String, usize),
    Delete(String),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let few = prop::collection::vec(
        prop::sample::select(vec!["a", "b", "B", "ä", "a.", "#1"]),
        1..4,
    )
    .prop_map(|segments| format!("/{}", segments.join("/")));
    prop_oneof![
        8 => (few.clone(), 0_usize..20).prop_map(|(path, size)| Step::Put(path, size)),
        5 => few.prop_map(Step::Delete),
        1 => Just(Step::Clear),
    ]
}

type Entry = (String, String, i64);

/// Returns the direct entries of a folder, ordered by name and then files before folders.
fn model_list(files: &BTreeMap<String, usize>, folder: &str) -> Vec<Entry> {
    let prefix = format!("{}/", folder.trim_end_matches('/'));
    let mut entries = BTreeSet::new();
    for (path, size) in files {
        let Some(rest) = path.strip_prefix(&prefix) else {
            continue;
        };
        entries.insert(match rest.split_once('/') {
            Some((name, _)) => (name.to_owned(), 1, 0),
            None => (rest.to_owned(), 0, *size as i64),
        });
    }
    let kinds = ["file", "folder"];
    entries
        .into_iter()
        .map(|(name, kind, size)| (format!("{prefix}{name}"), kinds[kind].to_owned(), size))
        .collect()
}

async fn paged(client: &Client, id: &str, folder: &str, size: usize) -> Vec<Entry> {
    let mut all = Vec::new();
    for page in 1.. {
        let (page, size) = (page.to_string(), size.to_string());
        let params = [
            ("contextId", id),
            ("parentFolderPath", folder),
            ("pageNumber", &page),
            ("pageSize", &size),
        ];
        let body = client.ok("DescribeContextFiles", &params).await;
        for entry in body["data"].as_array().unwrap() {
            let text = |name: &str| entry[name].as_str().unwrap().to_owned();
            all.push((
                text("filePath"),
                text("fileType"),
                entry["size"].as_i64().unwrap(),
            ));
        }
        if all.len() as i64 >= body["count"].as_i64().unwrap() {
            break;
        }
    }
    all
}

#[test]
fn listings_equal_a_model() {
    let runtime = Runtime::new().unwrap();
    let (_server, client) = runtime.block_on(start());
    runner()
        .run(
            &(prop::collection::vec(step(), 1..40), 1_usize..5),
            |(steps, page_size)| {
                runtime.block_on(async {
                    let id = client.create("c").await;
                    let mut files = BTreeMap::new();
                    for step in &steps {
                        match step {
                            Step::Put(path, size) => {
                                client.upload(&id, path, vec![0; *size]).await;
                                files.insert(path.clone(), *size);
                            }
                            Step::Delete(path) => {
                                let query =
                                    crate::client::query(&[("contextId", &id), ("filePath", path)]);
                                let answer = client.call("DeleteContextFile", &query).await;
                                assert_eq!(
                                    answer.status == 200,
                                    files.remove(path).is_some(),
                                    "{path}"
                                );
                            }
                            Step::Clear => {
                                client.ok("ClearContext", &[("id", &id)]).await;
                                client.wait_available(&id).await;
                                files.clear();
                            }
                        }
                    }
                    let mut folders = vec![String::from("/")];
                    while let Some(folder) = folders.pop() {
                        let expected = model_list(&files, &folder);
                        assert_eq!(
                            client.list(&id, &folder).await,
                            (expected.clone(), expected.len() as i64)
                        );
                        assert_eq!(paged(&client, &id, &folder, page_size).await, expected);
                        folders.extend(
                            expected
                                .into_iter()
                                .filter(|entry| entry.1 == "folder")
                                .map(|entry| entry.0),
                        );
                    }
                    client.ok("DeleteContext", &[("id", &id)]).await;
                });
                Ok(())
            },
        )
        .unwrap();
}
