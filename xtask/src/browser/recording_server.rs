//! A web server that serves given files and records requests of `/beacon/…`.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Without a beacon for this long, the browser is assumed not to run.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Content type and bytes by name.
type Files = Arc<Mutex<HashMap<String, (&'static str, Vec<u8>)>>>;

pub(super) struct RecordingServer {
    url: String,
    files: Files,
    beacons: Receiver<String>,
}

impl RecordingServer {
    /// Serves on a free port until the process ends.
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let files = Files::default();
        let (sender, beacons) = mpsc::channel();
        let served = files.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (files, sender) = (served.clone(), sender.clone());
                // A browser opens connections in advance: an idle one must not block the others.
                std::thread::spawn(move || respond(&stream, &files, &sender));
            }
        });
        Ok(Self {
            url,
            files,
            beacons,
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The URL of a file.
    pub(super) fn link(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }

    pub(super) fn add(&self, name: &str, content_type: &'static str, bytes: Vec<u8>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(name.to_owned(), (content_type, bytes));
    }

    /// The beacons before the one named `end`. `None` if that does not arrive.
    pub(super) fn record_until(&self, end: &str) -> Option<BTreeSet<String>> {
        let mut beacons = BTreeSet::new();
        loop {
            let name = self.beacons.recv_timeout(TIMEOUT).ok()?;
            if name == end {
                return Some(beacons);
            }
            beacons.insert(name);
        }
    }
}

/// Reads one request and responds. A connection that fails is ignored.
fn respond(stream: &TcpStream, files: &Files, beacons: &Sender<String>) -> Option<()> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    lines.find(|line| line.is_empty())?;
    let target = first.split(' ').nth(1)?;
    let path = target.split('?').next()?.trim_start_matches('/');
    let file = {
        let files = files.lock().unwrap_or_else(PoisonError::into_inner);
        files.get(path).cloned()
    };
    if let Some(name) = path.strip_prefix("beacon/") {
        beacons.send(name.to_owned()).ok()?;
    }
    let (content_type, body) = file.unwrap_or(("text/plain", Vec::new()));
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}
