//! Transfers: upload bytes, a file and a reader with progress; download; use a presigned URL.
//!
//! `cargo run -p agbcloud --example transfers`

use std::path::Path;

use agbcloud::{Client, ErrorKind, Files, UploadSource};
use tokio::io::AsyncReadExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = agbcloud_server::Server::builder().start().await?;
    let client = Client::builder()
        .api_key("any")
        .endpoint(service.url())
        .build()?;
    let context = client.contexts().get_or_create("my-project").await?;
    let files = client.contexts().files(&context.id);
    let folder = tempfile::tempdir()?;

    uploads(&files, folder.path()).await?;
    downloads(&files, folder.path()).await?;
    presigned(&files).await?;
    service.shutdown().await;
    Ok(())
}

async fn uploads(files: &Files, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let sent = files.upload("/data/bytes.txt", &b"hello"[..]).await?;
    println!("uploaded {} bytes from memory", sent.bytes);

    let local = folder.join("report.txt");
    std::fs::write(&local, "a report\n".repeat(1000))?;
    let sent = files.upload("/data/report.txt", &local).await?;
    println!("uploaded {} bytes from a file", sent.bytes);

    // Any AsyncRead of known length; this one generates its bytes.
    let length = 16 * 1024 * 1024;
    let source = UploadSource::reader(tokio::io::repeat(7).take(length), length);
    let sent = files
        .upload("/data/large", source)
        .on_progress(|progress| {
            if let Some(total) = progress.total {
                println!("  {:3} %", 100 * progress.bytes / total);
            }
        })
        .await?;
    println!("uploaded {} bytes from a reader", sent.bytes);
    Ok(())
}

async fn downloads(files: &Files, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let copy = folder.join("copy.txt");
    let got = files.download("/data/report.txt", &copy).await?;
    println!("downloaded {} bytes to a file", got.bytes);

    match files.download("/data/bytes.txt", &copy).await {
        Err(error) if error.kind() == ErrorKind::Conflict => {
            println!("an existing local file is not replaced");
        }
        other => println!("replaced it by {} bytes", other?.bytes),
    }
    let got = files.download("/data/bytes.txt", &copy);
    println!(
        "replaced it by {} bytes with overwrite(true)",
        got.overwrite(true).await?.bytes
    );

    let text = files.read("/data/bytes.txt").await?;
    println!("read {:?} into memory", String::from_utf8_lossy(&text));
    if let Err(error) = files.read("/data/large").limit(1024).await {
        println!("larger than the limit: {error}");
    }
    Ok(())
}

async fn presigned(files: &Files) -> Result<(), Box<dyn std::error::Error>> {
    let url = files.download_url("/data/bytes.txt").await?;
    // Displayed without its signature.
    println!("a presigned URL: {url}");
    let text = reqwest::get(url.as_str()).await?.text().await?;
    println!("read {text:?} with another client and without a key");
    Ok(())
}
