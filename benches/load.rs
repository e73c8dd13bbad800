//! Sends requests over several connections for `cargo xtask bench`, with as little work as possible.
//!
//! The first line of stdin is a job as JSON. Prints the number of requests or files, the time and the latencies as JSON.
//! One thread sends all requests, so that it takes at most one core from the server.

#![expect(clippy::disallowed_methods, reason = "measures real time")]

use std::{
    fs::File,
    io::{BufRead, Read, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use agbcloud_benches::Error;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// Largest head of a response.
const MAX_HEAD: usize = 64 * 1024;
/// Bodies up to this size are sent together with the head.
const SMALL_BODY: usize = 16 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Job {
    Requests(Requests),
    /// Creates files and syncs each.
    Files {
        folder: PathBuf,
        count: usize,
        bytes: usize,
        threads: usize,
    },
}

#[derive(Deserialize)]
struct Requests {
    /// `HOST:PORT`.
    address: String,
    connections: usize,
    /// Methods and targets, sent in turn.
    requests: Vec<(String, String)>,
    /// Sent with each request.
    headers: Vec<(String, String)>,
    /// Size of the body of each request.
    body: usize,
    until: End,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum End {
    /// Each request was sent once.
    Once,
    Seconds(f64),
    /// Stdin was closed.
    StdinClosed,
}

#[derive(Serialize)]
struct Report {
    count: usize,
    seconds: f64,
    /// Latencies in seconds.
    median: f64,
    p99: f64,
}

fn main() -> Result<(), Error> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let report = match serde_json::from_str(&line)? {
        Job::Requests(requests) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(send_all(requests))?,
        Job::Files {
            folder,
            count,
            bytes,
            threads,
        } => create_files(&folder, count, bytes, threads)?,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// The requests, and which of them is the next.
struct Shared {
    heads: Vec<Vec<u8>>,
    body: Vec<u8>,
    until: End,
    next: AtomicUsize,
    /// Set at the end of the time.
    ended: AtomicBool,
}

impl Shared {
    fn next(&self) -> Option<&[u8]> {
        if self.ended.load(Ordering::Relaxed) {
            return None;
        }
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        match self.until {
            End::Once => self.heads.get(next),
            End::Seconds(_) | End::StdinClosed => self.heads.get(next % self.heads.len()),
        }
        .map(Vec::as_slice)
    }
}

async fn send_all(job: Requests) -> Result<Report, Error> {
    let body: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(job.body)
        .collect();
    let head = |(method, target): &(String, String)| {
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n", job.address);
        for (name, value) in &job.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let mut head = head.into_bytes();
        if body.len() <= SMALL_BODY {
            head.extend_from_slice(&body);
        }
        head
    };
    let heads = job.requests.iter().map(head).collect();
    let shared = Arc::new(Shared {
        heads,
        body: match body.len() <= SMALL_BODY {
            true => Vec::new(),
            false => body,
        },
        until: job.until,
        next: AtomicUsize::new(0),
        ended: AtomicBool::new(false),
    });
    // Opened before the time starts.
    let mut connections = Vec::new();
    for _ in 0..job.connections {
        connections.push(Connection::open(&job.address).await?);
    }
    end_at(job.until, &shared);
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while let Some(head) = shared.next() {
                let sent = Instant::now();
                connection.exchange(head, &shared.body).await?;
                latencies.push(sent.elapsed());
            }
            Ok::<_, Error>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done??);
    }
    report(latencies, start.elapsed())
}

/// Sets `ended` at the end of the time or of stdin.
fn end_at(until: End, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    match until {
        End::Once => {}
        End::Seconds(seconds) => {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
                shared.ended.store(true, Ordering::Relaxed);
            });
        }
        End::StdinClosed => {
            std::thread::spawn(move || {
                // An error ends the job, too.
                let _ = std::io::stdin().read_to_end(&mut Vec::new());
                shared.ended.store(true, Ordering::Relaxed);
            });
        }
    }
}

fn report(mut latencies: Vec<Duration>, elapsed: Duration) -> Result<Report, Error> {
    latencies.sort_unstable();
    let last = latencies.len().checked_sub(1).ok_or("nothing was done")?;
    let at = |share: f64| latencies[(last as f64 * share) as usize].as_secs_f64();
    Ok(Report {
        count: latencies.len(),
        seconds: elapsed.as_secs_f64(),
        median: at(0.5),
        p99: at(0.99),
    })
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; MAX_HEAD],
        })
    }

    /// Sends one request and reads its whole response.
    async fn exchange(&mut self, head: &[u8], body: &[u8]) -> Result<(), Error> {
        self.stream.write_all(head).await?;
        if !body.is_empty() {
            self.stream.write_all(body).await?;
        }
        let mut filled = 0;
        let mut rest = loop {
            filled += self.read(filled).await?;
            if let Some((head, length)) = parse_head(&self.buffer[..filled])? {
                break (head + length)
                    .checked_sub(filled)
                    .ok_or("more than one response")?;
            }
        };
        while rest > 0 {
            rest = rest
                .checked_sub(self.read(0).await?)
                .ok_or("more than one response")?;
        }
        Ok(())
    }

    async fn read(&mut self, from: usize) -> Result<usize, Error> {
        match self.stream.read(&mut self.buffer[from..]).await? {
            0 => Err("the server closed the connection".into()),
            read => Ok(read),
        }
    }
}

/// Returns the lengths of the head and of the body of a successful response. `None` if the head is incomplete.
fn parse_head(received: &[u8]) -> Result<Option<(usize, usize)>, Error> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(received)? else {
        return Ok(None);
    };
    let length = match response.code {
        Some(204) => return Ok(Some((head, 0))),
        Some(200 | 201) => response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("content-length"))
            .ok_or("a response has no content-length")?,
        _ => return Err(String::from_utf8_lossy(received).into()),
    };
    Ok(Some((head, std::str::from_utf8(length.value)?.parse()?)))
}

fn create_files(
    folder: &std::path::Path,
    count: usize,
    bytes: usize,
    threads: usize,
) -> Result<Report, Error> {
    let content: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(bytes)
        .collect();
    std::fs::create_dir_all(folder)?;
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let create = || {
        let mut latencies = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                return Ok::<_, std::io::Error>(latencies);
            }
            let created = Instant::now();
            let mut file = File::create_new(folder.join(n.to_string()))?;
            file.write_all(&content)?;
            file.sync_all()?;
            latencies.push(created.elapsed());
        }
    };
    let latencies = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(create)).collect();
        let mut all = Vec::with_capacity(count);
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a thread panicked")??);
        }
        Ok::<_, Error>(all)
    })?;
    report(latencies, start.elapsed())
}
