//! Uploads under a condition whose response is lost: the SDK repeats them, and meets what it has written.

use std::time::Duration;

use agbcloud::RetryPolicy;
use agbcloud_server::Server;
use tokio::net::TcpListener;

use crate::support::{LossyProxy, Share};

/// A share whose uploads and downloads pass a proxy.
async fn share() -> (Share, LossyProxy) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = Server::builder().memory().public_url(url);
    let retry = RetryPolicy::default().backoff(Duration::ZERO, Duration::ZERO);
    let share = Share::with_client(
        service,
        |share| share.write(true),
        |client| client.retry(retry),
    )
    .await;
    let proxy = LossyProxy::default();
    let address = share.service.local_addr();
    tokio::spawn(proxy.clone().run(listener, address));
    (share, proxy)
}

#[tokio::test]
async fn an_upload_that_is_stored_succeeds() {
    let (share, proxy) = share().await;
    let large = "x".repeat(300_000);
    for content in ["one", &large] {
        proxy.lose_response(|| Box::pin(std::future::ready(())));
        let put = share.request("PUT", "/a").header("if-none-match", "*");
        let created = put.body(content.to_owned()).send().await.unwrap();
        assert_eq!(created.status(), 201);
        assert!(proxy.has_lost());
        assert_eq!(share.content("/a").await, content);
        let etag = share.files.stat("/a").await.unwrap().etag.unwrap();
        assert_eq!(created.headers()["etag"], etag.as_str());
        proxy.lose_response(|| Box::pin(std::future::ready(())));
        let put = share.request("PUT", "/a").header("if-match", etag);
        let replaced = put.body(format!("{content}!")).send().await.unwrap();
        assert_eq!(replaced.status(), 204);
        assert!(proxy.has_lost());
        assert_eq!(share.content("/a").await, format!("{content}!"));
        assert_eq!(share.status("DELETE", "/a").await, 204);
    }
    share.shutdown().await;
}

#[tokio::test]
async fn an_upload_that_another_client_has_replaced_fails() {
    let (share, proxy) = share().await;
    // Of the same length.
    for theirs in ["two", "three", ""] {
        let files = share.files.clone();
        proxy.lose_response(move || {
            Box::pin(async move {
                files.upload("/a", theirs).await.unwrap();
            })
        });
        let put = share.request("PUT", "/a").header("if-none-match", "*");
        let failed = put.body("one").send().await.unwrap();
        assert_eq!(failed.status(), 412);
        assert!(proxy.has_lost());
        assert_eq!(share.content("/a").await, theirs);
        assert_eq!(share.status("DELETE", "/a").await, 204);
    }
    share.shutdown().await;
}

#[tokio::test]
async fn a_move_that_may_not_overwrite_is_completed() {
    let (share, proxy) = share().await;
    for (number, content) in ["one".to_owned(), "x".repeat(2_000_000)].iter().enumerate() {
        share.files.upload("/a", content.clone()).await.unwrap();
        let to = format!("/b{number}");
        proxy.lose_response(|| Box::pin(std::future::ready(())));
        let request = share.request("MOVE", "/a").header("overwrite", "F");
        let request = request.header("destination", share.url(&to));
        assert_eq!(request.send().await.unwrap().status(), 201);
        assert!(proxy.has_lost());
        assert!(!share.stores("/a").await);
        assert_eq!(share.content(&to).await, *content);
    }
    share.shutdown().await;
}
