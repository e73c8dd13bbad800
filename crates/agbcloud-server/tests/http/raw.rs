//! Requests that no client library would send, written to a socket.

use std::net::SocketAddr;
use std::time::Duration;

use agbcloud_server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends the bytes, and returns the status and everything received until the server closes or stops sending.
pub(crate) async fn exchange(server: &Server, request: &[u8]) -> (u16, String) {
    exchange_with(server.local_addr(), request).await
}

/// Like [`send`], for one listener.
pub(crate) async fn exchange_with(listener: SocketAddr, request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(listener).await.unwrap();
    // The server may respond and close before it has read everything.
    let _ = stream.write_all(request).await;
    read(&mut stream).await
}

/// Begins an upload, and returns when the server waits for its body.
pub(crate) async fn begin_upload(server: SocketAddr, url: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let target = target(url);
    let head = format!(
        "PUT {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\nexpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut leave = [0; 25];
    stream.read_exact(&mut leave).await.unwrap();
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

pub(crate) async fn read(stream: &mut TcpStream) -> (u16, String) {
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    let silence = Duration::from_millis(500);
    loop {
        let patience = if answer.is_empty() {
            Duration::from_secs(20)
        } else {
            silence
        };
        match tokio::time::timeout(patience, stream.read(&mut chunk)).await {
            Ok(Ok(read)) if read > 0 => answer.extend_from_slice(&chunk[..read]),
            _ => break,
        }
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    (status, text)
}

/// Returns the request target of a URL.
pub(crate) fn target(url: &str) -> &str {
    &url[url.match_indices('/').nth(2).unwrap().0..]
}

/// Reads the next response and returns its status.
pub(crate) async fn read_status(stream: &mut TcpStream) -> u16 {
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer[..read]).into_owned();
    text.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0)
}
