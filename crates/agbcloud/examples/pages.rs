//! Listings over many pages: one by one, page by page, fetched ahead, stopped half-way and taken up again, and a
//! whole tree.
//!
//! `cargo run -p agbcloud --example pages`

use agbcloud::{Client, Continuation, Files};

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

    one_by_one(&client).await?;
    page_by_page(&client).await?;
    let kept = first_half(&client).await?;
    println!("kept meanwhile: {kept}");
    second_half(&client, &kept).await?;
    tree(&files).await?;
    service.shutdown().await;
    Ok(())
}

async fn one_by_one(client: &Client) -> agbcloud::Result<()> {
    // The next page is fetched while this one is worked on.
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
    println!("{count} contexts, one by one");
    Ok(())
}

async fn page_by_page(client: &Client) -> agbcloud::Result<()> {
    let mut pages = client.contexts().list().by_page();
    while let Some(page) = pages.next().await {
        let page = page?;
        let total = page.total_count.unwrap_or_default();
        println!("a page of {} of {total} contexts", page.contexts.len());
    }
    Ok(())
}

/// Takes some, in the middle of a page, and gives the place as text: for a file, a database, a queue.
async fn first_half(client: &Client) -> Result<String, Box<dyn std::error::Error>> {
    let mut some = client.contexts().list().by_item();
    for _ in 0..120 {
        some.next().await.transpose()?;
    }
    Ok(serde_json::to_string(&some.continuation())?)
}

async fn second_half(client: &Client, kept: &str) -> Result<(), Box<dyn std::error::Error>> {
    // Nothing is kept of a listing that came to its end.
    let Some(place) = serde_json::from_str::<Option<Continuation>>(kept)? else {
        return Ok(());
    };
    let mut rest = client.contexts().list().start_at(place).by_item();
    let (mut first, mut count) = (None, 0);
    while let Some(context) = rest.next().await {
        first.get_or_insert(context?.name);
        count += 1;
    }
    println!("went on at {first:?}: {count} were left");
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
