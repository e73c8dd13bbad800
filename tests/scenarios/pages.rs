//! Listings: resuming, prefetching, walking a folder and unusual responses.

use std::collections::BTreeSet;

use agbcloud::{Client, ContextId, Continuation, ErrorKind};
use futures_util::TryStreamExt;

use crate::support::{KEY, World, client_of, scripted_server::ScriptedServer};

/// Serializes and parses a continuation, as a program that stores it does.
fn stored(place: Option<Continuation>) -> Continuation {
    let text = serde_json::to_string(&place.unwrap()).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_listing_of_contexts_resumes_in_another_client() {
    let world = World::new().await;
    let contexts = world.client.contexts();
    let mut made = Vec::new();
    for number in 0..25 {
        let name = format!("n{number:02}");
        made.push(contexts.get_or_create(name).await.unwrap());
    }
    for (prefetch, taken, next_size) in [
        (false, 14, 10),
        (true, 14, 10),
        (true, 17, 4),
        (false, 20, 1),
    ] {
        let mut before = contexts.list().page_size(10).prefetch(prefetch).by_item();
        let mut listed = Vec::new();
        for _ in 0..taken {
            listed.push(before.next().await.unwrap().unwrap());
        }
        let place = stored(before.continuation());
        drop(before);

        let other = client_of(&world.server, KEY);
        let listing = other.contexts().list().page_size(next_size);
        let mut after = listing.prefetch(prefetch).start_at(place).by_item();
        while let Some(context) = after.next().await {
            listed.push(context.unwrap());
        }
        assert_eq!(listed, made);
        assert_eq!(after.continuation(), None);
    }
}

#[tokio::test]
async fn deleting_delivered_contexts_hides_no_later_ones() {
    let world = World::new().await;
    let contexts = world.client.contexts();
    for number in 0..9 {
        contexts.get_or_create(format!("n{number}")).await.unwrap();
    }
    let mut pages = contexts.list().page_size(3).by_page();
    let first = pages.next().await.unwrap().unwrap();
    let place = stored(pages.continuation());
    for context in &first.contexts {
        contexts.delete(&context.id).await.unwrap();
    }
    let rest = contexts.list().page_size(3).start_at(place).by_item();
    let names: Vec<String> = rest
        .map_ok(|context| context.name)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(names, ["n3", "n4", "n5", "n6", "n7", "n8"]);
}

#[tokio::test]
async fn a_listing_of_files_resumes_with_its_own_page_size() {
    let world = World::new().await;
    let (_, files) = world.files("listed").await;
    for number in 0..11 {
        let path = format!("/data/{number:02}");
        files.upload(path.as_str(), &b"x"[..]).await.unwrap();
    }
    let list = || files.list().folder("/data");
    let all: Vec<_> = list().by_item().try_collect().await.unwrap();
    assert_eq!(all.len(), 11);
    for prefetch in [false, true] {
        let mut before = list().page_size(4).prefetch(prefetch).by_item();
        let mut listed = Vec::new();
        for _ in 0..6 {
            listed.push(before.next().await.unwrap().unwrap());
        }
        let place = stored(before.continuation());
        let after = list()
            .page_size(3)
            .prefetch(prefetch)
            .start_at(place.clone());
        listed.extend(after.by_item().try_collect::<Vec<_>>().await.unwrap());
        assert_eq!(listed, all);

        let elsewhere = files.list().start_at(place.clone()).send().await;
        assert_eq!(elsewhere.unwrap_err().kind(), ErrorKind::InvalidArgument);
        let contexts = world.client.contexts().list().start_at(place).send().await;
        assert_eq!(contexts.unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

#[tokio::test]
async fn prefetching_returns_the_same_pages() {
    let world = World::new().await;
    let contexts = world.client.contexts();
    for number in 0..23 {
        contexts.get_or_create(format!("n{number}")).await.unwrap();
    }
    let mut listings = Vec::new();
    for prefetch in [false, true] {
        let pages = contexts.list().page_size(5).prefetch(prefetch).by_page();
        let pages: Vec<_> = pages
            .map_ok(|page| (page.contexts, page.total_count))
            .try_collect()
            .await
            .unwrap();
        assert_eq!(pages.len(), 5);
        listings.push(pages);
    }
    assert_eq!(listings[0], listings[1]);
}

#[tokio::test]
async fn walking_a_folder_returns_everything_below_it() {
    let world = World::new().await;
    let (_, files) = world.files("tree").await;
    let paths = [
        "/a.txt",
        "/data/1",
        "/data/2",
        "/data/deep/er/3",
        "/data/deep/4",
        "/data-not/5",
        "/other/50 % #ü/6",
    ];
    for path in paths {
        files.upload(path, &b"x"[..]).await.unwrap();
    }
    let mut expected: BTreeSet<String> = paths.map(String::from).into();
    for folder in [
        "/data",
        "/data/deep",
        "/data/deep/er",
        "/data-not",
        "/other",
        "/other/50 % #ü",
    ] {
        expected.insert(folder.into());
    }
    for (size, prefetch) in [(100, false), (1, false), (2, true)] {
        for top in ["/", "/data", "/other/50 % #ü", "/none"] {
            let below = format!("{}/", top.trim_end_matches('/'));
            let wanted: Vec<&String> = expected
                .iter()
                .filter(|path| path.starts_with(&below))
                .collect();
            let listing = files.list().folder(top).page_size(size).prefetch(prefetch);
            let walked: Vec<String> = listing
                .walk()
                .map_ok(|entry| entry.path)
                .try_collect()
                .await
                .unwrap();
            let mut sorted: Vec<&String> = walked.iter().collect();
            sorted.sort();
            assert_eq!(sorted, wanted, "{top}");
            for (at, path) in walked.iter().enumerate() {
                let parent = path.rsplit_once('/').unwrap().0;
                let is_listed =
                    parent == top.trim_end_matches('/') || walked[..at].iter().any(|p| p == parent);
                assert!(is_listed, "{path} before its folder");
            }
        }
    }
}

/// A successful response with this body.
fn ok(body: &str) -> String {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json";
    format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A client of a scripted service.
async fn client(bodies: &[&str]) -> (Client, ScriptedServer) {
    let responses: Vec<String> = bodies.iter().map(|body| ok(body)).collect();
    let service = ScriptedServer::new(responses.iter()).await;
    let client = Client::builder().api_key(KEY).endpoint(&*service.endpoint);
    (client.build().unwrap(), service)
}

#[tokio::test]
async fn long_ids_and_tokens_from_a_service_are_sent_back_unchanged() {
    let (token, id) = ("t".repeat(5000), format!("SdkCtx-{}", "i".repeat(300)));
    let first = format!(
        r#"{{"success":true,"data":[{{"id":"{id}","name":7,"createTime":1748520000000}}],"nextToken":"{token}"}}"#
    );
    let last = r#"{"success":"true","data":[{"id":12}],"nextToken":null,"totalCount":"2"}"#;
    let cleared = r#"{"success":true,"requestId":99}"#;
    let (client, service) = client(&[&first, last, cleared]).await;
    let listing = client.contexts().list().by_item();
    let contexts: Vec<_> = listing.try_collect().await.unwrap();
    let ids: Vec<_> = contexts.iter().map(|context| context.id.as_str()).collect();
    assert_eq!(ids, [id.as_str(), "12"]);
    assert_eq!(contexts[0].name, "7");
    let created = contexts[0].created_at.as_ref().unwrap();
    assert!(created.to_system_time().is_some());
    let started = client
        .contexts()
        .clear(ContextId::new(&*id).unwrap())
        .start();
    assert_eq!(started.await.unwrap().request_id(), Some("99"));
    let requests = service.requests();
    assert!(requests[1].contains(&format!("nextToken={token}")));
    assert!(requests[2].contains(&format!("id={id}")));
}
