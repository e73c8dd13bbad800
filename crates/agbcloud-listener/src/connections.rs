//! [`Connections`]: accepts, limits and closes the connections of a listener.

#![expect(
    clippy::disallowed_methods,
    reason = "timeouts of connections use real time"
)]

use std::{error::Error, io, sync::Arc, time::Duration};

use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};

/// The pause after a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The settings of the connections of a listener, which speak HTTP/1.1.
#[derive(Debug, Clone)]
#[must_use = "serve answers requests"]
pub struct Connections {
    max_connections: usize,
    head_timeout: Duration,
    max_head_bytes: Option<usize>,
    completes_requests: bool,
    drain_timeout: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            max_connections: 256,
            head_timeout: Duration::from_secs(10),
            max_head_bytes: None,
            completes_requests: false,
            drain_timeout: Duration::from_secs(5),
        }
    }
}

impl Connections {
    /// Maximum number of connections. Further ones wait. Defaults to 256.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Maximum time for the head of a request, also on an idle connection, which is closed then. Defaults to 10 seconds.
    pub fn head_timeout(mut self, time: Duration) -> Self {
        self.head_timeout = time;
        self
    }

    /// Maximum number of bytes of the head of a request, at least 8 KiB. Defaults to 408 KiB.
    pub fn max_head_bytes(mut self, bytes: usize) -> Self {
        self.max_head_bytes = Some(bytes);
        self
    }

    /// Whether a request is completed although the client has closed the connection, for example because it does not wait any
    /// longer. Defaults to `false`.
    pub fn complete_requests(mut self, complete: bool) -> Self {
        self.completes_requests = complete;
        self
    }

    /// Maximum time for open requests after the end. Defaults to 5 seconds.
    pub fn drain_timeout(mut self, time: Duration) -> Self {
        self.drain_timeout = time;
        self
    }

    /// Answers requests until the future completes. Then closes the listener and idle connections, waits for open requests for
    /// the [time](Self::drain_timeout), and closes the rest. If this future is dropped, everything is closed at once.
    ///
    /// ```
    /// use std::convert::Infallible;
    ///
    /// use agbcloud_listener::Connections;
    /// use http_body_util::Full;
    /// use hyper::{Response, body::Bytes, service::service_fn};
    /// use tokio::net::TcpListener;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let service = service_fn(async |_request| {
    ///     Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
    /// });
    /// let stopped = async { /* until Ctrl-C */ };
    /// Connections::default().serve(listener, service, stopped).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The socket does not listen any more. Connections then end as after the future.
    pub async fn serve<S, B>(
        self,
        listener: TcpListener,
        service: S,
        stopped: impl Future<Output = ()>,
    ) -> io::Result<()>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let graceful = GracefulShutdown::new();
        let permits = Arc::new(Semaphore::new(self.max_connections));
        // Aborts its tasks when it is dropped.
        let mut connections = JoinSet::new();
        let http = self.protocol();
        let mut stopped = std::pin::pin!(stopped);
        let end = loop {
            let accepted = tokio::select! {
                () = &mut stopped => break Ok(()),
                Some(_) = connections.join_next() => continue,
                accepted = accept(&listener, &permits) => accepted,
            };
            let (stream, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => break Err(error),
                Err(error) => {
                    tracing::warn!(%error, "can't accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let connection = http.serve_connection(TokioIo::new(stream), service.clone());
            let connection = graceful.watch(connection);
            connections.spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended early");
                }
                drop(permit);
            });
        };
        drop(listener);
        let drained = timeout(self.drain_timeout, graceful.shutdown()).await;
        if drained.is_err() {
            tracing::warn!("closing connections whose requests did not complete in time");
        }
        connections.shutdown().await;
        end
    }

    fn protocol(&self) -> http1::Builder {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            .half_close(self.completes_requests);
        if let Some(bytes) = self.max_head_bytes {
            // The minimum of hyper, which panics below it.
            http.max_buf_size(bytes.max(8 * 1024));
        }
        http
    }
}

/// Accepts a connection as soon as fewer than the maximum are open.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await;
    let permit = permit.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Small responses must not wait for the acknowledgement of others. Fails if the connection is closed already.
    let _ = stream.set_nodelay(true);
    Ok((stream, permit))
}

