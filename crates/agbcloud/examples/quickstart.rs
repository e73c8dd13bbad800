//! The program of the README: a context, a file, a listing and a clear. It starts its own service.
//!
//! In the root of the repository: `cargo run -p agbcloud --example quickstart`

use agbcloud::Client;
use std::path::Path;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Ignores the service in the environment, so as not to clear a context there.
    let service = agbcloud_server::Server::builder().start().await?;
    let client = Client::builder()
        .api_key("any")
        .endpoint(service.url())
        .build()?;
    quickstart(client).await?;
    service.shutdown().await;
    Ok(())
}

async fn quickstart(client: Client) -> agbcloud::Result<()> {
    let contexts = client.contexts();
    let context = contexts.get_or_create("my-project").await?;

    let files = contexts.files(&context.id);
    files.upload("/data/a.md", Path::new("README.md")).await?;
    let mut entries = files.list().folder("/data").by_item();
    while let Some(entry) = entries.next().await {
        println!("{}", entry?.path);
    }

    let cleared = contexts.clear(&context.id).await?;
    println!("empty again after {:?}", cleared.elapsed);
    Ok(())
}
