//! Clears: watch the polls, resume after a timeout, and resume from the id of the context.
//!
//! `cargo run -p agbcloud --example clear`

use std::time::Duration;

use agbcloud::{Client, ContextId, ErrorKind, Resumed};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Clears take as long as those of a large context.
    let service = agbcloud_server::Server::builder()
        .clear_delay(Duration::from_millis(1500))
        .start()
        .await?;
    let client = Client::builder()
        .api_key("any")
        .endpoint(service.url())
        .build()?;
    let context = client.contexts().get_or_create("my-project").await?;
    watch(&client, &context.id).await?;
    resume_after_timeout(&client, &context.id).await?;
    resume_by_id(&client, &context.id).await?;
    service.shutdown().await;
    Ok(())
}

async fn watch(client: &Client, id: &ContextId) -> agbcloud::Result<()> {
    println!("a clear with its polls:");
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

async fn resume_after_timeout(client: &Client, id: &ContextId) -> agbcloud::Result<()> {
    println!("a clear that times out:");
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
    let cleared = handle.timeout(Duration::from_secs(60)).wait().await?;
    println!("  resumed: done after {:.1?}", cleared.elapsed);
    Ok(())
}

async fn resume_by_id(client: &Client, id: &ContextId) -> agbcloud::Result<()> {
    println!("a clear that another process started:");
    client.contexts().clear(id).start().await?;
    let saved = id.to_string();

    let id = ContextId::new(saved)?;
    let files = client.contexts().files(&id);
    match files.upload("/data/a.txt", &b"hello"[..]).await {
        Err(error) if error.kind() == ErrorKind::Conflict => println!("  {error}"),
        result => println!("  uploaded {} bytes", result?.bytes),
    }
    let clear = client.contexts().resume_clear(&id);
    println!("  the context is {}", clear.clone().status().await?);
    match clear.await? {
        Resumed::Cleared(cleared) => println!(
            "  done after {:.1?} and {} polls",
            cleared.elapsed, cleared.polls
        ),
        Resumed::NotClearing(_) => println!("  no clear was running"),
    }
    Ok(())
}
