//! A web server that serves what it is given as it is, and listens to who calls `/heard/…`.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A browser that is not heard of for so long does not run.
const PATIENCE: Duration = Duration::from_secs(60);

/// Content type and bytes by name.
type Files = Arc<Mutex<HashMap<String, (&'static str, Vec<u8>)>>>;

pub(super) struct Site {
    url: String,
    files: Files,
    heard: Receiver<String>,
}

impl Site {
    /// Serves on a free port for as long as the process runs.
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let files = Files::default();
        let (sender, heard) = mpsc::channel();
        let served = files.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (files, sender) = (served.clone(), sender.clone());
                // A browser opens connections that it may use later: one must not hold up the others.
                std::thread::spawn(move || answer(&stream, &files, &sender));
            }
        });
        Ok(Self { url, files, heard })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The URL of a file.
    pub(super) fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }

    pub(super) fn put(&self, name: &str, content_type: &'static str, bytes: Vec<u8>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(name.to_owned(), (content_type, bytes));
    }

    /// What is heard before `end`; none if that never comes.
    pub(super) fn heard_until(&self, end: &str) -> Option<BTreeSet<String>> {
        let mut heard = BTreeSet::new();
        loop {
            let name = self.heard.recv_timeout(PATIENCE).ok()?;
            if name == end {
                return Some(heard);
            }
            heard.insert(name);
        }
    }
}

/// Reads one request and answers it. Nobody waits for how that goes.
fn answer(stream: &TcpStream, files: &Files, heard: &Sender<String>) -> Option<()> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    lines.find(|line| line.is_empty())?;
    let target = first.split(' ').nth(1)?;
    let path = target.split('?').next()?.trim_start_matches('/');
    let file = {
        let files = files.lock().unwrap_or_else(PoisonError::into_inner);
        files.get(path).cloned()
    };
    if let Some(name) = path.strip_prefix("heard/") {
        heard.send(name.to_owned()).ok()?;
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
