//! Settings of the client against a real service.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use agbcloud::{Client, ErrorKind};
use tokio::io::AsyncWriteExt;

use crate::{
    support::scripted_server::read_request,
    support::{KEY, World},
};

#[tokio::test]
async fn an_error_about_a_wrong_key_does_not_contain_the_key() {
    let world = World::new().await;
    let client = Client::builder()
        .api_key("wrong-key-42")
        .endpoint(world.server.url())
        .build()
        .unwrap();
    let error = client.contexts().list().send().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Unauthorized, Some(401))
    );
    assert!(error.request_id().is_some());
    assert!(!format!("{error} {error:?} {client:?}").contains("wrong-key-42"));
}

#[tokio::test]
async fn an_endpoint_without_a_listener_is_a_connection_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::builder()
        .api_key(KEY)
        .endpoint(endpoint)
        .build()
        .unwrap();
    let error = client.contexts().get_or_create("one").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(error.is_transient());
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn an_endpoint_that_is_not_a_service_is_reported_with_its_response() {
    let world = World::new().await;
    let endpoint = format!("{}/prefix", world.server.url());
    let client = Client::builder()
        .api_key(KEY)
        .endpoint(endpoint)
        .build()
        .unwrap();
    let error = client.contexts().list().send().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::WrongEndpoint, Some(404))
    );
}

#[tokio::test]
async fn clones_of_a_client_share_one_connection() {
    let (endpoint, connections) = counting_service().await;
    let client = Client::builder()
        .api_key(KEY)
        .endpoint(endpoint)
        .build()
        .unwrap();
    for _ in 0..10 {
        client.contexts().list().send().await.unwrap();
        client.clone().contexts().list().send().await.unwrap();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

/// A service that lists nothing, keeps its connections open and counts them.
async fn counting_service() -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                while !read_request(&mut stream).await.is_empty() {
                    let body = r#"{"success":true,"data":[]}"#;
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                    stream
                        .write_all(format!("{head}{body}").as_bytes())
                        .await
                        .unwrap();
                }
            });
        }
    });
    (endpoint, connections)
}
