//! A server that does what a script says, on real sockets: as a service or as an object store.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What is done with one connection.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    /// Reads the request, answers with this text, and closes.
    Says(String),
    /// Reads the request, says this much, and no more.
    Begins(String),
    /// Resets the connection before it reads anything.
    ResetsAtOnce,
    /// Reads the request, then resets the connection.
    ResetsAfterwards,
    /// Reads the request and says no word.
    IsSilent,
    /// Leaves the connection to the service at this address.
    PassesOn(String),
    /// Has the request carried out by the service at this address, and closes without a word of it.
    CarriesOut(String),
}

impl From<&str> for Turn {
    fn from(answer: &str) -> Self {
        Self::Says(answer.to_owned())
    }
}

impl From<&String> for Turn {
    fn from(answer: &String) -> Self {
        Self::Says(answer.clone())
    }
}

/// A server that takes each connection for the next turn, and keeps what it was sent.
pub(crate) struct ScriptedServer {
    /// Without a path.
    pub(crate) endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ScriptedServer {
    pub(crate) async fn new<T: Into<Turn>>(turns: impl IntoIterator<Item = T>) -> Self {
        let turns: Vec<Turn> = turns.into_iter().map(Into::into).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        tokio::spawn(async move {
            let mut silent = Vec::new();
            for turn in turns {
                let (stream, _) = listener.accept().await.unwrap();
                silent.extend(take(turn, stream, &kept).await);
            }
            // Who comes then is refused. Connections that are kept silent stay open as long as the test runs.
            drop(listener);
            std::future::pending::<()>().await;
        });
        Self { endpoint, requests }
    }

    /// A presigned URL of this server as an object store.
    pub(crate) fn url(&self) -> String {
        format!("{}/object?signature=secret-signature", self.endpoint)
    }

    /// The requests so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Gives the connection back if it is to stay open.
async fn take(turn: Turn, mut stream: TcpStream, kept: &Mutex<Vec<String>>) -> Option<TcpStream> {
    let request = match &turn {
        Turn::ResetsAtOnce | Turn::PassesOn(_) => String::new(),
        _ => read_request(&mut stream).await,
    };
    kept.lock().unwrap().push(request.clone());
    match turn {
        Turn::Says(answer) => {
            // A client that has what it wants may have hung up.
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Turn::ResetsAtOnce | Turn::ResetsAfterwards => stream.set_zero_linger().unwrap(),
        Turn::IsSilent => return Some(stream),
        Turn::Begins(answer) => {
            stream.write_all(answer.as_bytes()).await.unwrap();
            return Some(stream);
        }
        Turn::CarriesOut(address) => {
            let mut service = TcpStream::connect(address).await.unwrap();
            service.write_all(request.as_bytes()).await.unwrap();
            // The answer has begun, so that the request was carried out.
            service.read_u8().await.unwrap();
        }
        Turn::PassesOn(address) => {
            let mut service = TcpStream::connect(address).await.unwrap();
            tokio::spawn(
                async move { tokio::io::copy_bidirectional(&mut stream, &mut service).await },
            );
        }
    }
    None
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
