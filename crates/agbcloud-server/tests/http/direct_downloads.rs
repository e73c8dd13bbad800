//! Downloads straight from the blob store.

use agbcloud_server::{BlobStoreError, DirectDownloadError, Server, StartError, test_store};

use crate::client::start_with;

#[tokio::test]
async fn direct_downloads_require_a_bucket() {
    let started = Server::builder().direct_downloads(true).start().await;
    let error = started.map(drop).unwrap_err();
    assert!(
        matches!(
            error,
            StartError::BlobStore(BlobStoreError::DirectDownloads(
                DirectDownloadError::NoBucket
            ))
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn large_contents_are_downloaded_from_the_store_and_others_from_the_service() {
    if std::env::var("AGB_TEST_STORE").as_deref() != Ok("postgres+s3") {
        println!("skipped: the contents are not in a bucket");
        return;
    }
    let (server, client) = start_with(test_store::builder().direct_downloads(true)).await;
    let report = server.blob_store().unwrap();
    assert_eq!(report.direct_downloads, Some(true));
    let id = client.create("c").await;
    let large = vec![7; 100_000];
    client.upload(&id, "/large ä.bin", large.clone()).await;
    client.upload(&id, "/small", "hello").await;

    let small = client.download_url(&id, "/small").await;
    assert!(small.starts_with(server.url()), "{small}");
    let data = client
        .ok(
            "GetContextFileDownloadUrl",
            &[("contextId", &id), ("filePath", "/large ä.bin")],
        )
        .await;
    assert_eq!(data["data"]["expireTime"], 300, "{data}");
    let url = client.download_url(&id, "/large ä.bin").await;
    assert!(!url.starts_with(server.url()), "{url}");
    assert!(
        client
            .upload_url(&id, "/large ä.bin")
            .await
            .starts_with(server.url())
    );
    let response = client.http.get(&url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("cache-control", "private, no-store"),
        (
            "content-disposition",
            "attachment; filename=\"large _.bin\"; filename*=UTF-8''large%20%C3%A4.bin",
        ),
    ] {
        assert_eq!(response.headers()[name], value, "{name}");
    }
    assert!(response.bytes().await.unwrap() == large);
    let altered = url.replace("X-Amz-Expires=300", "X-Amz-Expires=3000");
    assert_ne!(altered, url);
    let refused = client.http.get(altered).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    let missing = client
        .call(
            "GetContextFileDownloadUrl",
            &format!("contextId={id}&filePath=/missing"),
        )
        .await;
    assert!(missing.code().contains("NotFound"), "{}", missing.code());
}
