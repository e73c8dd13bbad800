//! Streamable HTTP: the token, `Host` and `Origin`.

use std::time::Duration;

use agbcloud_mcp::{BearerToken, HttpOptions, HttpServer};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::oneshot, task::JoinHandle};

use super::support::{CONTEXT, World, at};

const TOKEN: &str = "the-token-of-this-test";

struct Http {
    world: World,
    url: String,
    stop: oneshot::Sender<()>,
    running: JoinHandle<std::io::Result<()>>,
}

impl Http {
    async fn start(change: impl FnOnce(HttpOptions) -> HttpOptions) -> Self {
        let world = World::new().await;
        let files = world.files(CONTEXT).await;
        files.upload("/a", "content").await.unwrap();
        let token = BearerToken::new(TOKEN).unwrap();
        let options = change(HttpOptions::new(([127, 0, 0, 1], 0).into(), token));
        let server = world.server().build().unwrap();
        let http = HttpServer::bind(server, options).await.unwrap();
        let url = http.url();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(http.run(async {
            let _ = stopped.await;
        }));
        Self {
            world,
            url,
            stop,
            running,
        }
    }

    fn post(&self, message: &Value) -> RequestBuilder {
        reqwest::Client::new()
            .post(&self.url)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .body(message.to_string())
    }

    fn initialize(&self) -> RequestBuilder {
        self.post(&json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        }))
    }

    /// Sends a request of a session and returns its result.
    async fn call(&self, session: &str, message: Value) -> Value {
        let request = self.post(&message).bearer_auth(TOKEN);
        let response = request
            .header("mcp-session-id", session)
            .send()
            .await
            .unwrap();
        assert!(response.status().is_success(), "{response:?}");
        message_of(response).await
    }
}

/// The message in a stream of events.
async fn message_of(response: Response) -> Value {
    let text = response.text().await.unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let mut messages = data.filter_map(|data| serde_json::from_str(data.trim()).ok());
    messages.next_back().unwrap_or_default()
}

#[tokio::test]
async fn a_session_calls_tools() {
    let http = Http::start(|options| options).await;
    let response = http.initialize().bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let session = response.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let info = message_of(response).await;
    assert_eq!(info["result"]["serverInfo"]["name"], "agb");
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    http.call(&session, initialized).await;
    let call = json!({
        "jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": {"name": "read_file", "arguments": at("/a")},
    });
    let answer = http.call(&session, call).await;
    assert_eq!(answer["result"]["structuredContent"]["content"], "content");
    http.stop.send(()).unwrap();
    http.running.await.unwrap().unwrap();
    drop(http.world);
}

