//! Creating, finding, renaming, listing and deleting contexts.

use std::collections::BTreeSet;

use agbcloud_server::{ManualClock, test_store};
use serde_json::Value;

use crate::client::{Client, start, start_at};

fn names(page: &Value) -> Vec<String> {
    page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn page(client: &Client, size: &str, token: Option<&str>) -> Value {
    let mut params = vec![("maxResults", size)];
    params.extend(token.map(|token| ("nextToken", token)));
    client.ok("ListContexts", &params).await
}

#[tokio::test]
async fn a_context_has_all_its_fields_and_is_found_by_id_and_name() {
    let (_server, client) = start().await;
    let created = client
        .ok(
            "GetContext",
            &[("name", "my project"), ("allowCreate", "true")],
        )
        .await;
    let context = &created["data"];
    let id = context["id"].as_str().unwrap();
    assert_eq!(id.len(), "SdkCtx-".len() + 20);
    assert!(id.starts_with("SdkCtx-"));
    assert_eq!(
        (context["name"].as_str(), context["state"].as_str()),
        (Some("my project"), Some("available"))
    );
    for time in ["createTime", "lastUsedTime"] {
        let text = context[time].as_str().unwrap();
        assert!(
            text.len() == 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T',
            "{text}"
        );
    }
    assert_eq!(
        client.ok("GetContext", &[("id", id)]).await["data"],
        *context
    );
    assert_eq!(
        client.ok("GetContext", &[("name", "my project")]).await["data"],
        *context
    );
    assert_eq!(client.create("my project").await, id, "the same context");
}

#[tokio::test]
async fn pages_stay_consistent_while_contexts_are_created_and_deleted() {
    // All have the same creation time, so only the tie-break orders them.
    let (_server, client) = start_at(&ManualClock::starting_now()).await;
    let mut ids = Vec::new();
    for number in 0..31 {
        ids.push(client.create(&format!("c{number:02}")).await);
    }
    let first = page(&client, "10", None).await;
    assert_eq!(
        (first["totalCount"].as_i64(), first["maxResults"].as_i64()),
        (Some(31), Some(10))
    );
    let mut seen = names(&first);
    // Deletes a listed context, the last listed one (which the token refers to) and one not listed yet. Creates one.
    for at in [3, 9, 15] {
        client.ok("DeleteContext", &[("id", &ids[at])]).await;
    }
    client.create("new").await;
    let second = page(&client, "10", first["nextToken"].as_str()).await;
    assert_eq!(second["totalCount"], 29);
    seen.extend(names(&second));
    client
        .ok("ModifyContext", &[("id", &ids[0]), ("name", "renamed")])
        .await;
    let third = page(&client, "10", second["nextToken"].as_str()).await;
    seen.extend(names(&third));
    let fourth = page(&client, "10", third["nextToken"].as_str()).await;
    seen.extend(names(&fourth));
    assert!(fourth.get("nextToken").is_none(), "{fourth}");
    let mut expected: Vec<String> = (0..31)
        .filter(|n| *n != 15)
        .map(|n| format!("c{n:02}"))
        .collect();
    expected.push("new".to_owned());
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_full_last_page_has_no_token() {
    let (_server, client) = start().await;
    let empty = page(&client, "10", None).await;
    assert_eq!(
        (
            empty["data"].as_array().unwrap().len(),
            empty["totalCount"].as_i64()
        ),
        (0, Some(0))
    );
    assert!(empty.get("nextToken").is_none());
    for name in ["a", "b", "c", "d"] {
        client.create(name).await;
    }
    let first = page(&client, "2", None).await;
    let second = page(&client, "2", first["nextToken"].as_str()).await;
    assert_eq!(names(&second), ["c", "d"]);
    assert!(second.get("nextToken").is_none());
    assert!(page(&client, "4", None).await.get("nextToken").is_none());
}

#[tokio::test]
async fn renaming_keeps_the_id_and_frees_the_name() {
    let (_server, client) = start().await;
    let (one, two) = (client.create("one").await, client.create("two").await);
    client
        .fails(
            "ModifyContext",
            &[("id", &one), ("name", "two")],
            409,
            "InvalidContext.NameConflict",
        )
        .await;
    assert_eq!(
        client.ok("GetContext", &[("id", &one)]).await["data"]["name"],
        "one"
    );
    client
        .ok("ModifyContext", &[("id", &one), ("name", "one")])
        .await;
    client
        .ok("ModifyContext", &[("id", &one), ("name", "three")])
        .await;
    client
        .fails(
            "GetContext",
            &[("name", "one")],
            404,
            "InvalidContext.NotFound",
        )
        .await;
    assert_eq!(
        client.ok("GetContext", &[("name", "three")]).await["data"]["id"],
        one
    );
    client
        .ok("ModifyContext", &[("id", &two), ("name", "one")])
        .await;
}

#[tokio::test]
async fn names_are_unique_per_region() {
    let server = test_store::builder()
        .regions(["north", "south"])
        .start()
        .await
        .unwrap();
    let client = Client::new(server.url(), "k");
    let north = client.create("n").await;
    let params = [
        ("name", "n"),
        ("allowCreate", "true"),
        ("loginRegionId", "south"),
    ];
    let south = client.ok("GetContext", &params).await["data"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_ne!(north, south);
    assert_eq!(
        client.ok("GetContext", &[("id", &south)]).await["data"]["name"],
        "n"
    );
    client
        .ok("ModifyContext", &[("id", &south), ("name", "m")])
        .await;
    client.ok("GetContext", &[("name", "n")]).await;
    client
        .fails(
            "GetContext",
            &[("name", "m")],
            404,
            "InvalidContext.NotFound",
        )
        .await;
    assert_eq!(client.ok("ListContexts", &[]).await["totalCount"], 2);
}

#[tokio::test]
async fn a_deleted_context_disappears_immediately_and_frees_its_name() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    client.upload(&id, "/a", "x").await;
    let (put, get) = (
        client.upload_url(&id, "/a").await,
        client.download_url(&id, "/a").await,
    );
    client.ok("DeleteContext", &[("id", &id)]).await;
    client
        .fails("GetContext", &[("id", &id)], 404, "InvalidContext.NotFound")
        .await;
    client
        .fails(
            "GetContext",
            &[("name", "c")],
            404,
            "InvalidContext.NotFound",
        )
        .await;
    client
        .fails(
            "DeleteContext",
            &[("id", &id)],
            404,
            "InvalidContext.NotFound",
        )
        .await;
    assert_eq!(client.ok("ListContexts", &[]).await["totalCount"], 0);
    let rejected = (403, "AccessDenied".to_owned());
    assert_eq!(
        crate::client::xml_code(client.http.get(&get).send().await.unwrap()).await,
        rejected
    );
    assert_eq!(
        crate::client::xml_code(client.put(&put, "y").await).await,
        rejected
    );
    let again = client.create("c").await;
    assert_ne!(again, id);
    assert_eq!(client.list(&again, "/").await, (vec![], 0));
}

#[tokio::test]
async fn operations_update_the_last_use() {
    let clock = ManualClock::starting_now();
    let (_server, client) = start_at(&clock).await;
    let id = client.create("c").await;
    let mut times = BTreeSet::new();
    let mut moved = async |what: &str, expected: bool| {
        let time = client.ok("GetContext", &[("id", &id)]).await["data"]["lastUsedTime"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(times.insert(time), expected, "{what}");
        clock.advance(std::time::Duration::from_secs(10));
    };
    moved("create", true).await;
    let url = client.upload_url(&id, "/a").await;
    moved("a URL soon after", false).await;
    client.put(&url, "x").await;
    moved("upload", true).await;
    client
        .ok("ModifyContext", &[("id", &id), ("name", "d")])
        .await;
    moved("rename", true).await;
    client.download_url(&id, "/a").await;
    moved("a URL soon after", false).await;
    clock.advance(std::time::Duration::from_secs(60));
    client.download_url(&id, "/a").await;
    moved("a URL much later", true).await;
    client
        .ok(
            "DeleteContextFile",
            &[("contextId", &id), ("filePath", "/a")],
        )
        .await;
    moved("delete of a file", true).await;
    client.ok("ClearContext", &[("id", &id)]).await;
    moved("clear", true).await;
}
