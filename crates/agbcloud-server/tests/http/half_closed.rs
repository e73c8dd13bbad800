//! Clients that close their half of the connection once they have sent their request (RFC 9112, section 9.6).

use std::time::Duration;

use agbcloud_server::{Limits, Server, test_store};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{Client, start_in, start_with};
use crate::load::until_closed;
use crate::raw;
use crate::stores::{assert_blobs, large};

/// Sends the bytes, closes the sending half, and returns everything received.
async fn sent(server: &Server, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(request).await.unwrap();
    stream.shutdown().await.unwrap();
    until_closed(&mut stream).await
}

fn status(answer: &[u8]) -> &str {
    std::str::from_utf8(&answer[..12]).unwrap()
}

fn request(method: &str, target: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer akm-test\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_complete_request_gets_a_response() {
    // Delays the response until the server has received the end of the stream.
    let slow = "latency=200ms".parse().unwrap();
    let (server, client) = start_with(test_store::builder().fault(slow)).await;
    let id = client.create("c").await;
    let list = request("GET", "/sdk/ListContexts", b"");
    let answer = sent(&server, &list).await;
    assert_eq!(status(&answer), "HTTP/1.1 200");
    for content in [b"small".to_vec(), large(b'l')] {
        let url = client.upload_url(&id, "/f").await;
        let answer = sent(&server, &request("PUT", raw::target(&url), &content)).await;
        assert_eq!(status(&answer), "HTTP/1.1 200");
        let url = client.download_url(&id, "/f").await;
        let answer = sent(&server, &request("GET", raw::target(&url), b"")).await;
        assert_eq!(status(&answer), "HTTP/1.1 200");
        assert!(answer.ends_with(&content));
    }
    // Also the second of two pipelined requests.
    let both = sent(&server, &[&list[..], &list[..]].concat()).await;
    let both = String::from_utf8(both).unwrap();
    assert_eq!(both.matches("HTTP/1.1 200").count(), 2, "{both}");
}

#[tokio::test]
async fn an_incomplete_body_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = start_in(folder.path()).await;
    let id = client.create("c").await;
    let url = client.upload_url(&id, "/f").await;
    for content in [b"small".to_vec(), large(b'l')] {
        let whole = request("PUT", raw::target(&url), &content);
        let answer = sent(&server, &whole[..whole.len() - 1]).await;
        assert_eq!(status(&answer), "HTTP/1.1 400");
        assert!(String::from_utf8_lossy(&answer).contains("<Code>IncompleteBody</Code>"));
    }
    // The same applies to an incomplete head.
    let answer = sent(&server, b"GET /sdk/ListContexts HTTP/1.1\r\nhost").await;
    assert_eq!(String::from_utf8_lossy(&answer), "");
    assert_eq!(client.list(&id, "/").await.1, 0);
    assert_blobs(folder.path(), 0);
}

async fn one_at_a_time() -> (Server, Client) {
    let mut limits = Limits::default();
    limits.tenant_requests = 1;
    limits.idle_time = Duration::from_millis(500);
    start_with(test_store::builder().limits(limits)).await
}

#[tokio::test]
async fn a_client_that_stops_reading_is_disconnected() {
    const SIZE: usize = 64 * 1024 * 1024;
    let (server, client) = one_at_a_time().await;
    let id = client.create("c").await;
    client.upload(&id, "/f", vec![7; SIZE]).await;
    for gone in [true, false] {
        let url = client.download_url(&id, "/f").await;
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        let get = request("GET", raw::target(&url), b"");
        stream.write_all(&get).await.unwrap();
        stream.shutdown().await.unwrap();
        stream.peek(&mut [0]).await.unwrap();
        client.fails("ListContexts", &[], 429, "Throttling").await;
        let kept = (!gone).then_some(stream);
        let freed = async {
            while client.call("ListContexts", "").await.status != 200 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), freed)
            .await
            .expect("the server closes the connection");
        if let Some(mut stream) = kept {
            assert!(until_closed(&mut stream).await.len() < SIZE);
        }
    }
}
