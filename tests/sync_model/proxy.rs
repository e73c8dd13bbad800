//! A proxy between the SDK and the service that interrupts one chosen request.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
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
    DropRequest,
    /// The service executes the request, and its response is lost.
    DropResponse,
    /// The request waits until the test resumes it.
    Pause,
    /// Like `Pause`, after the service has executed the request.
    PauseAfter,
}

/// Counts requests while armed, and applies an effect to one of them.
#[derive(Default)]
pub(crate) struct Interceptor {
    armed: Mutex<Option<(u32, Effect)>>,
    /// Requests that may have changed a file, and their ends.
    writes: AtomicU64,
    /// Those of them that have not ended.
    writing: AtomicU64,
    /// Notified when a pause begins.
    pub(crate) paused: Notify,
    resumed: Notify,
}

impl Interceptor {
    /// Applies the effect to the request after `requests` others.
    pub(crate) fn arm(&self, requests: u32, effect: Effect) {
        *self.lock() = Some((requests, effect));
    }

    /// Returns whether the effect was applied.
    pub(crate) fn disarm(&self) -> bool {
        self.lock().take().is_none()
    }

    /// A number that changes whenever a file of a context may have changed.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Waits until the service has executed all requests that it received. Their clients may have stopped.
    pub(crate) async fn wait_for_writes(&self) {
        while self.writing.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn begin_write(self: &Arc<Self>) -> WriteInProgress {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.writing.fetch_add(1, Ordering::Relaxed);
        WriteInProgress(self.clone())
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

/// A request that may change a file, until its response or the end of its connection.
struct WriteInProgress(Arc<Interceptor>);

impl Drop for WriteInProgress {
    fn drop(&mut self) {
        self.0.writes.fetch_add(1, Ordering::Relaxed);
        self.0.writing.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A listening proxy. It runs in the runtime of the test.
pub(crate) struct Proxy {
    pub(crate) url: String,
    pub(crate) interceptor: Arc<Interceptor>,
    target: Arc<OnceLock<SocketAddr>>,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (interceptor, target) = (Arc::new(Interceptor::default()), Arc::new(OnceLock::new()));
        let (for_connections, to) = (interceptor.clone(), target.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Some(target) = to.get().copied() else {
                    continue;
                };
                let interceptor = for_connections.clone();
                tokio::spawn(async move {
                    // Broken connections are part of the tests.
                    let _ = forward(client, target, &interceptor).await;
                });
            }
        });
        Self {
            url,
            interceptor,
            target,
        }
    }

    /// Sets the address that requests are forwarded to.
    pub(crate) fn forward_to(&self, target: SocketAddr) {
        self.target.set(target).unwrap();
    }
}

async fn forward(
    mut client: TcpStream,
    target: SocketAddr,
    interceptor: &Arc<Interceptor>,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut from_server) = ([0; 8192], [0; 8192]);
    let mut at_answer = None;
    let mut write = None;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let sent = &from_client[..read?];
                if sent.is_empty() {
                    if write.is_some() {
                        // The service may execute a request whose client has stopped.
                        server.shutdown().await?;
                        let _response = server.read(&mut from_server).await?;
                    }
                    return Ok(());
                }
                if begins_request(sent) {
                    write = writes(sent).then(|| interceptor.begin_write());
                    match interceptor.request() {
                        Some(Effect::DropRequest) => return Ok(()),
                        Some(Effect::Pause) => interceptor.pause().await,
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
                write = None;
                match at_answer.take() {
                    Some(Effect::PauseAfter) => interceptor.pause().await,
                    Some(_) => return Ok(()),
                    None => {}
                }
                client.write_all(sent).await?;
            }
        }
    }
}

/// The bodies that the tests send never start like a request.
fn begins_request(sent: &[u8]) -> bool {
    let methods: [&[u8]; 5] = [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE "];
    methods.iter().any(|method| sent.starts_with(method))
}

fn writes(sent: &[u8]) -> bool {
    let deletes: &[u8] = b"POST /sdk/DeleteContextFile";
    sent.starts_with(b"PUT ") || sent.starts_with(deletes)
}
