//! `agb serve` with a thousand clients at once: for ten seconds, or for as many as `AGB_LOAD_SECONDS` says.
#![allow(clippy::disallowed_methods)] // Real processes are loaded for a real time.

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

/// The state that all clients share.
#[derive(Default)]
struct Run {
    /// From now on a connection may be closed between two requests.
    stopping: AtomicBool,
    answers: AtomicU64,
}

/// One client on one connection: it writes and reads a file of its own.
struct Client {
    number: usize,
    stream: TcpStream,
    put: String,
    get: String,
    context: String,
    /// What the service has acknowledged last, and what it was sent after that: a byte and how often.
    stored: Option<(u8, usize)>,
    in_doubt: Option<(u8, usize)>,
}

/// Why there is no answer.
#[derive(Debug, PartialEq)]
struct Closed;

impl Client {
    /// Sends a request and reads the whole answer. A connection may end before an answer begins, never within.
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
        // Who is closed in the middle of sending may still have an answer waiting.
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
                end => panic!("cut within an answer: {end:?}"),
            }
        }
    }

    /// Writes and reads until the run is over.
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
        assert!(body == vec![written.0; written.1], "it reads what it wrote");
        let list = format!(
            "/sdk/DescribeContextFiles?contextId={}&pageSize=10",
            self.context
        );
        let (status, body) = self.call("POST", &list, b"").await?;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        Ok(())
    }
}

/// The text of a field, and in a URL what comes after the host.
fn field<'a>(body: &'a [u8], name: &str) -> &'a str {
    let text = std::str::from_utf8(body).unwrap();
    let start = text.find(&format!("\"{name}\":\"")).unwrap() + name.len() + 4;
    let value = text[start..].split('"').next().unwrap();
    match value.find("/objects/") {
        Some(at) => &value[at..],
        None => value,
    }
}

async fn connect(url: &str, number: usize) -> Client {
    let stream = TcpStream::connect(url.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    Client {
        number,
        stream,
        put: String::new(),
        get: String::new(),
        context: String::new(),
        stored: None,
        in_doubt: None,
    }
}

/// Connects a client with its context, its file and the URLs of it.
async fn ready(url: String, number: usize) -> Client {
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

/// Resident memory of a process, in KiB.
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
async fn a_thousand_connections_read_and_write_without_an_error_and_are_drained() {
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
    // Once every client has been served some times, on average, memory is what it is.
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
    // A client that failed panics here.
    let clients = running.join_all().await;
    let (status, said) = serve.ended();
    assert!(status.success(), "{status}: {said}");

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
            "client {}: neither what was acknowledged nor what was sent after it",
            client.number
        );
    }
}
