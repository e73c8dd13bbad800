//! Transfers through the SDK and through a bare reqwest loop, side by side against the same service on this machine:
//! one file of 64 MiB, and a folder of 200 files of 4 KiB. Whole commands and larger amounts are in `transfers.py`.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use agbcloud::{Client, Files};
use agbcloud_benches::{Bare, KEY};
use agbcloud_server::Server;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, SamplingMode, criterion_group, criterion_main};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const LARGE: usize = 64 * 1024 * 1024;
const MANY: usize = 200;
const SMALL: usize = 4 * 1024;

/// The service on a runtime of its own, and the clients on another.
struct Setting {
    _service: Runtime,
    _server: Server,
    clients: Runtime,
    files: Files,
    bare: Bare,
    folder: TempDir,
    /// Counts remote folders, so that each run finds an empty one.
    runs: AtomicU64,
}

impl Setting {
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
            bare: Bare::new(server.url(), KEY, id.as_str()).unwrap(),
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

    /// The files to be sent.
    fn many(&self) -> PathBuf {
        let folder = self.folder.path().join("many");
        std::fs::create_dir_all(&folder).unwrap();
        for n in 0..MANY {
            std::fs::write(folder.join(n.to_string()), content(n, SMALL)).unwrap();
        }
        folder
    }
}

/// So many bytes that are not those of another number.
fn content(n: usize, bytes: usize) -> Vec<u8> {
    let word = n.wrapping_mul(0x9E37_79B9).to_le_bytes();
    word.into_iter().cycle().take(bytes).collect()
}

fn large(c: &mut Criterion) {
    let setting = Setting::new();
    let (files, bare) = (&setting.files, &setting.bare);
    let sent = Bytes::from(content(1, LARGE));
    let mut group = c.benchmark_group("transfers: up and down, 64 MiB of memory");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.bench_function("bare reqwest", |b| {
        b.to_async(&setting.clients).iter(|| async {
            bare.put("/bare", sent.clone()).await.unwrap();
            assert_eq!(bare.get("/bare").await.unwrap(), sent);
        });
    });
    group.bench_function("agbcloud", |b| {
        b.to_async(&setting.clients).iter(|| async {
            files.upload("/sdk", sent.clone()).await.unwrap();
            assert_eq!(files.read("/sdk").await.unwrap(), sent);
        });
    });
    group.finish();
}

fn up(c: &mut Criterion) {
    let setting = Setting::new();
    let (files, bare, many) = (&setting.files, &setting.bare, &setting.many());
    let mut group = c.benchmark_group("transfers: up, 200 files of 4 KiB");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let remote = || setting.new_remote();
    group.bench_function("bare reqwest", |b| {
        b.to_async(&setting.clients).iter_batched(
            remote,
            |remote| async move { assert_eq!(bare.up(many, &remote).await.unwrap(), MANY) },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("agbcloud", |b| {
        b.to_async(&setting.clients).iter_batched(
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
    let setting = Setting::new();
    let (files, bare, many) = (&setting.files, &setting.bare, setting.many());
    let sent = setting.clients.block_on(bare.up(&many, "/many"));
    assert_eq!(sent.unwrap(), MANY);
    let mut group = c.benchmark_group("transfers: down, 200 files of 4 KiB");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let local = || setting.new_local();
    group.bench_function("bare reqwest", |b| {
        b.to_async(&setting.clients).iter_batched(
            local,
            |local| async move {
                assert_eq!(bare.down("/many", local.path()).await.unwrap(), MANY);
                check(local.path());
                local
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("agbcloud", |b| {
        b.to_async(&setting.clients).iter_batched(
            local,
            |local| async move {
                let fetch = files.download_dir("/many", local.path());
                let report = fetch.await.unwrap();
                assert_eq!(report.transferred, MANY as u64, "{report:?}");
                check(local.path());
                local
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Whether one of the files is what was sent: all of them would take longer than fetching them.
fn check(local: &Path) {
    let last = std::fs::read(local.join((MANY - 1).to_string())).unwrap();
    assert_eq!(last, content(MANY - 1, SMALL));
    assert_eq!(std::fs::read_dir(local).unwrap().count(), MANY);
}

criterion_group!(benches, large, up, down);
criterion_main!(benches);
