//! What the scenarios share: a service, clients of it, and a scripted object store.

use std::sync::{Arc, Mutex};

use agbcloud::{Agb, ContextId, Files};
use agbcloud_server::{ManualClock, Server, ServerBuilder};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(crate) const KEY: &str = "test-key-0123456789";

/// A service in memory, and the SDK with a key of it.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) clock: ManualClock,
    pub(crate) agb: Agb,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// A service with further settings.
    pub(crate) async fn with(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let clock = ManualClock::starting_now();
        let builder = Server::builder()
            .memory()
            .api_key(KEY)
            .clock(Arc::new(clock.clone()));
        let server = settings(builder).start().await.unwrap();
        let agb = sdk(&server, KEY);
        Self { server, clock, agb }
    }

    /// A new context and its files.
    pub(crate) async fn files(&self, name: &str) -> (ContextId, Files) {
        let id = self
            .agb
            .contexts()
            .get_or_create(name)
            .await
            .unwrap()
            .into_inner()
            .id;
        let files = self.agb.contexts().files(&id);
        (id, files)
    }

    /// A call as any HTTP client would make it.
    pub(crate) async fn call(&self, method: &str, path_and_query: &str) -> Answer {
        let authorization = format!("Bearer {KEY}");
        call(
            &self.server,
            method,
            path_and_query,
            &[("authorization", &authorization)],
            "",
        )
        .await
    }
}

/// The SDK against a service.
pub(crate) fn sdk(server: &Server, key: &str) -> Agb {
    Agb::builder()
        .api_key(key)
        .endpoint(server.url())
        .build()
        .unwrap()
}

/// An answer of the service to a raw call.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

pub(crate) async fn call(
    server: &Server,
    method: &str,
    path_and_query: &str,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> Answer {
    let url = format!("{}{path_and_query}", server.url());
    let mut request = reqwest::Client::new()
        .request(method.parse().unwrap(), url)
        .body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
    Answer {
        status,
        headers,
        body,
    }
}

/// An object store that answers each request with the next of some texts, closes, and keeps what it was sent.
pub(crate) struct ScriptedStore {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ScriptedStore {
    pub(crate) async fn new(answers: &[&str]) -> Self {
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "http://{}/object?signature=secret-signature",
            listener.local_addr().unwrap()
        );
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                kept.lock().unwrap().push(request);
                // A client that has what it wants may have hung up.
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { url, requests }
    }

    /// The requests so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads a request to the end of the body that its Content-Length tells.
pub(crate) async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.trim().parse().unwrap()) {
                return String::from_utf8_lossy(&bytes).into_owned();
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&buffer[..read]),
            _ => return String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}
