//! Clears a context: with status updates, with a timeout that is resumed, and resumed by the id of the context.
//!
//! `cargo run -p agbcloud --example clear`

use std::time::Duration;

use agbcloud::{Client, ContextId, ErrorKind};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Clears take time, as with many files.
    let service = agbcloud_server::Server::builder()
        .clear_delay(Duration::from_millis(1500))
        .start()
        .await?;
    let client = Client::builder()
        .api_key("any")
        .endpoint(service.url())
        .build()?;
    let context = client.contexts().get_or_create("my-project").await?;
    with_status(&client, &context.id).await?;
    late(&client, &context.id).await?;
    resumed(&client, &context.id).await?;
    service.shutdown().await;
    Ok(())
}

async fn with_status(client: &Client, id: &ContextId) -> agbcloud::Result<()> {
    println!("a clear with status updates:");
    let files = client.contexts().files(id);
    files.upload("/data/a.txt", &b"hello"[..]).await?;

    let handle = client.contexts().clear(id).start().await?;
    let mut statuses = handle.statuses();
    while let Some(status) = statuses.next().await {
        let status = status?;
        println!("  {} after {:.1?}", status.state, status.elapsed);
    }
    let left = files.list().send().await?;
    println!("  {} entries left", left.entries.len());
    Ok(())
}

async fn late(client: &Client, id: &ContextId) -> agbcloud::Result<()> {
    println!("a clear with a timeout that is too short:");
    let clear = client
        .contexts()
        .clear(id)
        .timeout(Duration::from_millis(400));
    let Err(error) = clear.await else {
        println!("  done before the timeout");
        return Ok(());
    };
    println!("  {error}");
    let Some(late) = error.clear_timeout() else {
        return Err(error);
    };
    // The clear goes on in the service, and the wait can go on too.
    let handle = client.contexts().resume(late);
    let cleared = handle.with_timeout(Duration::from_secs(60)).wait().await?;
    println!("  resumed: done after {:.1?}", cleared.elapsed);
    Ok(())
}

async fn resumed(client: &Client, id: &ContextId) -> agbcloud::Result<()> {
    println!("a clear that was started in another process:");
    client.contexts().clear(id).start().await?;
    let saved = id.to_string();

    let id = ContextId::new(saved)?;
    let files = client.contexts().files(&id);
    match files.upload("/data/a.txt", &b"hello"[..]).await {
        Err(error) if error.kind() == ErrorKind::Conflict => println!("  {error}"),
        result => println!("  uploaded {} bytes", result?.bytes),
    }
    let handle = client.contexts().resume_clear(&id);
    println!("  the context is {}", handle.status().await?);
    let cleared = handle.wait().await?;
    println!(
        "  done after {:.1?} and {} polls",
        cleared.elapsed, cleared.polls
    );
    Ok(())
}
