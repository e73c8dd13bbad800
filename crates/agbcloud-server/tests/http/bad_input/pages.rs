//! Invalid page numbers, tokens and parameter encodings.

use crate::client::start;

#[tokio::test]
async fn numbers_of_pages() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    for bad in [
        "0",
        "-1",
        "ten",
        "",
        "1.5",
        "1e2",
        " 1",
        "00",
        "٣",
        "-99999999999999999999",
    ] {
        client
            .fails(
                "ListContexts",
                &[("maxResults", bad)],
                400,
                "InvalidParameter.MaxResults",
            )
            .await;
        let size = [("contextId", id.as_str()), ("pageSize", bad)];
        client
            .fails(
                "DescribeContextFiles",
                &size,
                400,
                "InvalidParameter.PageSize",
            )
            .await;
        let number = [("contextId", id.as_str()), ("pageNumber", bad)];
        client
            .fails(
                "DescribeContextFiles",
                &number,
                400,
                "InvalidParameter.PageNumber",
            )
            .await;
    }
    for (good, used) in [
        ("1", 1),
        ("1000", 1000),
        ("1001", 1000),
        ("99999999999999999999999999", 1000),
    ] {
        assert_eq!(
            client.ok("ListContexts", &[("maxResults", good)]).await["maxResults"],
            used
        );
        client
            .ok(
                "DescribeContextFiles",
                &[("contextId", &id), ("pageSize", good), ("pageNumber", good)],
            )
            .await;
    }
    assert_eq!(client.ok("ListContexts", &[]).await["maxResults"], 10);
}

#[tokio::test]
async fn tokens() {
    let (_server, client) = start().await;
    for name in ["a", "b", "c"] {
        client.create(name).await;
    }
    let first = client.ok("ListContexts", &[("maxResults", "1")]).await;
    let token = first["nextToken"].as_str().unwrap().to_owned();
    let next = client
        .ok(
            "ListContexts",
            &[("maxResults", "1"), ("nextToken", &token)],
        )
        .await;
    assert_eq!(next["data"][0]["name"], "b");
    assert_eq!(
        client.ok("ListContexts", &[("nextToken", "")]).await["data"][0]["name"],
        "a"
    );
    let mut bad: Vec<String> = ["x", "🦀", " ", "null", "AAAA", "1"]
        .map(str::to_owned)
        .to_vec();
    bad.extend((0..token.len()).map(|at| {
        let other = if token.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        format!("{}{other}{}", &token[..at], &token[at + 1..])
    }));
    bad.extend([
        token[1..].to_owned(),
        format!("{token}A"),
        token.clone() + "=",
    ]);
    for bad in &bad {
        client
            .fails(
                "ListContexts",
                &[("nextToken", bad)],
                400,
                "InvalidParameter.NextToken",
            )
            .await;
    }
    let other = client.with_key("another-key");
    other.create("a").await;
    other
        .fails(
            "ListContexts",
            &[("nextToken", &token)],
            400,
            "InvalidParameter.NextToken",
        )
        .await;
}

#[tokio::test]
async fn repeated_and_incorrectly_encoded_parameters() {
    let (_server, client) = start().await;
    let id = client.create("good").await;
    for (operation, query, code) in [
        ("GetContext", "name=good&name=good", "InvalidParameter.Name"),
        ("GetContext", "name=%zz", "InvalidParameter.Name"),
        ("GetContext", "name=%ff", "InvalidParameter.Name"),
        ("GetContext", "id=%", "InvalidParameter.Id"),
        (
            "GetContext",
            "name=good&allowCreate=true&allowCreate=true",
            "InvalidParameter.AllowCreate",
        ),
        (
            "ListContexts",
            "maxResults=1&maxResults=2",
            "InvalidParameter.MaxResults",
        ),
        (
            "DescribeContextFiles",
            "contextId=a&contextId=b",
            "InvalidParameter.ContextId",
        ),
    ] {
        client
            .call(operation, query)
            .await
            .assert_failure(400, code, query);
    }
    let good = client
        .call("GetContext", "name=g%6fod&unknown=%zz&unknown=1&other")
        .await;
    assert_eq!(
        (good.status.as_u16(), good.body["data"]["id"].as_str()),
        (200, Some(id.as_str()))
    );
}
