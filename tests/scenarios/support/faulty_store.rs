//! An object store on real sockets with one object and configurable faults.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use md5::{Digest, Md5};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A fault of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No fault.
    None,
    /// The connection is reset before the request is read.
    ResetBeforeRequest,
    /// The connection is reset after the head of the request was read.
    ResetAfterHead,
    /// The connection closes in the middle of the body, sent or received.
    Truncated,
    /// The transfer stalls in the middle of the body.
    Stalled,
    /// The Content-Length is larger than the object.
    WrongLength,
    /// The bytes of a download, or the checksum of an upload, are wrong.
    WrongBytes,
    /// The URL has expired.
    Expired,
    /// The object changes before the response.
    Changed,
    Unsatisfiable,
    Throttled,
    Unavailable,
    /// The store does not support the request.
    NotImplemented,
}

pub(crate) const FAULTS: [Fault; 12] = [
    Fault::None,
    Fault::ResetBeforeRequest,
    Fault::ResetAfterHead,
    Fault::Truncated,
    Fault::Stalled,
    Fault::WrongLength,
    Fault::WrongBytes,
    Fault::Expired,
    Fault::Changed,
    Fault::Unsatisfiable,
    Fault::Throttled,
    Fault::Unavailable,
];

/// The features of the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreFeatures {
    pub(crate) ranges: bool,
    pub(crate) md5_etag: bool,
    pub(crate) crc64: bool,
    pub(crate) any_etag: bool,
    /// Whether the length of the object is sent.
    pub(crate) length: bool,
}

pub(crate) struct FaultyStore {
    state: Arc<Mutex<ObjectState>>,
    pub(crate) endpoint: String,
}

struct ObjectState {
    features: StoreFeatures,
    content: Vec<u8>,
    /// The content after a change.
    next: Vec<u8>,
    faults: VecDeque<Fault>,
    heads: Vec<String>,
    /// MD5 and CRC-64 of the content.
    checksums: (String, u64),
}

impl ObjectState {
    fn set_content(&mut self, content: Vec<u8>) {
        let digest = Md5::digest(&content);
        let mut crc64 = crc64fast::Digest::new();
        crc64.write(&content);
        let md5 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.checksums = (md5, crc64.sum64());
        self.content = content;
    }
}

impl FaultyStore {
    pub(crate) async fn new(
        features: StoreFeatures,
        content: Vec<u8>,
        next: Vec<u8>,
        faults: impl IntoIterator<Item = Fault>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let mut state = ObjectState {
            features,
            content: Vec::new(),
            next,
            faults: faults.into_iter().collect(),
            heads: Vec::new(),
            checksums: Default::default(),
        };
        state.set_content(content);
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // The test checks the result of the client.
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Self { state, endpoint }
    }

    /// Returns the current content of the object.
    pub(crate) fn content(&self) -> Vec<u8> {
        self.state.lock().unwrap().content.clone()
    }

    /// Returns the heads of the requests, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.state.lock().unwrap().heads.clone()
    }

    pub(crate) fn faults_left(&self) -> usize {
        self.state.lock().unwrap().faults.len()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<ObjectState>>) -> Option<()> {
    let fault = state.lock().unwrap().faults.pop_front();
    let fault = fault.unwrap_or(Fault::None);
    if fault == Fault::ResetBeforeRequest {
        return stream.set_zero_linger().ok();
    }
    let (head, body) = read_head(&mut stream).await?;
    state.lock().unwrap().heads.push(head.clone());
    let response = match fault {
        Fault::ResetAfterHead => return stream.set_zero_linger().ok(),
        Fault::Expired => refusal(403, "Request has expired"),
        Fault::Unsatisfiable => refusal(416, ""),
        Fault::Throttled => refusal(429, ""),
        Fault::Unavailable => refusal(503, ""),
        Fault::NotImplemented => refusal(501, ""),
        _ if head.starts_with("put") => put(&mut stream, &head, body, fault, &state).await?,
        _ => get(&head, fault, &mut state.lock().unwrap()),
    };
    stream.write_all(&response).await.ok()?;
    if fault == Fault::Stalled {
        std::future::pending::<()>().await;
    }
    stream.shutdown().await.ok()
}

