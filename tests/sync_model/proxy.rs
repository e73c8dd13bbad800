//! A proxy between the SDK and the service that interrupts one chosen request.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// What happens at the chosen request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The connection breaks, and the service never receives the request.
    CutBefore,
    /// The service carries out the request, and its answer is lost.
    CutAfter,
    /// The request waits until the test resumes it.
    Pause,
    /// As `Pause`, after the service has carried out the request.
    PauseAfter,
}

/// Counts requests while armed, and applies an effect to one of them.
#[derive(Default)]
pub(crate) struct Trap {
    armed: Mutex<Option<(u32, Effect)>>,
    /// Requests that may have changed a file.
    writes: AtomicU64,
    /// Notified when a pause begins.
    pub(crate) paused: Notify,
    resumed: Notify,
}

impl Trap {
    /// Applies the effect to the request after `requests` others.
    pub(crate) fn arm(&self, requests: u32, effect: Effect) {
        *self.lock() = Some((requests, effect));
    }

    /// Returns whether the effect was applied.
    pub(crate) fn disarm(&self) -> bool {
        self.lock().take().is_none()
    }

    /// The number of requests so far that may have changed a file of a context.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    pub(crate) fn resume(&self) {
        self.resumed.notify_one();
    }

    fn request(&self) -> Option<Effect> {
        let mut armed = self.lock();
        match &mut *armed {
            Some((0, effect)) => {
                let effect = *effect;
                *armed = None;
                Some(effect)
            }
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }

    async fn pause(&self) {
        self.paused.notify_one();
        self.resumed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Option<(u32, Effect)>> {
        self.armed.lock().unwrap()
    }
}

/// A listening proxy. It runs in the runtime of the test.
pub(crate) struct Proxy {
    pub(crate) url: String,
    pub(crate) trap: Arc<Trap>,
    target: Arc<OnceLock<SocketAddr>>,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (trap, target) = (Arc::new(Trap::default()), Arc::new(OnceLock::new()));
        let (for_connections, to) = (trap.clone(), target.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Some(target) = to.get().copied() else {
                    continue;
                };
                let trap = for_connections.clone();
                tokio::spawn(async move {
                    // A connection that breaks is what the tests are about.
                    let _ = forward(client, target, &trap).await;
                });
            }
        });
        Self { url, trap, target }
    }

    /// Sets the address that requests are forwarded to.
    pub(crate) fn forward_to(&self, target: SocketAddr) {
        self.target.set(target).unwrap();
    }
}

async fn forward(mut client: TcpStream, target: SocketAddr, trap: &Trap) -> std::io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut from_server) = ([0; 8192], [0; 8192]);
    let mut at_answer = None;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let sent = &from_client[..read?];
                if sent.is_empty() {
                    return Ok(());
                }
                if begins_request(sent) {
                    if writes(sent) {
                        trap.writes.fetch_add(1, Ordering::Relaxed);
                    }
                    match trap.request() {
                        Some(Effect::CutBefore) => return Ok(()),
                        Some(Effect::Pause) => trap.pause().await,
                        Some(effect) => at_answer = Some(effect),
                        None => {}
                    }
                }
                server.write_all(sent).await?;
            }
            read = server.read(&mut from_server) => {
                let sent = &from_server[..read?];
                if sent.is_empty() {
                    return Ok(());
                }
                match at_answer.take() {
                    Some(Effect::PauseAfter) => trap.pause().await,
                    Some(_) => return Ok(()),
                    None => {}
                }
                client.write_all(sent).await?;
            }
        }
    }
}

/// The bodies that the tests send never look like the start of a request.
fn begins_request(sent: &[u8]) -> bool {
    let methods: [&[u8]; 5] = [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE "];
    methods.iter().any(|method| sent.starts_with(method))
}

fn writes(sent: &[u8]) -> bool {
    let deletes: &[u8] = b"POST /sdk/DeleteContextFile";
    sent.starts_with(b"PUT ") || sent.starts_with(deletes)
}
