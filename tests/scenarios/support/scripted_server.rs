//! A scripted server on real sockets that acts as a service or an object store.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// How the server handles one connection.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    /// Reads the request, sends this response and closes the connection.
    Respond(String),
    /// Reads the request, sends the start of a response and stalls.
    RespondPartly(String),
    /// Resets the connection without reading the request.
    ResetBeforeRequest,
    /// Reads the request, then resets the connection.
    ResetAfterRequest,
    /// Reads the request and sends nothing.
    Stall,
    /// Forwards the connection to the service at this address.
    Forward(String),
    /// Lets the service at this address execute the request, and drops the response.
    DropResponse(String),
}

impl From<&str> for Turn {
    fn from(response: &str) -> Self {
        Self::Respond(response.to_owned())
    }
}

impl From<&String> for Turn {
    fn from(response: &String) -> Self {
        Self::Respond(response.clone())
    }
}

/// A server that handles each connection by the next turn, and records the requests.
pub(crate) struct ScriptedServer {
    /// The URL of the server, without a path.
    pub(crate) endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ScriptedServer {
    pub(crate) async fn new<T: Into<Turn>>(turns: impl IntoIterator<Item = T>) -> Self {
        let turns: Vec<Turn> = turns.into_iter().map(Into::into).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let recorded = requests.clone();
        tokio::spawn(async move {
            let mut stalled = Vec::new();
            for turn in turns {
                let (stream, _) = listener.accept().await.unwrap();
                stalled.extend(handle(turn, stream, &recorded).await);
            }
            // Further connections are refused. Stalled connections stay open until the test ends.
            drop(listener);
            std::future::pending::<()>().await;
        });
        Self { endpoint, requests }
    }

    /// Returns a presigned URL of this server as an object store.
    pub(crate) fn url(&self) -> String {
        format!("{}/object?signature=secret-signature", self.endpoint)
    }

    /// Returns the requests so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Handles a connection. Returns it if it has to stay open.
async fn handle(
    turn: Turn,
    mut stream: TcpStream,
    requests: &Mutex<Vec<String>>,
) -> Option<TcpStream> {
    let request = match &turn {
        Turn::ResetBeforeRequest | Turn::Forward(_) => String::new(),
        _ => read_request(&mut stream).await,
    };
    requests.lock().unwrap().push(request.clone());
    match turn {
        Turn::Respond(response) => {
            // The client may have disconnected already.
            let _ = stream.write_all(response.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Turn::ResetBeforeRequest | Turn::ResetAfterRequest => stream.set_zero_linger().unwrap(),
        Turn::Stall => return Some(stream),
        Turn::RespondPartly(response) => {
            stream.write_all(response.as_bytes()).await.unwrap();
            return Some(stream);
        }
        Turn::DropResponse(address) => {
            let mut service = TcpStream::connect(address).await.unwrap();
            service.write_all(request.as_bytes()).await.unwrap();
            // A byte of the response shows that the request was executed.
            service.read_u8().await.unwrap();
        }
        Turn::Forward(address) => {
            let mut service = TcpStream::connect(address).await.unwrap();
            tokio::spawn(
                async move { tokio::io::copy_bidirectional(&mut stream, &mut service).await },
            );
        }
    }
    None
}

/// Reads a request to the end of its body, by its Content-Length.
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
