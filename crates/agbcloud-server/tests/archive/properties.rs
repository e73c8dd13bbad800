//! Random stores survive a round trip.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::store::{archive, restored, start_in, world};

/// Names of all kinds: spaces, dots, other scripts, and characters that sort around the slash.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{1,2}",
        "[ -~&&[^/\\\\]]{1,8}".prop_filter("a segment", |name| name != "." && name != ".."),
        "[äöü日本😀.!0-]{1,4}".prop_filter("a segment", |name| name != "." && name != ".."),
    ]
}

fn path() -> impl Strategy<Value = String> {
    vec(name(), 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let sizes = prop_oneof![
        0..100_usize,
        Just(32 * 1024),
        Just(32 * 1024 + 1),
        200_000..300_000_usize,
    ];
    (sizes, any::<u8>()).prop_map(|(size, seed)| {
        (0..size)
            .map(|at| seed.wrapping_add((at % 249) as u8))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_random_store_survives_a_round_trip(
        contexts in vec(vec((path(), content()), 0..8), 0..4),
        is_tar in any::<bool>(),
    ) {
        Runtime::new().unwrap().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let data = folder.path().join("data");
            let (server, client) = start_in(&data).await;
            let mut urls = Vec::new();
            for (number, files) in contexts.iter().enumerate() {
                let id = client.create(&format!("context {number}")).await;
                let mut last = BTreeMap::new();
                for (path, content) in files {
                    let answer = client
                        .call("GetContextFileUploadUrl", &crate::client::query(&[
                            ("contextId", &id), ("filePath", path),
                        ]))
                        .await;
                    // Some random paths are invalid.
                    if let Some(url) = answer.body["data"]["url"].as_str() {
                        assert_eq!(client.put(url, content.clone()).await.status(), 200);
                        last.insert(path, content);
                    }
                }
                for (path, content) in last {
                    urls.push((client.download_url(&id, path).await, content));
                }
            }
            let expected = world(&client).await;
            let old = server.url().to_owned();
            server.shutdown().await;

            let name = if is_tar { "archive.tar" } else { "archive" };
            let copy = restored(&archive(&data, name).await, "copy").await;
            let (server, client) = start_in(&copy).await;
            assert_eq!(world(&client).await, expected);
            for (url, content) in urls {
                let url = url.replace(&old, server.url());
                let response = client.http.get(url).send().await.unwrap();
                assert_eq!(response.bytes().await.unwrap(), *content);
            }
            server.shutdown().await;
        });
    }
}