fn refusal(status: u16, message: &str) -> Vec<u8> {
    let body = format!("<Error><Code>No</Code><Message>{message}</Message></Error>");
    let length = body.len();
    format!("HTTP/1.1 {status} No\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = &mut head.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn get(head: &str, fault: Fault, state: &mut ObjectState) -> Vec<u8> {
    if fault == Fault::Changed {
        state.set_content(state.next.clone());
    }
    let (content, features) = (&state.content, state.features);
    if header(head, "if-match").is_some_and(|etag| Some(etag) != etag_of(state).as_deref()) {
        return refusal(412, "");
    }
    let range = header(head, "range").filter(|_| features.ranges);
    let (first, end) = match range.map(|range| span(range, content.len())) {
        Some(None) => return refusal(416, ""),
        Some(Some(span)) => span,
        None => (0, content.len()),
    };
    let mut body = content[first..end].to_vec();
    let mut length = body.len();
    match fault {
        Fault::WrongLength => length += 7,
        Fault::WrongBytes if !body.is_empty() => body[0] ^= 1,
        Fault::Truncated | Fault::Stalled => body.truncate(body.len() / 2),
        _ => {}
    }
    let mut response = match range {
        Some(_) => format!(
            "HTTP/1.1 206 Part\r\ncontent-range: bytes {first}-{}/{}\r\n",
            end - 1,
            match features.length {
                true => content.len().to_string(),
                false => "*".to_owned(),
            }
        ),
        None => "HTTP/1.1 200 OK\r\n".to_owned(),
    };
    if features.length || range.is_some() {
        response += &format!("content-length: {length}\r\n");
    }
    response += &format!("connection: close\r\n{}\r\n", checksums(state));
    [response.into_bytes(), body].concat()
}

/// Parses `bytes=a-b` or `bytes=a-` as a half-open span.
fn span(range: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let end = last
        .parse()
        .map_or(length, |last: usize| length.min(last + 1));
    (first < end).then_some((first, end))
}

/// Stores an object. The old one stays if the body is incomplete.
async fn put(
    stream: &mut TcpStream,
    head: &str,
    mut body: Vec<u8>,
    fault: Fault,
    state: &Mutex<ObjectState>,
) -> Option<Vec<u8>> {
    let length: usize = header(head, "content-length")?.parse().ok()?;
    let wanted = match fault {
        Fault::Truncated | Fault::Stalled => length / 2,
        _ => length,
    };
    while body.len() < wanted {
        let mut buffer = [0; 16 * 1024];
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => body.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    }
    match fault {
        Fault::Truncated => return None,
        Fault::Stalled => std::future::pending().await,
        _ => {}
    }
    let state = &mut *state.lock().unwrap();
    state.set_content(body);
    let checksums = match fault {
        Fault::WrongBytes => "etag: \"00000000000000000000000000000000\"\r\n".to_owned(),
        _ => checksums(state),
    };
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n";
    Some(format!("{head}{checksums}\r\n").into_bytes())
}

fn etag_of(state: &ObjectState) -> Option<String> {
    let md5 = &state.checksums.0;
    match state.features {
        StoreFeatures {
            any_etag: false, ..
        } => None,
        StoreFeatures { md5_etag: true, .. } => Some(format!("\"{md5}\"")),
        _ => Some(format!("\"{md5}-3\"")),
    }
}

fn checksums(state: &ObjectState) -> String {
    let mut headers = String::new();
    if let Some(etag) = etag_of(state) {
        headers += &format!("etag: {etag}\r\n");
    }
    if state.features.crc64 {
        headers += &format!("x-oss-hash-crc64ecma: {}\r\n", state.checksums.1);
    }
    headers
}

/// Reads the head of a request in lower case, and the part of the body that came with it.
async fn read_head(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
            return Some((head, body));
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    }
}
