//! Listings of many pages: by item, by page, with prefetching, stopped and resumed, and a tree.
//!
//! `cargo run -p agbcloud --example pages`

use agbcloud::{Client, Files};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = agbcloud_server::Server::builder().start().await?;
    let client = Client::builder()
        .api_key("any")
        .endpoint(service.url())
        .build()?;
    let contexts = client.contexts();
    for number in 0..250 {
        contexts.get_or_create(format!("n{number:03}")).await?;
    }
    let context = contexts.get_or_create("files").await?;
    let files = contexts.files(&context.id);
    for number in 0..30 {
        let path = format!("/data/{}/{number:02}.txt", number % 3);
        files.upload(path, &b"hello"[..]).await?;
    }

    by_item(&client).await?;
    by_page(&client).await?;
    // `None` if the listing was complete.
    if let Some(saved) = first_half(&client).await? {
        println!("saved: {saved}");
        second_half(&client, saved).await?;
    }
    tree(&files).await?;
    service.shutdown().await;
    Ok(())
}

async fn by_item(client: &Client) -> agbcloud::Result<()> {
    // A task fetches the next page while this one is processed.
    let mut all = client
        .contexts()
        .list()
        .page_size(50)
        .prefetch(true)
        .by_item();
    let mut count = 0;
    while let Some(context) = all.next().await {
        context?;
        count += 1;
    }
    println!("{count} contexts by item");
    Ok(())
}

async fn by_page(client: &Client) -> agbcloud::Result<()> {
    let mut pages = client.contexts().list().by_page();
    while let Some(page) = pages.next().await {
        let page = page?;
        let total = page.total_count.unwrap_or_default();
        println!("a page with {} of {total} contexts", page.contexts.len());
    }
    Ok(())
}

/// Stops in the middle of a page and returns the position as text, for a file, a database or a queue.
async fn first_half(client: &Client) -> agbcloud::Result<Option<String>> {
    let mut some = client.contexts().list().by_item();
    for _ in 0..120 {
        some.next().await.transpose()?;
    }
    Ok(some.continuation().map(|place| place.to_string()))
}

async fn second_half(client: &Client, saved: String) -> agbcloud::Result<()> {
    let mut rest = client.contexts().list().start_at(saved).by_item();
    let (mut first, mut count) = (None, 0);
    while let Some(context) = rest.next().await {
        first.get_or_insert(context?.name);
        count += 1;
    }
    println!("resumed at {first:?}: {count} left");
    Ok(())
}

async fn tree(files: &Files) -> agbcloud::Result<()> {
    let (mut folders, mut bytes) = (Vec::new(), 0);
    let mut entries = files.list().walk();
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        bytes += entry.size.unwrap_or_default();
        if entry.is_folder() {
            folders.push(entry.path);
        }
    }
    println!("{bytes} bytes in {}", folders.join(", "));
    Ok(())
}
