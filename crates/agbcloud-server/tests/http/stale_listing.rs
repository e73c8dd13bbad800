//! Listings that lag behind omit newer entries.

use std::sync::Arc;
use std::time::Duration;

use agbcloud_server::{ManualClock, test_store};
use serde_json::Value;

use crate::client::{Client, start_with};

/// Returns the names on a page and the total count.
fn names_and_count(answer: &Value, name: &str, count: &str) -> (Vec<String>, i64) {
    let entries = answer["data"].as_array().unwrap().iter();
    let names = entries.map(|entry| entry[name].as_str().unwrap().to_owned());
    (names.collect(), answer[count].as_i64().unwrap())
}

async fn page_of_files(client: &Client, id: &str, number: &str) -> (Vec<String>, i64) {
    let page = [("pageNumber", number), ("pageSize", "2")];
    let params = [&[("contextId", id)][..], &page].concat();
    let answer = client.ok("DescribeContextFiles", &params).await;
    names_and_count(&answer, "filePath", "count")
}

#[tokio::test]
async fn pages_and_counts_omit_newer_entries() {
    let clock = ManualClock::starting_now();
    let settings = test_store::builder().clock(Arc::new(clock.clone()));
    let (_server, client) = start_with(settings.fault("lag=60s".parse().unwrap())).await;
    let id = client.create("old-1").await;
    client.create("old-2").await;
    client.create("old-3").await;
    for path in ["/d", "/e", "/f/g"] {
        client.upload(&id, path, "x").await;
    }
    clock.advance(Duration::from_secs(61));
    for path in ["/a", "/b", "/c", "/f/a"] {
        client.upload(&id, path, "x").await;
    }
    client.create("young").await;
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(
        page_of_files(&client, &id, "1").await,
        (owned(&["/d", "/e"]), 3)
    );
    assert_eq!(page_of_files(&client, &id, "2").await, (owned(&["/f"]), 3));
    assert_eq!(page_of_files(&client, &id, "3").await, (owned(&[]), 3));

    let first = client.ok("ListContexts", &[("maxResults", "2")]).await;
    assert_eq!(
        names_and_count(&first, "name", "totalCount"),
        (owned(&["old-1", "old-2"]), 3)
    );
    let token = first["nextToken"].as_str().unwrap();
    let params = [("maxResults", "2"), ("nextToken", token)];
    let last = client.ok("ListContexts", &params).await;
    assert_eq!(
        names_and_count(&last, "name", "totalCount"),
        (owned(&["old-3"]), 3)
    );
    assert!(last.get("nextToken").is_none_or(Value::is_null), "{last}");

    clock.advance(Duration::from_secs(61));
    assert_eq!(
        page_of_files(&client, &id, "1").await,
        (owned(&["/a", "/b"]), 6)
    );
    let all = client.ok("ListContexts", &[]).await;
    assert_eq!(names_and_count(&all, "name", "totalCount").1, 4);
}
