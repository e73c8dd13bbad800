//! Set-up of the documentation's examples of `agbcloud`, so that an example hides two lines:
//!
//! ```
//! # agbcloud_doctest::run_with_context(async |client, context, files| {
//! files.upload("/data/report.pdf", std::path::Path::new("report.pdf")).await?;
//! # Ok(()) });
//! ```
//!
//! Each function starts a service that keeps everything in memory, runs the example with a client of it, and panics if
//! the example fails. A clear takes 300 ms, so that an example sees it running. The working directory of an example is
//! a temporary folder with a file `report.pdf` and a folder `project` that contains `a.txt` (5 bytes).

use std::{error::Error, time::Duration};

use agbcloud::{Client, Context, Files, blocking};
use agbcloud_server::{Server, ServerBuilder};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Result of an example.
pub type ExampleResult = Result<(), Box<dyn Error>>;

/// The context that some examples start with.
const CONTEXT: &str = "my-project";

/// Any key: the service accepts all.
const API_KEY: &str = "doc";

/// Runs an async example with a client of an empty service.
pub fn run(example: impl AsyncFnOnce(Client) -> ExampleResult) {
    check(|| {
        let _folder = working_directory()?;
        Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(async {
                let service = service().start().await?;
                let builder = Client::builder().api_key(API_KEY).endpoint(service.url());
                example(builder.build()?).await
            })
    });
}

/// Runs an async example with a client, the context `my-project` and its files.
pub fn run_with_context(example: impl AsyncFnOnce(Client, Context, Files) -> ExampleResult) {
    run(async |client| {
        let context = client.contexts().get_or_create(CONTEXT).await?;
        let files = client.contexts().files(&context.id);
        example(client, context, files).await
    });
}

/// Runs an async example without a service, with tokio's time paused.
pub fn run_paused(example: impl AsyncFnOnce() -> ExampleResult) {
    check(|| {
        let mut runtime = Builder::new_current_thread();
        runtime
            .enable_all()
            .start_paused(true)
            .build()?
            .block_on(example())
    });
}

/// Runs a blocking example with a client of an empty service.
pub fn run_blocking(example: impl FnOnce(blocking::Client) -> ExampleResult) {
    check(|| {
        let _folder = working_directory()?;
        let runtime = Runtime::new()?;
        let service = runtime.block_on(service().start())?;
        let builder = blocking::Client::builder()
            .api_key(API_KEY)
            .endpoint(service.url());
        example(builder.build()?)
    });
}

/// Runs a blocking example with a client, the context `my-project` and its files.
pub fn run_blocking_with_context(
    example: impl FnOnce(blocking::Client, Context, blocking::Files) -> ExampleResult,
) {
    run_blocking(|client| {
        let context = client.contexts().get_or_create(CONTEXT).send()?;
        let files = client.contexts().files(&context.id);
        example(client, context, files)
    });
}

#[track_caller]
fn check(example: impl FnOnce() -> ExampleResult) {
    if let Err(error) = example() {
        panic!("the example failed: {error:?}");
    }
}

fn service() -> ServerBuilder {
    Server::builder().clear_delay(Duration::from_millis(300))
}

/// Enters a temporary folder. rustdoc runs each example in a process of its own.
fn working_directory() -> Result<TempDir, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("report.pdf"), "%PDF")?;
    std::fs::create_dir(folder.path().join("project"))?;
    std::fs::write(folder.path().join("project/a.txt"), "hello")?;
    std::env::set_current_dir(folder.path())?;
    Ok(folder)
}
