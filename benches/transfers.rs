//! Compares transfers by the SDK and by plain reqwest, against the same local service: one file of 64 MiB, and a folder of
//! 200 files of 4 KiB. `transfers.py` compares whole commands with more data.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use agbcloud::{Client, Files};
use agbcloud_benches::{KEY, PlainClient};
use agbcloud_server::Server;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, SamplingMode, criterion_group, criterion_main};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const LARGE: usize = 64 * 1024 * 1024;
const MANY: usize = 200;
const SMALL: usize = 4 * 1024;

/// The service and the clients, each on its own runtime.
struct Fixture {
    _service: Runtime,
    _server: Server,
    clients: Runtime,
    files: Files,
    plain: PlainClient,
    folder: TempDir,
    /// Number of remote folders, so that each run uses a new one.
    runs: AtomicU64,
}

impl Fixture {
    fn new() -> Self {
        let (service, clients) = (Runtime::new().unwrap(), Runtime::new().unwrap());
        let server = Server::builder().memory().api_key(KEY).start();
        let server = service.block_on(server).unwrap();
        let client = Client::builder().api_key(KEY).endpoint(server.url());
        let contexts = client.build().unwrap().contexts();
        let context = clients.block_on(contexts.get_or_create("bench").into_future());
        let id = context.unwrap().id.clone();
        Self {
            files: contexts.files(&id),
            plain: PlainClient::new(server.url(), KEY, id.as_str()).unwrap(),
            folder: tempfile::tempdir().unwrap(),
            runs: AtomicU64::new(0),
            clients,
            _server: server,
            _service: service,
        }
    }

    fn new_remote(&self) -> String {
        format!("/run-{}", self.runs.fetch_add(1, Ordering::Relaxed))
    }

    fn new_local(&self) -> TempDir {
        tempfile::tempdir_in(&self.folder).unwrap()
    }

    /// Creates the files to upload.
    fn many(&self) -> PathBuf {
        let folder = self.folder.path().join("many");
        std::fs::create_dir_all(&folder).unwrap();
        for n in 0..MANY {
            std::fs::write(folder.join(n.to_string()), content(n, SMALL)).unwrap();
        }
        folder
    }
}

/// Content that differs for each `n`.
fn content(n: usize, bytes: usize) -> Vec<u8> {
    let word = n.wrapping_mul(0x9E37_79B9).to_le_bytes();
    word.into_iter().cycle().take(bytes).collect()
}

fn large(c: &mut Criterion) {
    let fixture = Fixture::new();
    let (files, plain) = (&fixture.files, &fixture.plain);
    let content = Bytes::from(content(1, LARGE));
    let mut group = c.benchmark_group("transfers: up and down, 64 MiB of memory");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.bench_function("plain reqwest", |b| {
        b.to_async(&fixture.clients).iter(|| async {
            plain.put("/plain", content.clone()).await.unwrap();
            assert_eq!(plain.get("/plain").await.unwrap(), content);
        });
    });
    group.bench_function("agbcloud", |b| {
        b.to_async(&fixture.clients).iter(|| async {
            files.upload("/sdk", content.clone()).await.unwrap();
            assert_eq!(files.read("/sdk").await.unwrap(), content);
        });
    });
    group.finish();
}

fn up(c: &mut Criterion) {
    let fixture = Fixture::new();
    let (files, plain, many) = (&fixture.files, &fixture.plain, &fixture.many());
    let mut group = c.benchmark_group("transfers: up, 200 files of 4 KiB");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let remote = || fixture.new_remote();
    group.bench_function("plain reqwest", |b| {
        b.to_async(&fixture.clients).iter_batched(
            remote,
            |remote| async move { assert_eq!(plain.upload_dir(many, &remote).await.unwrap(), MANY) },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("agbcloud", |b| {
        b.to_async(&fixture.clients).iter_batched(
            remote,
            |remote| async move {
                let report = files.upload_dir(many, remote).await.unwrap();
                assert_eq!(report.transferred, MANY as u64, "{report:?}");
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn down(c: &mut Criterion) {
    let fixture = Fixture::new();
    let (files, plain, many) = (&fixture.files, &fixture.plain, fixture.many());
    let uploaded = fixture.clients.block_on(plain.upload_dir(&many, "/many"));
    assert_eq!(uploaded.unwrap(), MANY);
    let mut group = c.benchmark_group("transfers: down, 200 files of 4 KiB");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let local = || fixture.new_local();
    group.bench_function("plain reqwest", |b| {
        b.to_async(&fixture.clients).iter_batched(
            local,
            |local| async move {
                assert_eq!(
                    plain.download_dir("/many", local.path()).await.unwrap(),
                    MANY
                );
                check(local.path());
                local
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("agbcloud", |b| {
        b.to_async(&fixture.clients).iter_batched(
            local,
            |local| async move {
                let download = files.download_dir("/many", local.path());
                let report = download.await.unwrap();
                assert_eq!(report.transferred, MANY as u64, "{report:?}");
                check(local.path());
                local
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Checks the content of one file and the number of files. Comparing all would take longer than the download.
fn check(local: &Path) {
    let last = std::fs::read(local.join((MANY - 1).to_string())).unwrap();
    assert_eq!(last, content(MANY - 1, SMALL));
    assert_eq!(std::fs::read_dir(local).unwrap().count(), MANY);
}

criterion_group!(benches, large, up, down);
criterion_main!(benches);