#[tokio::test]
async fn a_request_without_the_token_is_refused() {
    let http = Http::start(|options| options).await;
    let wrong = [
        http.initialize(),
        http.initialize().bearer_auth("another-token-of-a-test"),
        http.initialize().bearer_auth(""),
        http.initialize().basic_auth("user", Some(TOKEN)),
        http.initialize().header("authorization", TOKEN),
        http.initialize().query(&[("token", TOKEN)]),
        http.initialize()
            .bearer_auth(TOKEN)
            .header("authorization", "Bearer x"),
        reqwest::Client::new().get(&http.url),
        reqwest::Client::new().delete(&http.url),
        reqwest::Client::new().get(format!("{}/other", http.url)),
    ];
    for request in wrong {
        let shown = format!("{request:?}");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{shown}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let text = response.text().await.unwrap();
        assert!(
            text.contains("next_step") && !text.contains(TOKEN),
            "{text}"
        );
    }
    let response = http
        .initialize()
        .header("authorization", format!("bearer {TOKEN}"));
    assert_eq!(response.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_foreign_host_or_origin_is_refused() {
    let http = Http::start(|options| options).await;
    let own = http.url.trim_end_matches("/mcp").to_owned();
    for (header, value, expected) in [
        ("host", "evil.example", StatusCode::FORBIDDEN),
        ("host", "evil.example:80", StatusCode::FORBIDDEN),
        ("origin", "https://evil.example", StatusCode::FORBIDDEN),
        ("origin", "null", StatusCode::FORBIDDEN),
        ("origin", &own, StatusCode::FORBIDDEN),
        ("host", "localhost", StatusCode::OK),
        ("host", "127.0.0.1:1", StatusCode::OK),
    ] {
        let request = http.initialize().bearer_auth(TOKEN).header(header, value);
        let status = request.send().await.unwrap().status();
        assert_eq!(status, expected, "{header}: {value}");
    }
}

#[tokio::test]
async fn hosts_and_origins_can_be_allowed() {
    let allowed = |options: HttpOptions| {
        let options = options.allow_host("mcp.example.com");
        options.allow_origin("https://app.example.com").unwrap()
    };
    let http = Http::start(allowed).await;
    let request = http
        .initialize()
        .bearer_auth(TOKEN)
        .header("host", "mcp.example.com");
    let request = request.header("origin", "https://app.example.com");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers();
    assert_eq!(
        headers["access-control-allow-origin"],
        "https://app.example.com"
    );
    let exposed = headers["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("mcp-session-id"), "{exposed}");
    for origin in ["http://app.example.com", "https://app.example.com:8443"] {
        let request = http
            .initialize()
            .bearer_auth(TOKEN)
            .header("origin", origin);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{origin}");
        let headers = response.headers();
        assert!(!headers.contains_key("access-control-allow-origin"));
    }
    let token = BearerToken::new(TOKEN).unwrap();
    let options = HttpOptions::new(([127, 0, 0, 1], 0).into(), token);
    assert!(options.allow_origin("app.example.com").is_err());
}

#[tokio::test]
async fn a_browser_may_ask_before_it_sends_the_token() {
    let http = Http::start(|options| options.allow_origin("http://localhost:3000").unwrap()).await;
    let preflight = |origin: &str| {
        reqwest::Client::new()
            .request(reqwest::Method::OPTIONS, &http.url)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type,mcp-protocol-version,x-other",
            )
    };
    let response = preflight("http://localhost:3000").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let headers = response.headers();
    assert_eq!(
        headers["access-control-allow-origin"],
        "http://localhost:3000"
    );
    assert_eq!(
        headers["access-control-allow-headers"],
        "authorization, content-type, mcp-protocol-version"
    );
    let methods = headers["access-control-allow-methods"].to_str().unwrap();
    assert!(methods.contains("POST") && methods.contains("DELETE"));
    let response = preflight("http://localhost:3001").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let headers = response.headers();
    assert!(!headers.contains_key("access-control-allow-origin"));
    // Only the preflight request needs no token.
    let request = http.initialize().header("origin", "http://localhost:3000");
    let status = request.send().await.unwrap().status();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

/// Opens a connection and sends a part of a request.
async fn send_part(http: &Http, part: &str) -> TcpStream {
    let address = http.url.strip_prefix("http://").unwrap();
    let address = address.strip_suffix("/mcp").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(part.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn an_unfinished_request_does_not_keep_the_server_running() {
    let http = Http::start(|options| options).await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{"
    );
    let _body = send_part(&http, &head).await;
    let _head = send_part(&http, "POST /mcp HTTP/1.1\r\nhost: x\r\n").await;
    // The server has accepted both.
    let response = http.initialize().bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    http.stop.send(()).unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "fails instead of waiting forever"
    )]
    let ended = tokio::time::timeout(Duration::from_secs(8), http.running).await;
    ended.expect("the server still runs").unwrap().unwrap();
}

#[tokio::test]
async fn connections_are_limited_and_idle_ones_are_closed() {
    let http = Http::start(|options| options).await;
    let mut idle = Vec::new();
    for _ in 0..256 {
        idle.push(send_part(&http, "POST /mcp HTTP/1.1\r\n").await);
    }
    let request = http.initialize().bearer_auth(TOKEN).send();
    let mut request = std::pin::pin!(request);
    #[expect(clippy::disallowed_methods, reason = "bounds a request, in real time")]
    let early = tokio::time::timeout(Duration::from_secs(1), &mut request).await;
    assert!(early.is_err(), "the number of connections is not limited");
    #[expect(clippy::disallowed_methods, reason = "bounds a request, in real time")]
    let later = tokio::time::timeout(Duration::from_secs(20), request).await;
    let response = later.expect("idle connections stay open").unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused() {
    let http = Http::start(|options| options).await;
    let message =
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": "x".repeat(17 << 20)});
    // The server may close the connection while the client still sends.
    if let Ok(response) = http.post(&message).bearer_auth(TOKEN).send().await {
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
    let next = http.initialize().bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(next.status(), StatusCode::OK);
}

#[tokio::test]
async fn sessions_are_limited() {
    let http = Http::start(|options| options).await;
    for _ in 0..256 {
        let response = http.initialize().bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
    let response = http.initialize().bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
}
