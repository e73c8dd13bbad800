//! A proxy between the service and the server that loses connections and messages, and counts round trips.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the proxy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Forward,
    /// Accepts and keeps connections, and forwards nothing.
    Blackhole,
    /// Ends the next connection that sends a commit, before the server gets it. Then forwards.
    LoseCommit,
    /// Ends the next connection that sends a commit, after the server has answered. Then forwards.
    LoseAnswer,
}

/// The end of a durable commit.
const COMMIT: &[u8] = b"statement_timeout = 0; COMMIT";

pub(super) struct Proxy {
    port: u16,
    mode: Arc<Mutex<Mode>>,
    round_trips: Arc<AtomicUsize>,
}

impl Proxy {
    /// Starts a proxy to the server of a URL.
    pub(super) async fn start(url: &str) -> Self {
        let authority = url.split("://").nth(1).unwrap().split('/').next().unwrap();
        let server = authority.rsplit('@').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mode = Arc::new(Mutex::new(Mode::Forward));
        let round_trips = Arc::<AtomicUsize>::default();
        let (shared, trips) = (mode.clone(), round_trips.clone());
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(relay(client, server, shared.clone(), trips.clone()));
            }
        });
        Self {
            port,
            mode,
            round_trips,
        }
    }

    /// Replaces the host and port of a URL by the proxy's.
    pub(super) fn url(&self, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, path) = rest.split_once('/').unwrap();
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        format!("{scheme}://{user}@127.0.0.1:{}/{path}", self.port)
    }

    pub(super) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// How often a connection has sent something after it had received an answer.
    pub(super) fn round_trips(&self) -> usize {
        self.round_trips.load(Ordering::SeqCst)
    }

    pub(super) fn mode(&self) -> Mode {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn relay(
    mut client: TcpStream,
    mut server: TcpStream,
    mode: Arc<Mutex<Mode>>,
    round_trips: Arc<AtomicUsize>,
) {
    let mut was_answered = true;
    let (mut sent, mut answered) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut sent) => {
                let Ok(length @ 1..) = read else { return };
                let bytes = &sent[..length];
                if std::mem::take(&mut was_answered) {
                    round_trips.fetch_add(1, Ordering::SeqCst);
                }
                let commits = bytes.windows(COMMIT.len()).any(|part| part == COMMIT);
                let now = {
                    let mut mode = mode.lock().unwrap();
                    let now = *mode;
                    if commits && matches!(now, Mode::LoseCommit | Mode::LoseAnswer) {
                        *mode = Mode::Forward;
                    }
                    now
                };
                match now {
                    Mode::LoseCommit if commits => return,
                    Mode::Blackhole => std::future::pending().await,
                    _ => {}
                }
                if server.write_all(bytes).await.is_err() {
                    return;
                }
                if commits && now == Mode::LoseAnswer {
                    // Until the server has nothing more to say.
                    let quiet = std::time::Duration::from_millis(200);
                    while let Ok(Ok(1..)) =
                        tokio::time::timeout(quiet, server.read(&mut answered)).await
                    {}
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                was_answered = true;
                if *mode.lock().unwrap() == Mode::Blackhole {
                    std::future::pending().await
                }
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
