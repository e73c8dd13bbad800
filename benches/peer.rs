//! An axum server with one route that returns the bytes of a file, beside which `cargo xtask bench` measures GetContext.
//!
//! `peer FILE` prints `listening on http://HOST:PORT`.

use agbcloud_benches::Error;
use axum::{Router, http::header::CONTENT_TYPE, routing::get, serve::ListenerExt};
use bytes::Bytes;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let file = std::env::args().nth(1).ok_or("usage: peer FILE")?;
    let content = Bytes::from(std::fs::read(file)?);
    let route = get(move || async move { ([(CONTENT_TYPE, "application/json")], content) });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        // Without it, the peer would be slower than it can be.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, Router::new().route("/sdk/GetContext", route)).await?;
    Ok(())
}
