//! The connections of a console: accepts, limits and closes them.

#![expect(
    clippy::disallowed_methods,
    reason = "timeouts use real time; no stored data depends on it"
)]

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};

/// The pause after a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The limits of the connections.
pub(crate) struct Limits {
    /// Maximum number of connections. Further ones wait.
    pub(crate) connections: usize,
    /// Maximum time for the head of a request, also on an idle connection.
    pub(crate) head_time: Duration,
    /// Maximum time for open requests after the end.
    pub(crate) drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            head_time: Duration::from_secs(10),
            drain_time: Duration::from_secs(5),
        }
    }
}

/// Serves connections until the future completes, then waits for open requests.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
    limits: Limits,
) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(limits.connections));
    // Aborts its tasks when it is dropped.
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &permits) => accepted,
        };
        let (stream, permit) = match accepted {
            Ok(accepted) => accepted,
            // The socket does not listen any more.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_time)
            .serve_connection(
                TokioIo::new(stream),
                TowerToHyperService::new(router.clone()),
            );
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    if timeout(limits.drain_time, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("closing connections whose requests did not complete in time");
    }
    connections.shutdown().await;
    Ok(())
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Connects, sends a text and reads until the connection is closed.
    async fn exchange(address: SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // A reset ends the connection as well.
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    /// Serves one page.
    async fn start(connections: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "hello"));
        let limits = Limits {
            connections,
            head_time: Duration::from_millis(100),
            drain_time: Duration::from_secs(5),
        };
        tokio::spawn(serve(listener, router, std::future::pending(), limits));
        address
    }

    const HALF: &str = "GET / HTTP/1.1\r\nhost: a\r\n";
    const WHOLE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn requests_that_do_not_end_block_no_further_ones() {
        let address = start(2).await;
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
        let address = start(1).await;
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
    async fn an_open_request_ends_after_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (started, starts) = tokio::sync::oneshot::channel::<()>();
        let started = std::sync::Mutex::new(Some(started));
        let started = Arc::new(started);
        let page = async move || {
            if let Some(started) = started.lock().unwrap().take() {
                let _ = started.send(());
            }
            tokio::task::yield_now().await;
            "hello"
        };
        let router = Router::new().route("/", get(page));
        let shutdown = async {
            let _ = starts.await;
        };
        let served = tokio::spawn(serve(listener, router, shutdown, Limits::default()));
        let answer = exchange(address, WHOLE).await;
        assert!(answer.ends_with("hello"), "{answer}");
        served.await.unwrap().unwrap();
    }
}
