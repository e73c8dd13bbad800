//! Syncs of several machines with wrong clocks: every change is detected, whatever the sizes and times.

mod changes;
mod first_run;
mod kept_copies;

use std::{
    path::Path,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use agbcloud::{Client, Files, SyncDir, SyncReport, testing::Clock};
use agbcloud_server::{ManualClock, Server, test_store};

use super::{remote, tree, write};
use crate::support::KEY;

const HOUR: i64 = 3600;

/// A service with a stopped clock that is off by some seconds.
struct Service {
    server: Server,
    clock: ManualClock,
}

impl Service {
    async fn new(seconds: i64) -> Self {
        let clock = ManualClock::new(shifted(SystemTime::now(), seconds));
        let builder = test_store::builder().api_key(KEY);
        let server = builder.clock(Arc::new(clock.clone())).start();
        let server = server.await.unwrap();
        Self { server, clock }
    }

    /// Creates a machine with a folder and a state of its own, and a clock that is off by some seconds.
    async fn machine(&self, seconds: i64) -> Machine {
        self.machine_with(OffsetClock(seconds)).await
    }

    async fn machine_with(&self, clock: impl Clock + 'static) -> Machine {
        Machine::new(&self.server, clock).await
    }
}

fn shifted(time: SystemTime, seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { time - by } else { time + by }
}

/// A clock that is off by some seconds.
struct OffsetClock(i64);

impl Clock for OffsetClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn system_time(&self) -> SystemTime {
        shifted(SystemTime::now(), self.0)
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(time))
    }
}

struct Machine {
    files: Files,
    folder: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Machine {
    async fn new(server: &Server, clock: impl Clock + 'static) -> Self {
        let builder = Client::builder().api_key(KEY).endpoint(server.url());
        let client = builder.clock(clock).build().unwrap();
        let context = client.contexts().get_or_create("one").await.unwrap();
        Self {
            files: client.contexts().files(&context.id),
            folder: tempfile::tempdir().unwrap(),
            state: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn up(&self) -> SyncDir {
        self.stateless_up().state(self.state.path().join("state"))
    }

    fn down(&self) -> SyncDir {
        self.stateless_down().state(self.state.path().join("state"))
    }

    /// Uploads without a state.
    fn stateless_up(&self) -> SyncDir {
        self.files.upload_dir(self.path(), "/w")
    }

    /// Downloads without a state.
    fn stateless_down(&self) -> SyncDir {
        self.files.download_dir("/w", self.path())
    }

    fn write(&self, path: &str, content: &str) {
        write(self.path(), &[(path, content)]);
    }

    /// Replaces a file by one with the same time.
    fn write_with_the_same_time(&self, path: &str, content: &str) {
        let modified = self.path().join(path).metadata().unwrap().modified();
        self.write_at(path, content, modified.unwrap());
    }

    fn write_at(&self, path: &str, content: &str, time: SystemTime) {
        self.write(path, content);
        let file = std::fs::File::options()
            .append(true)
            .open(self.path().join(path));
        file.unwrap().set_modified(time).unwrap();
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path)).unwrap()
    }

    /// Another program writes a file of the context.
    async fn put(&self, path: &str, content: &str) {
        let content = content.as_bytes().to_vec();
        self.files
            .upload(format!("/w/{path}"), content)
            .await
            .unwrap();
    }

    async fn there(&self, path: &str) -> String {
        let content = self.files.read(format!("/w/{path}")).await.unwrap();
        String::from_utf8(content.to_vec()).unwrap()
    }

    /// Returns the contents of all files of the context, sorted.
    async fn all_there(&self) -> Vec<String> {
        let mut contents = Vec::new();
        for path in remote(&self.files, "/w").await {
            let content = self.files.read(path.as_str()).await.unwrap();
            contents.push(String::from_utf8(content.to_vec()).unwrap());
        }
        contents.sort();
        contents
    }

    /// Returns the contents of all local files, sorted.
    fn all_here(&self) -> Vec<String> {
        let contents = tree(self.path()).into_values();
        let mut contents: Vec<_> = contents
            .map(|content| String::from_utf8(content).unwrap())
            .collect();
        contents.sort();
        contents
    }
}

/// Asserts that one file is a conflict, and that nothing was copied.
#[track_caller]
fn assert_conflict(report: &SyncReport) {
    assert_eq!((report.transferred, report.failed), (0, 1), "{report:?}");
    assert_eq!(
        report.failures[0].error.kind(),
        agbcloud::ErrorKind::Conflict
    );
}
