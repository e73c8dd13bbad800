//! Connections, timeouts and ready clients.

use std::time::{Duration, Instant};

use agbcloud::{ContextId, ErrorKind};
use tokio::net::TcpListener;

use super::{builder, pem, round_trip, tls_service};
use crate::support::{
    World,
    proxy::TestProxy,
    scripted_server::{ScriptedServer, Turn},
};

#[tokio::test]
async fn the_pool_has_a_limit() {
    let world = World::new().await;
    for (limit, connections) in [(None, 1), (Some(0), 3)] {
        // Counts connections.
        let proxy = TestProxy::to(world.server.local_addr()).await;
        let builder = builder("http://service.test").proxy(proxy.url());
        let client = match limit {
            Some(limit) => builder.pool_max_idle_per_host(limit),
            None => builder,
        };
        let client = client.build().unwrap();
        for _ in 0..3 {
            client.contexts().list().send().await.unwrap();
        }
        assert_eq!(proxy.heads().len(), connections, "{limit:?}");
    }
}

#[tokio::test]
async fn an_unused_connection_is_closed_after_the_idle_timeout() {
    let world = World::new().await;
    let proxy = TestProxy::to(world.server.local_addr()).await;
    let client = builder("http://service.test")
        .proxy(proxy.url())
        .pool_idle_timeout(Duration::from_millis(20))
        .build()
        .unwrap();
    for _ in 0..2 {
        client.contexts().list().send().await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(proxy.heads().len(), 2);
}

#[tokio::test]
async fn connecting_has_a_timeout() {
    // Accepts connections, and never sends the greeting of TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = builder(&format!("https://{}", listener.local_addr().unwrap()))
        .root_certificates(pem("ca.pem"))
        .connect_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let began = Instant::now();
    let error = client.contexts().list().send().await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(5), "{error}");
    assert_eq!(error.status(), None);
}

#[tokio::test]
async fn a_ready_client_sends_all_requests() {
    let server = tls_service(|server| server.public_url("https://service.test")).await;
    let proxy = TestProxy::to(server.local_addr()).await;
    let root = reqwest::Certificate::from_pem(&pem("ca.pem")).unwrap();
    let ready = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_only([root])
        .proxy(reqwest::Proxy::all(proxy.url()).unwrap())
        .build()
        .unwrap();
    let client = builder("https://service.test").reqwest_0_13(ready);
    round_trip(&client.build().unwrap()).await.unwrap();
    assert!(proxy.request_lines()[0].starts_with("CONNECT service.test:443 "));
}

#[tokio::test]
async fn the_timeout_of_the_builder_limits_a_ready_client() {
    let server = ScriptedServer::new([Turn::Stall]).await;
    let client = builder(&server.endpoint)
        .reqwest_0_13(reqwest::Client::new())
        .timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let id = ContextId::new("SdkCtx-1").unwrap();
    let error = client.contexts().delete(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(server.requests()[0].contains("authorization: Bearer "));
}

#[test]
fn a_ready_client_excludes_settings_of_connections() {
    let builder = || builder("http://127.0.0.1:8780").reqwest_0_13(reqwest::Client::new());
    builder().user_agent_suffix("my-agent/1.2").build().unwrap();
    for builder in [
        builder().proxy("http://127.0.0.1:3128"),
        builder().no_proxy(),
        builder().root_certificates(pem("ca.pem")),
        builder().client_certificate(pem("client.pem"), pem("client-key.pem")),
        builder().connect_timeout(Duration::from_secs(1)),
        builder().pool_idle_timeout(Duration::from_secs(1)),
        builder().pool_max_idle_per_host(1),
    ] {
        assert_eq!(
            builder.build().unwrap_err().kind(),
            ErrorKind::Configuration
        );
    }
}
