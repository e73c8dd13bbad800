//! A proxy that makes a service look like one of another version.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A text and its replacement of the same length.
pub(crate) type Rewrite = (&'static str, &'static str);

/// Removes the announcement of extensions from responses.
pub(crate) const NO_EXTENSIONS: Rewrite = ("x-agb-extensions", "x-agb-not-listed");

/// Lets requests call an operation that the service does not have.
pub(crate) const NO_FILE_URLS: Rewrite = ("/sdk/GetContextFileUrls", "/sdk/GetContextFileOlds");

/// A proxy that rewrites the requests to a service and its responses, and records the requests before that.
pub(crate) struct RewritingProxy {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<u8>>>,
}

impl RewritingProxy {
    pub(crate) async fn to(
        service: SocketAddr,
        requests: Option<Rewrite>,
        responses: Option<Rewrite>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::default();
        let record = Arc::clone(&received);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (from_client, to_client) = client.into_split();
                let service = TcpStream::connect(service).await.unwrap();
                let (from_service, to_service) = service.into_split();
                let record = Some(Arc::clone(&record));
                tokio::spawn(copy(from_client, to_service, requests, record));
                tokio::spawn(copy(from_service, to_client, responses, None));
            }
        });
        Self { url, received }
    }

    /// Returns the operations of the requests since the last time.
    pub(crate) fn take_operations(&self) -> Vec<String> {
        let received = std::mem::take(&mut *self.received.lock().unwrap());
        let text = String::from_utf8_lossy(&received);
        let requests = text.split(" /sdk/").skip(1);
        let names = requests.map(|rest| rest.split(['?', ' ']).next().unwrap());
        names.map(str::to_owned).collect()
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    rewrite: Option<Rewrite>,
    record: Option<Arc<Mutex<Vec<u8>>>>,
) {
    let mut buffer = Vec::new();
    while let Ok(read) = from.read_buf(&mut buffer).await
        && read > 0
    {
        if let Some(record) = &record {
            let new = &buffer[buffer.len() - read..];
            record.lock().unwrap().extend_from_slice(new);
        }
        let mut keep = 0;
        if let Some((text, replacement)) = rewrite {
            let (text, replacement) = (text.as_bytes(), replacement.as_bytes());
            while let Some(at) = buffer.windows(text.len()).position(|part| part == text) {
                buffer[at..at + text.len()].copy_from_slice(replacement);
            }
            // The next bytes may complete the text.
            let mut starts = (1..text.len()).rev();
            let is_start = |length: &usize| buffer.ends_with(&text[..*length]);
            keep = starts.find(is_start).unwrap_or(0);
        }
        let ready = buffer.len() - keep;
        if to.write_all(&buffer[..ready]).await.is_err() {
            return;
        }
        buffer.drain(..ready);
    }
    let _ = to.write_all(&buffer).await;
    let _ = to.shutdown().await;
}
