//! A proxy that fails.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What a proxy does with the responses.
pub(super) const PASS: usize = 0;
/// Closes a connection after some bytes of a response.
pub(super) const CUT: usize = 1;
/// Sends some bytes of a response and nothing more.
pub(super) const STALL: usize = 2;
/// Closes all connections at once.
pub(super) const GONE: usize = 3;
/// Accepts connections and passes nothing more.
pub(super) const HANG: usize = 4;

/// Starts a proxy. `cuts` is how many connections it cuts before it passes everything.
pub(super) async fn proxy(
    to: SocketAddr,
    mode: Arc<AtomicUsize>,
    cuts: Arc<AtomicUsize>,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (mode, cuts) = (mode.clone(), cuts.clone());
            tokio::spawn(async move {
                if mode.load(Ordering::SeqCst) == GONE {
                    return;
                }
                if mode.load(Ordering::SeqCst) == HANG {
                    std::future::pending::<()>().await;
                }
                let store = TcpStream::connect(to).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_store, mut to_store) = store.into_split();
                let sending = async {
                    let mut buffer = vec![0; 65_536];
                    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                        if mode.load(Ordering::SeqCst) == HANG {
                            std::future::pending::<()>().await;
                        }
                        if mode.load(Ordering::SeqCst) == GONE
                            || to_store.write_all(&buffer[..read]).await.is_err()
                        {
                            return;
                        }
                    }
                };
                let receiving = async {
                    let (mut buffer, mut passed) = (vec![0; 65_536], 0);
                    while let Ok(read @ 1..) = from_store.read(&mut buffer).await {
                        passed += read;
                        match mode.load(Ordering::SeqCst) {
                            CUT if passed > 400_000 && take(&cuts) => return,
                            STALL if passed > 400_000 && take(&cuts) => {
                                std::future::pending::<()>().await;
                            }
                            _ => {}
                        }
                        if to_client.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                    }
                };
                tokio::select! {
                    () = sending => {}
                    () = receiving => {}
                }
            });
        }
    });
    address
}

fn take(cuts: &AtomicUsize) -> bool {
    let less = |cuts: usize| cuts.checked_sub(1);
    cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
        .is_ok()
}

/// Starts a proxy that records requests, and refuses those whose first line contains `refused`.
pub(super) async fn recording_proxy(
    to: SocketAddr,
    refused: &'static str,
) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::<Mutex<Vec<String>>>::default();
    let recorded = requests.clone();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let recorded = recorded.clone();
            tokio::spawn(async move {
                let store = TcpStream::connect(to).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_store, mut to_store) = store.into_split();
                let mut responses = tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut from_store, &mut to_client).await;
                    to_client
                });
                let mut buffer = vec![0; 65_536];
                while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                    let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
                    if let Some((line, _)) = text.split_once(" HTTP/1.1\r\n")
                        && line.split(' ').count() == 2
                    {
                        recorded.lock().unwrap().push(line.to_owned());
                        if !refused.is_empty() && line.contains(refused) {
                            // Ends the responses of the store.
                            drop(to_store);
                            if let Ok(mut to_client) = (&mut responses).await {
                                let _ = to_client.write_all(BAD_REQUEST).await;
                            }
                            return;
                        }
                    }
                    if to_store.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, requests)
}
