//! Services for the tests.

use agbcloud::{Client, Files};
use agbcloud_object_store::ContextStore;
use agbcloud_server::{Server, ServerBuilder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// Runs a check with the store of an empty context.
pub(crate) async fn with_store(check: impl AsyncFnOnce(ContextStore)) {
    with_service(Server::builder().memory(), check).await;
}

/// Runs a check with the store of an empty context of this service.
pub(crate) async fn with_service(service: ServerBuilder, check: impl AsyncFnOnce(ContextStore)) {
    let service = service.start().await.unwrap();
    check(ContextStore::new(files(&service).await)).await;
    service.shutdown().await;
}

/// Runs a check with a store that ignores the conditions of uploads, as some object stores do.
pub(crate) async fn with_store_without_conditions(check: impl AsyncFnOnce(ContextStore)) {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let service = Server::builder().memory().public_url(url);
    let service = service.start().await.unwrap();
    let address = service.local_addr();
    let proxy = tokio::spawn(async move {
        while let Ok((client, _)) = proxy.accept().await {
            tokio::spawn(forward_without_conditions(client, address));
        }
    });
    check(ContextStore::new(files(&service).await)).await;
    proxy.abort();
    service.shutdown().await;
}

/// Runs a check with a client of an empty service.
pub(crate) async fn with_client(check: impl AsyncFnOnce(Client)) {
    let service = Server::builder().memory().start().await.unwrap();
    check(client(&service)).await;
    service.shutdown().await;
}

fn client(service: &Server) -> Client {
    let builder = Client::builder().api_key("any").endpoint(service.url());
    builder.build().unwrap()
}

async fn files(service: &Server) -> Files {
    let contexts = client(service).contexts();
    let context = contexts.get_or_create("objects").await.unwrap();
    contexts.files(&context.id)
}

/// Forwards one request without its conditions.
async fn forward_without_conditions(mut client: TcpStream, address: std::net::SocketAddr) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let is_condition = |line: &str| {
        let line = line.to_ascii_lowercase();
        line.starts_with("if-match:") || line.starts_with("if-none-match:")
    };
    let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    lines.retain(|line| !is_condition(line));
    lines.push("connection: close\r\n\r\n");
    let mut server = TcpStream::connect(address).await.unwrap();
    server
        .write_all(lines.join("\r\n").as_bytes())
        .await
        .unwrap();
    // Fails if either side closes the connection early.
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
