//! The proxy of the builder.

use std::error::Error as _;

use agbcloud::ErrorKind;

use super::{builder, pem, round_trip, tls_service};
use crate::support::{World, proxy::TestProxy};

/// An error with its causes.
fn chain(error: &agbcloud::Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause} {cause:?}");
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn http_requests_are_sent_to_the_proxy_with_its_credentials() {
    let world = World::with(|server| server.public_url("http://store.test")).await;
    let proxy = TestProxy::to(world.server.local_addr()).await;
    let builder = builder("http://service.test:8780").proxy(proxy.url_with("user:secret"));
    assert!(!format!("{builder:?}").contains("secret"), "{builder:?}");
    let client = builder.build().unwrap();
    round_trip(&client).await.unwrap();

    let lines = proxy.request_lines();
    assert!(
        lines[0].starts_with("GET http://service.test:8780/sdk/GetContext?"),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("PUT http://store.test/objects/")),
        "{lines:?}"
    );
    for head in proxy.heads() {
        let credentials = "proxy-authorization: Basic dXNlcjpzZWNyZXQ=";
        assert!(head.contains(credentials), "{head}");
    }
}

#[tokio::test]
async fn https_requests_are_tunnelled() {
    let server = tls_service(|server| server.public_url("https://service.test")).await;
    let proxy = TestProxy::to(server.local_addr()).await;
    let client = builder("https://service.test")
        .proxy(proxy.url_with("user:secret"))
        .root_certificates(pem("ca.pem"))
        .user_agent_suffix("my-agent/1.2")
        .build()
        .unwrap();
    round_trip(&client).await.unwrap();

    assert!(proxy.heads().len() >= 2, "one connection of each client");
    for head in proxy.heads() {
        assert!(
            head.starts_with("CONNECT service.test:443 HTTP/1.1\r\n"),
            "{head}"
        );
        let head = head.to_ascii_lowercase();
        assert!(head.contains("proxy-authorization: basic "), "{head}");
        assert!(!head.contains("bearer"), "{head}");
    }
}

#[tokio::test]
async fn an_unreachable_proxy_is_an_error_without_its_password() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://user:secret@{}", listener.local_addr().unwrap());
    drop(listener);
    let client = builder("http://service.test").proxy(proxy).build().unwrap();
    let error = round_trip(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(!chain(&error).contains("secret"), "{}", chain(&error));
}

#[test]
fn an_unsupported_proxy_is_an_error() {
    for url in ["socks5://user:secret@127.0.0.1:1080", "http://a b", ""] {
        let error = builder("http://service.test").proxy(url).build();
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(!chain(&error).contains("secret"), "{}", chain(&error));
    }
}
