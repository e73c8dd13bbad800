//! Measures durable uploads of small files. See the README.
//!
//! `small DIR [FILES [BYTES]]` starts a service with its data in the new folder `DIR`, and uploads files over 16
//! connections.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use agbcloud_benches::{Error, KEY};
use agbcloud_server::Server;
use serde_json::Value;

const CONNECTIONS: usize = 16;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: small DIR [FILES [BYTES]]")?);
    let files = arguments.next().map_or(Ok(10_000), |n| n.parse())?;
    let bytes = arguments.next().map_or(Ok(4096), |n| n.parse())?;
    let runtime = tokio::runtime::Runtime::new()?;
    let server = runtime.block_on(Server::builder().data_dir(&folder).start())?;
    let address = server.local_addr();
    let id = call(address, "GET /sdk/GetContext?name=small&allowCreate=true")?["id"].to_string();
    let id = id.trim_matches('"').to_owned();
    let targets: Vec<String> = in_parallel(
        files,
        |connection, n| {
            let line = format!(
                "POST /sdk/GetContextFileUploadUrl?contextId={id}&filePath=/{}/f{n}.bin",
                n % 10
            );
            let url = connection.call(&line)?["url"].to_string();
            let url = url.trim_matches('"').to_owned();
            let start = url.match_indices('/').nth(2).ok_or("no path in the URL")?.0;
            Ok(url[start..].to_owned())
        },
        address,
    )?;
    let body: Vec<u8> = (0..bytes).map(|byte: usize| (byte % 251) as u8).collect();
    #[expect(clippy::disallowed_methods, reason = "measures real time")]
    let start = Instant::now();
    in_parallel(
        files,
        |connection, n| connection.put(&targets[n], &body),
        address,
    )?;
    let elapsed = start.elapsed();
    println!(
        "{files} uploads of {bytes} bytes over {CONNECTIONS} connections: {:.2} s, {:.0} a second",
        elapsed.as_secs_f64(),
        files as f64 / elapsed.as_secs_f64()
    );
    runtime.block_on(server.shutdown());
    Ok(())
}

/// Runs `work` for the numbers below `times` over all connections, and returns the results in order.
fn in_parallel<T: Send>(
    times: usize,
    work: impl Fn(&mut Connection, usize) -> Result<T, Error> + Sync,
    address: SocketAddr,
) -> Result<Vec<T>, Error> {
    let next = AtomicUsize::new(0);
    let mut results = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = Connection::open(address)?;
                    let mut done = Vec::new();
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= times {
                            return Ok::<_, Error>(done);
                        }
                        done.push((n, work(&mut connection, n)?));
                    }
                })
            })
            .collect();
        let mut all = Vec::with_capacity(times);
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a connection panicked")??);
        }
        Ok::<_, Error>(all)
    })?;
    results.sort_unstable_by_key(|(n, _)| *n);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

fn call(address: SocketAddr, line: &str) -> Result<Value, Error> {
    Connection::open(address)?.call(line)
}

/// A minimal HTTP client with one connection.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Calls an operation and returns the `data` of its response.
    fn call(&mut self, line: &str) -> Result<Value, Error> {
        let head = format!(
            "{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 0\r\n\r\n"
        );
        let body = self.send(head.into_bytes())?;
        Ok(serde_json::from_slice::<Value>(&body)?["data"].take())
    }

    fn put(&mut self, target: &str, body: &[u8]) -> Result<(), Error> {
        let head = format!(
            "PUT {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.send([head.as_bytes(), body].concat()).map(drop)
    }

    fn send(&mut self, request: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.0.get_mut().write_all(&request)?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        if !line.starts_with("HTTP/1.1 200") {
            return Err(format!("the service returned {line:?}").into());
        }
        let mut length = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(body)
    }
}
