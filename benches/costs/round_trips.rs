//! Counts the HTTP requests of operations of the SDK to the service. Prints JSON for `cargo xtask costs`.

use std::path::Path;

use agbcloud::{Client, ContextId, Contexts, Files, SyncDir, SyncReport};
use agbcloud_benches::{Error, KEY};
use agbcloud_server::Server;
use serde_json::{Map, Value};
use tempfile::TempDir;

const NAME: &str = "bench";

/// Number of files of a folder.
const FILES: usize = 100;
const SMALL: usize = 4 * 1024;
/// Downloaded in parts.
const LARGE: usize = 64 * 1024 * 1024;

/// A service, and the number of requests that it has answered.
struct Counter {
    _server: Server,
    metrics: String,
    http: reqwest::Client,
    counts: Map<String, Value>,
    before: u64,
}

impl Counter {
    async fn answered(&self) -> Result<u64, Error> {
        let response = self.http.get(&self.metrics).send().await?;
        let text = response.error_for_status()?.text().await?;
        let mut total = 0;
        for line in text
            .lines()
            .filter(|line| line.starts_with("agb_requests_total{"))
        {
            let count = line.rsplit(' ').next().unwrap_or_default();
            total += count.parse::<u64>()?;
        }
        Ok(total)
    }

    /// Returns the requests since the last call.
    async fn count(&mut self) -> Result<u64, Error> {
        let now = self.answered().await?;
        let count = now - self.before;
        self.before = now;
        Ok(count)
    }

    /// Records the requests since the last call.
    async fn record(&mut self, operation: &str) -> Result<(), Error> {
        let count = self.count().await?;
        self.counts.insert(operation.to_owned(), count.into());
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let server = Server::builder().memory().api_key(KEY);
    let server = server.metrics_listen(([127, 0, 0, 1], 0).into());
    let server = server.start().await?;
    let address = server.metrics_addr().ok_or("no address for metrics")?;
    let client = Client::builder().api_key(KEY).endpoint(server.url());
    let contexts = client.build()?.contexts();
    let mut counter = Counter {
        _server: server,
        metrics: format!("http://{address}/metrics"),
        http: reqwest::Client::new(),
        counts: Map::new(),
        before: 0,
    };
    let id = count_calls(&mut counter, &contexts).await?;
    let files = contexts.files(&id);
    count_transfers(&mut counter, &files).await?;
    count_folders(&mut counter, &files).await?;
    println!("{}", Value::Object(counter.counts));
    Ok(())
}

async fn count_calls(counter: &mut Counter, contexts: &Contexts) -> Result<ContextId, Error> {
    let id = contexts.get_or_create(NAME).await?.id.clone();
    counter.record("get_or_create, new").await?;
    contexts.get_or_create(NAME).await?;
    counter.record("get_or_create, existing").await?;
    contexts.get(&id).await?;
    counter.record("get").await?;
    contexts.list().await?;
    counter.record("list a page of contexts").await?;
    Ok(id)
}

async fn count_transfers(counter: &mut Counter, files: &Files) -> Result<(), Error> {
    let local = TempDir::new()?;
    let large = local.path().join("large");
    std::fs::write(&large, vec![7; LARGE])?;
    files.upload("/small", vec![7; SMALL]).await?;
    counter.record("upload 4 KiB").await?;
    files.upload("/large", &large).await?;
    counter.record("upload 64 MiB").await?;
    let mut content = Vec::new();
    files.download("/small", &mut content).await?;
    assert_eq!(content.len(), SMALL);
    counter.record("download 4 KiB").await?;
    let target = local.path().join("copy");
    files.download("/large", &target).await?;
    assert_eq!(std::fs::metadata(target)?.len(), LARGE as u64);
    counter.record("download 64 MiB").await?;
    content.clear();
    files.download("/large", &mut content).range(..100).await?;
    assert_eq!(content.len(), 100);
    counter.record("download a range").await?;
    files.list().await?;
    counter.record("list a page of files").await?;
    files.delete("/large").await?;
    counter.record("delete a file").await
}

async fn count_folders(counter: &mut Counter, files: &Files) -> Result<(), Error> {
    let (local, copy) = (TempDir::new()?, TempDir::new()?);
    fill(local.path())?;
    let up = || files.upload_dir(local.path(), "/folder");
    let down = || files.download_dir("/folder", copy.path());
    transfer(up(), FILES).await?;
    counter.record("upload 100 files").await?;
    transfer(up(), 0).await?;
    counter.record("upload 100 unchanged files").await?;
    transfer(down(), FILES).await?;
    counter.record("download 100 files").await?;
    transfer(down(), 0).await?;
    counter.record("download 100 unchanged files").await
}

async fn transfer(sync: SyncDir, copied: usize) -> Result<(), Error> {
    let report: SyncReport = sync.await?;
    assert!(report.failures.is_empty(), "{report:?}");
    assert_eq!(usize::try_from(report.transferred)?, copied);
    Ok(())
}

fn fill(folder: &Path) -> Result<(), Error> {
    for number in 0..FILES {
        std::fs::write(folder.join(number.to_string()), vec![7; SMALL])?;
    }
    Ok(())
}
