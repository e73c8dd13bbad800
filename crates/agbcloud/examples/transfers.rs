//! Transfers: uploads of bytes, a file and a reader with progress, downloads, and a presigned URL.
//!
//! `cargo run -p agbcloud --example transfers`

use std::path::Path;

use agbcloud::{Client, ErrorKind, Files, UploadSource};

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

    // Any AsyncRead with a known length.
    let length = 16 * 1024 * 1024;
    let source = UploadSource::reader(tokio::io::repeat(7), length);
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
            println!("an existing local file is not overwritten");
        }
        other => println!("downloaded {} bytes", other?.bytes),
    }
    let got = files.download("/data/bytes.txt", &copy);
    let bytes = got.overwrite(true).await?.bytes;
    println!("downloaded {bytes} bytes and overwrote the file");

    let text = files.read("/data/bytes.txt").await?;
    println!("read {:?}", String::from_utf8_lossy(&text));
    if let Err(error) = files.read("/data/large").limit(1024).await {
        println!("over the limit: {error}");
    }
    Ok(())
}

async fn presigned(files: &Files) -> Result<(), Box<dyn std::error::Error>> {
    let url = files.download_url("/data/bytes.txt").await?;
    // `Display` omits the signature.
    println!("presigned URL: {}", *url);
    let text = reqwest::get(url.as_str()).await?.text().await?;
    println!("read {text:?} without an API key");
    Ok(())
}
