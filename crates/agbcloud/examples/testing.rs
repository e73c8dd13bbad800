//! Three ways to test one function: with a mock, with a script in paused time, and with an embedded service. In your
//! program, each is the body of a `#[tokio::test]`.
//!
//! `cargo run -p agbcloud --example testing --features test-util`

use std::error::Error;

use agbcloud::{
    Client, ErrorKind, Operation,
    testing::{MockContextApi, Script, Step, context, error, fail, file, file_page, ok},
};
use serde_json::json;

/// The function under test: the number of bytes in a context, 0 if it does not exist.
async fn bytes_of(client: &Client, name: &str) -> agbcloud::Result<u64> {
    let context = match client.contexts().get_by_name(name).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        found => found?,
    };
    let mut tree = client.contexts().files(&context.id).list().walk();
    let mut bytes = 0;
    while let Some(entry) = tree.next().await {
        bytes += entry?.size.unwrap_or(0);
    }
    Ok(bytes)
}

/// For logic: each answer takes one line.
async fn with_a_mock() -> Result<(), Box<dyn Error>> {
    let mut api = MockContextApi::new();
    api.expect_get_context()
        .returning(|_| ok(context("SdkCtx-1", "my-project")));
    api.expect_list_files()
        .times(1)
        .returning(|_| ok(file_page(vec![file("/a", 3), file("/b", 4)], 2)));
    let client = Client::builder().stub(api).build()?;
    assert_eq!(bytes_of(&client, "my-project").await?, 7);

    let mut api = MockContextApi::new();
    api.expect_get_context()
        .returning(|_| fail(error(ErrorKind::NotFound)));
    let client = Client::builder().stub(api).build()?;
    assert_eq!(bytes_of(&client, "my-project").await?, 0);
    println!("mock: the sizes are added up, and a missing context has 0 bytes");
    Ok(())
}

/// For failures and retries.
#[expect(clippy::disallowed_methods, reason = "measures paused time")]
async fn with_a_script() -> Result<(), Box<dyn Error>> {
    let script = Script::new([
        Step::connection_reset(),
        Step::status(503).header("retry-after", "30"),
        Step::ok(json!({"id": "SdkCtx-1", "name": "my-project"})),
        Step::json(json!({"success": true, "data": [{"filePath": "/a", "size": 3}], "count": 1})),
    ]);
    let began = tokio::time::Instant::now();
    let client = Client::builder().stub(script.clone()).build()?;
    assert_eq!(bytes_of(&client, "my-project").await?, 3);
    let calls = script.calls();
    let attempts = calls.iter().filter(|call| **call == Operation::GetContext);
    println!(
        "script: found on attempt {} after {:.1?} of paused time",
        attempts.count(),
        began.elapsed()
    );
    Ok(())
}

/// For everything else: HTTP and files.
async fn with_a_service() -> Result<(), Box<dyn Error>> {
    let server = agbcloud_server::Server::builder().start().await?;
    let client = Client::builder()
        .api_key("any")
        .endpoint(server.url())
        .build()?;
    let context = client.contexts().get_or_create("my-project").await?;
    let files = client.contexts().files(&context.id);
    files.upload("/data/deep/a.txt", &b"hello"[..]).await?;
    assert_eq!(bytes_of(&client, "my-project").await?, 5);
    println!("service: uploaded files are found at any depth");
    server.shutdown().await;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    // As `#[tokio::test]` and `#[tokio::test(start_paused = true)]` do. Do not combine paused time with real sockets.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all();
    runtime.build()?.block_on(with_a_mock())?;
    runtime.build()?.block_on(with_a_service())?;
    runtime.start_paused(true);
    runtime.build()?.block_on(with_a_script())?;
    Ok(())
}
