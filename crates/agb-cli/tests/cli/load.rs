//! `agb serve` with a thousand concurrent clients, for `AGB_LOAD_SECONDS` seconds. Defaults to 10.
#![expect(clippy::disallowed_methods, reason = "the load test runs in real time")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::support::{Serve, signal};

const CONNECTIONS: usize = 1000;
const TENANTS: usize = 10;
const MAX_SIZE: usize = 32 * 1024;

/// Shared state of the clients.
#[derive(Default)]
struct Run {
    /// Whether connections may be closed between two requests.
    stopping: AtomicBool,
    answers: AtomicU64,
}

/// A client with a connection, which writes and reads its own file.
struct LoadClient {
    number: usize,
    stream: TcpStream,
    put: String,
    get: String,
    context: String,
    /// The content that the service acknowledged last, and the content that was sent after that: a byte and its count.
    stored: Option<(u8, usize)>,
    in_doubt: Option<(u8, usize)>,
}

/// The connection was closed before a response.
#[derive(Debug, PartialEq)]
struct Closed;

impl LoadClient {
    /// Sends a request and reads the response. The connection must not close within a response.
    async fn call(
        &mut self,
        method: &str,
        target: &str,
        body: &[u8],
    ) -> Result<(u16, Vec<u8>), Closed> {
        let key = self.number % TENANTS;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer load-key-{key}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let request = [head.as_bytes(), body].concat();
        // The response may arrive before a failed write.
        let _ = self.stream.write_all(&request).await;
        let mut answer = Vec::new();
        loop {
            if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
                let length = head.split("content-length: ").nth(1).map_or(0, |rest| {
                    rest.split("\r\n").next().unwrap().parse().unwrap()
                });
                if answer.len() == end + 4 + length {
                    let status = head[9..12].parse().unwrap();
                    return Ok((status, answer.split_off(end + 4)));
                }
            }
            match self.stream.read_buf(&mut answer).await {
                Ok(read) if read > 0 => {}
                _ if answer.is_empty() => return Err(Closed),
                end => panic!("closed within a response: {end:?}"),
            }
        }
    }

    /// Writes and reads until the run ends.
    async fn run(mut self, run: Arc<Run>) -> Self {
        for round in 0_usize.. {
            let written = ((round + self.number) as u8, 1 + (round * 7919) % MAX_SIZE);
            match self.round(written).await {
                Ok(()) => run.answers.fetch_add(3, Ordering::Relaxed),
                Err(Closed) if run.stopping.load(Ordering::Acquire) => return self,
                Err(Closed) => panic!("a connection was closed"),
            };
        }
        self
    }

    async fn round(&mut self, written: (u8, usize)) -> Result<(), Closed> {
        let (put, get) = (self.put.clone(), self.get.clone());
        self.in_doubt = Some(written);
        let (status, body) = self.call("PUT", &put, &vec![written.0; written.1]).await?;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        self.stored = Some(written);
        self.in_doubt = None;
        let (status, body) = self.call("GET", &get, b"").await?;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        assert!(
            body == vec![written.0; written.1],
            "a read returns the last write"
        );
        let list = format!(
            "/sdk/DescribeContextFiles?contextId={}&pageSize=10",
            self.context
        );
        let (status, body) = self.call("POST", &list, b"").await?;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        Ok(())
    }
}

/// The value of a field; of a URL, the path and query.
fn field<'a>(body: &'a [u8], name: &str) -> &'a str {
    let text = std::str::from_utf8(body).unwrap();
    let start = text.find(&format!("\"{name}\":\"")).unwrap() + name.len() + 4;
    let value = text[start..].split('"').next().unwrap();
    match value.find("/objects/") {
        Some(at) => &value[at..],
        None => value,
    }
}

async fn connect(url: &str, number: usize) -> LoadClient {
    let stream = TcpStream::connect(url.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    LoadClient {
        number,
        stream,
        put: String::new(),
        get: String::new(),
        context: String::new(),
        stored: None,
        in_doubt: None,
    }
}

/// Connects a client and creates its context, file and URLs.
async fn ready(url: String, number: usize) -> LoadClient {
    let mut client = connect(&url, number).await;
    let (status, body) = client
        .call("GET", "/sdk/GetContext?name=load&allowCreate=true", b"")
        .await
        .unwrap();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    client.context = field(&body, "id").to_owned();
    let of_file = format!("contextId={}&filePath=/{number}", client.context);
    let target = format!("/sdk/GetContextFileUploadUrl?{of_file}");
    let (_, body) = client.call("POST", &target, b"").await.unwrap();
    client.put = field(&body, "url").to_owned();
    let put = client.put.clone();
    assert_eq!(client.call("PUT", &put, b"").await.unwrap().0, 200);
    let target = format!("/sdk/GetContextFileDownloadUrl?{of_file}");
    let (_, body) = client.call("POST", &target, b"").await.unwrap();
    client.get = field(&body, "url").to_owned();
    client
}

/// Resident memory of a process in KiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(target_os = "linux")]
async fn a_thousand_connections_read_and_write_without_errors_and_drain() {
    let seconds = std::env::var("AGB_LOAD_SECONDS").map_or(10, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    let mut connecting = JoinSet::new();
    for number in 0..CONNECTIONS {
        connecting.spawn(ready(serve.url.clone(), number));
    }
    let clients = connecting.join_all().await;

    let run = Arc::new(Run::default());
    let mut running = JoinSet::new();
    for client in clients {
        running.spawn(client.run(run.clone()));
    }
    // Memory is stable after some requests of every client.
    while run.answers.load(Ordering::Relaxed) < 9 * CONNECTIONS as u64 {
        assert!(running.try_join_next().is_none(), "a client has failed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let before = resident(serve.process());
    let half = Duration::from_secs(seconds) / 2;
    tokio::time::sleep(half).await;
    let middle = resident(serve.process());
    tokio::time::sleep(half).await;
    let after = resident(serve.process());
    assert!(running.try_join_next().is_none(), "a client has failed");
    println!(
        "{} answers, {before} KiB before, {middle} KiB in the middle, {after} KiB after",
        run.answers.load(Ordering::Relaxed)
    );
    assert!(after < before + before / 2 + 16 * 1024, "{before} {after}");

    run.stopping.store(true, Ordering::Release);
    signal("TERM", serve.process());
    // Panics if a client failed.
    let clients = running.join_all().await;
    let (status, stderr) = serve.ended();
    assert!(status.success(), "{status}: {stderr}");

    let serve = Serve::start(folder.path(), &[]);
    for client in clients {
        let mut again = connect(&serve.url, client.number).await;
        let (status, body) = again.call("GET", &client.get, b"").await.unwrap();
        assert_eq!(status, 200);
        let possible = [Some(client.stored.unwrap_or((0, 0))), client.in_doubt];
        assert!(
            possible
                .into_iter()
                .flatten()
                .any(|(byte, size)| body == vec![byte; size]),
            "client {}: neither the acknowledged content nor the one after it",
            client.number
        );
    }
}
