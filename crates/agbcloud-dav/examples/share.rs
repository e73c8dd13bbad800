//! Shares a context over WebDAV until Ctrl-C.
//!
//! Run it with AGB_API_KEY and AGB_ENDPOINT, then mount the URL that it prints.

use std::error::Error;

use agbcloud::Client;
use agbcloud_dav::DavServer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::from_env()?;
    let context = client.contexts().get_or_create("shared").await?;
    let files = client.contexts().files(&context.id);
    files.upload("/notes.txt", &b"hello"[..]).await?;
    let server = DavServer::builder(files)
        .listen(([127, 0, 0, 1], 0).into())
        .write(true)
        .start()
        .await?;
    println!("mount {}", server.url());
    tokio::signal::ctrl_c().await?;
    // Waits for open requests.
    server.shutdown().await;
    Ok(())
}
