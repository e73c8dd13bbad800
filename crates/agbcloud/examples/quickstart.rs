//! The example of the README: a context, a file in it, a listing, a clear.
//!
//! Start a service first, `cargo run -p agb-cli -- serve`, and run this in the root of the repository with
//! `AGB_API_KEY=any AGB_ENDPOINT=http://127.0.0.1:8780`.

use agbcloud::Agb;
use std::path::Path;

#[tokio::main]
async fn main() -> agbcloud::Result<()> {
    let agb = Agb::from_env()?; // AGB_API_KEY and AGB_ENDPOINT, from the environment or .env
    let contexts = agb.contexts();
    let context = contexts.get_or_create("my-project").await?;

    let files = contexts.files(&context.id);
    files.upload("/data/a.md", Path::new("README.md")).await?;
    let mut entries = files.list().under("/data").by_item();
    while let Some(entry) = entries.next().await {
        println!("{}", entry?.path);
    }

    let cleared = contexts.clear(&context.id).await?;
    println!("empty again after {:?}", cleared.elapsed);
    Ok(())
}
