//! Contexts of one key are invisible to another key.

use crate::client::{Client, start};

#[tokio::test]
async fn a_foreign_context_is_indistinguishable_from_a_missing_one() {
    let (_server, mine) = start().await;
    let other = mine.with_key("other-key");
    let id = mine.create("secret").await;
    mine.upload(&id, "/f", "x").await;
    let missing = format!("{}0", &id[..id.len() - 1]);
    for (operation, name, rest) in [
        ("GetContext", "id", ""),
        ("ModifyContext", "id", "&name=stolen"),
        ("DeleteContext", "id", ""),
        ("ClearContext", "id", ""),
        ("DescribeContextFiles", "contextId", ""),
        ("GetContextFileUploadUrl", "contextId", "&filePath=/f"),
        ("GetContextFileDownloadUrl", "contextId", "&filePath=/f"),
        ("DeleteContextFile", "contextId", "&filePath=/f"),
    ] {
        let answer = async |client: &Client, id: &str| {
            client.call(operation, &format!("{name}={id}{rest}")).await
        };
        let (foreign, none) = (answer(&other, &id).await, answer(&other, &missing).await);
        foreign.assert_failure(404, "InvalidContext.NotFound", operation);
        assert_eq!(
            (foreign.status, &foreign.body["message"]),
            (none.status, &none.body["message"])
        );
        assert_eq!(foreign.headers.len(), none.headers.len());
    }
    other
        .fails(
            "GetContext",
            &[("name", "secret")],
            404,
            "InvalidContext.NotFound",
        )
        .await;
    assert_eq!(other.ok("ListContexts", &[]).await["totalCount"], 0);
    assert_ne!(
        other.create("secret").await,
        id,
        "each tenant has its own names"
    );
    // Nothing has changed for the owner.
    assert_eq!(mine.ok("ListContexts", &[]).await["totalCount"], 1);
    assert_eq!(
        mine.ok("GetContext", &[("id", &id)]).await["data"]["name"],
        "secret"
    );
    assert_eq!(mine.download(&id, "/f").await, b"x");
}