/// Whether the client closed the connection before it was accepted, so that the next one can be accepted at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        net::SocketAddr,
        sync::{Mutex, atomic::AtomicBool, atomic::Ordering},
    };

    use http_body_util::Full;
    use hyper::{body::Bytes, service::service_fn};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::oneshot,
        task::JoinHandle,
    };

    use super::*;

    const HALF: &str = "GET / HTTP/1.1\r\nhost: a\r\n";
    const WHOLE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

    /// Connects, sends a text and reads until the connection is closed.
    async fn exchange(address: SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // A reset ends the connection as well.
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    fn hello() -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::new(Bytes::from("hello"))))
    }

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// Serves one page.
    async fn start(connections: Connections) -> SocketAddr {
        let (listener, address) = listener().await;
        let service = service_fn(async |_| hello());
        tokio::spawn(connections.serve(listener, service, std::future::pending()));
        address
    }

    fn short_head() -> Connections {
        Connections::default().head_timeout(Duration::from_millis(100))
    }

    #[tokio::test]
    async fn requests_that_do_not_end_block_no_further_ones() {
        let address = start(short_head().max_connections(2)).await;
        let (first, second, third, answer) = tokio::join!(
            exchange(address, HALF),
            exchange(address, HALF),
            exchange(address, ""),
            exchange(address, WHOLE),
        );
        for closed in [first, second, third] {
            assert!(!closed.contains("200 OK"), "{closed}");
        }
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.ends_with("hello"), "{answer}");
    }

    #[tokio::test]
    async fn connections_above_the_maximum_wait() {
        let address = start(short_head().max_connections(1)).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        let mut second = std::pin::pin!(exchange(address, WHOLE));
        let mut read = Vec::new();
        tokio::select! {
            biased;
            _ = first.read_to_end(&mut read) => {}
            answer = &mut second => panic!("not after the first connection: {answer}"),
        }
        let answer = second.await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }

    #[tokio::test]
    async fn a_head_that_is_too_long_is_refused() {
        let address = start(Connections::default().max_head_bytes(0)).await;
        let long = "x".repeat(9000);
        let answer = exchange(address, &format!("GET / HTTP/1.1\r\na: {long}\r\n\r\n")).await;
        assert!(!answer.contains("200 OK"), "{answer}");
        assert!(exchange(address, WHOLE).await.ends_with("hello"));
    }

    /// A server whose request has started, and does not end before it is allowed to.
    struct Slow {
        address: SocketAddr,
        started: oneshot::Receiver<()>,
        end: oneshot::Sender<()>,
        stop: oneshot::Sender<()>,
        is_complete: Arc<AtomicBool>,
        served: JoinHandle<io::Result<()>>,
    }

    async fn slow(connections: Connections) -> Slow {
        let (listener, address) = listener().await;
        let (start, started) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let is_complete = Arc::new(AtomicBool::new(false));
        let complete = is_complete.clone();
        let channels = Arc::new(Mutex::new(Some((start, ended))));
        let service = service_fn(move |_| {
            let (channels, complete) = (channels.clone(), complete.clone());
            async move {
                let (start, ended) = channels.lock().unwrap().take().unwrap();
                start.send(()).unwrap();
                let _ = ended.await;
                complete.store(true, Ordering::Relaxed);
                hello()
            }
        });
        let stopped = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(connections.serve(listener, service, stopped));
        Slow {
            address,
            started,
            end,
            stop,
            is_complete,
            served,
        }
    }

    #[tokio::test]
    async fn an_open_request_ends_after_the_end() {
        let slow = slow(Connections::default()).await;
        let answer = tokio::spawn(exchange(slow.address, WHOLE));
        slow.started.await.unwrap();
        slow.stop.send(()).unwrap();
        tokio::task::yield_now().await;
        slow.end.send(()).unwrap();
        assert!(answer.await.unwrap().ends_with("hello"));
        slow.served.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_open_request_is_closed_if_it_does_not_end() {
        let slow = slow(Connections::default().drain_timeout(Duration::from_millis(50))).await;
        let answer = tokio::spawn(exchange(slow.address, WHOLE));
        slow.started.await.unwrap();
        slow.stop.send(()).unwrap();
        assert_eq!(answer.await.unwrap(), "");
        slow.served.await.unwrap().unwrap();
        assert!(!slow.is_complete.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn a_request_whose_client_leaves_is_completed_on_request() {
        let slow = slow(Connections::default().complete_requests(true)).await;
        let mut stream = TcpStream::connect(slow.address).await.unwrap();
        stream.write_all(WHOLE.as_bytes()).await.unwrap();
        slow.started.await.unwrap();
        drop(stream);
        slow.stop.send(()).unwrap();
        tokio::task::yield_now().await;
        slow.end.send(()).unwrap();
        slow.served.await.unwrap().unwrap();
        assert!(slow.is_complete.load(Ordering::Relaxed));
    }
}
