//! Syncing many small files with one call.
//!
//! To sync ten thousand small files one by one costs more than to download them. To sync their file system once costs hardly
//! more than to sync one file.

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot},
    task::{JoinHandle, spawn_blocking},
};

use super::{
    atomic_file::{AtomicFile, Published, Synced, Writing},
    local::{local_task_failed, open_files},
};
use crate::{Result, clock::Time, lock::lock};

/// KiB of memory that waiting files may take.
const MAX_WAITING: usize = 16 * 1024;

/// KiB that each file counts at least.
const PER_FILE: usize = 4;

/// KiB of files that are published without waiting for others: the next group gathers while one is published.
const FULL_GROUP: usize = MAX_WAITING / 16;

/// Minimum and maximum time that an incomplete group waits for other files. It is an eighth of the age of the group sync:
/// the more files are published together, the less each costs.
const GATHERING: RangeInclusive<Duration> = Duration::from_millis(20)..=Duration::from_millis(250);

/// Publishes files together that are completed at the same time.
pub(crate) struct GroupSync {
    time: Time,
    durable: bool,
    max_open: usize,
    started: Instant,
    memory: Arc<Semaphore>,
    queue: Mutex<GroupQueue>,
    /// Notified when the group is full.
    full: Notify,
}

/// A file, and the channel for its result.
struct QueuedFile {
    file: AtomicFile<Writing>,
    result: oneshot::Sender<Result<AtomicFile<Published>>>,
}

impl QueuedFile {
    /// `None`, which removes the file, if the caller has been dropped.
    fn awaited(self) -> Option<Self> {
        Some(self).filter(|queued| !queued.result.is_closed())
    }
}

#[derive(Default)]
struct GroupQueue {
    files: Vec<QueuedFile>,
    kib: usize,
    /// A task publishes the queue.
    has_leader: bool,
    /// No further files are expected.
    closed: bool,
}

impl GroupQueue {
    fn is_full(&self) -> bool {
        self.closed || self.kib >= FULL_GROUP
    }
}

impl GroupSync {
    pub(crate) fn new(time: Time, durable: bool) -> Arc<Self> {
        Arc::new(Self {
            started: time.now(),
            time,
            durable,
            max_open: max_open(),
            memory: Arc::new(Semaphore::new(MAX_WAITING)),
            queue: Mutex::default(),
            full: Notify::new(),
        })
    }

    /// Waits until a file may be published. `None` does not occur.
    pub(crate) async fn reserve(&self, file: &AtomicFile<Writing>) -> Option<OwnedSemaphorePermit> {
        // An open file counts as many small ones, which limits the number of open files.
        let open = match file.is_open() {
            true => MAX_WAITING / self.max_open,
            false => 0,
        };
        let kib = kib(file).max(open).min(MAX_WAITING);
        let kib = kib.try_into().unwrap_or(u32::MAX);
        self.memory.clone().acquire_many_owned(kib).await.ok()
    }

    /// Syncs a file, if requested, and makes it visible under its name.
    pub(crate) async fn publish(
        self: &Arc<Self>,
        file: AtomicFile<Writing>,
    ) -> Result<AtomicFile<Published>> {
        let (result, published) = oneshot::channel();
        let (leads, full) = {
            let mut queue = lock(&self.queue);
            queue.kib += kib(&file);
            queue.files.push(QueuedFile { file, result });
            let has_leader = std::mem::replace(&mut queue.has_leader, true);
            (!has_leader, queue.is_full())
        };
        if full {
            self.full.notify_one();
        }
        if leads {
            // A task of its own: it publishes the files of others even if this future is dropped.
            tokio::spawn(self.clone().lead());
        }
        published.await.map_err(local_task_failed)?
    }

    /// Publishes what is queued without waiting for other files, from now on.
    pub(crate) fn close(&self) {
        lock(&self.queue).closed = true;
        self.full.notify_one();
    }

    /// Publishes until the queue is empty.
    async fn lead(self: Arc<Self>) {
        let mut previous = None;
        loop {
            self.gather().await;
            let mut files = {
                let mut queue = lock(&self.queue);
                queue.has_leader = !queue.files.is_empty();
                queue.kib = 0;
                std::mem::take(&mut queue.files)
            };
            if files.is_empty() {
                return;
            }
            while !files.is_empty() {
                let rest = files.split_off(self.max_open.min(files.len()));
                previous = self.publish_all(files, previous).await;
                files = rest;
            }
        }
    }

    /// Publishes a group after the previous one. Its files are written while the previous one is synced.
    async fn publish_all(
        &self,
        files: Vec<QueuedFile>,
        previous: Option<JoinHandle<()>>,
    ) -> Option<JoinHandle<()>> {
        // The callers of files that are lost in a panic get an error, since their channels close.
        if !self.durable {
            let _ = spawn_blocking(|| files.into_iter().for_each(publish_without_sync)).await;
            return None;
        }
        let written = spawn_blocking(|| write_out_all(files)).await;
        if let Some(previous) = previous {
            let _ = previous.await;
        }
        let written = written.unwrap_or_default();
        Some(spawn_blocking(|| sync_and_publish(written)))
    }

    async fn gather(&self) {
        let age = self.time.since(self.started);
        let wait = (age / 8).clamp(*GATHERING.start(), *GATHERING.end());
        let full = async {
            while !lock(&self.queue).is_full() {
                self.full.notified().await;
            }
        };
        tokio::select! {
            () = full => {}
            () = self.time.sleep(wait) => {}
        }
    }
}

fn kib(file: &AtomicFile<Writing>) -> usize {
    file.memory_bytes().div_ceil(1024) + PER_FILE
}

/// The maximum number of open files in a group. Two groups take at most a quarter of the files that the process may still
/// open.
fn max_open() -> usize {
    const MAX: usize = 128;
    let eighth = open_files::remaining().map(|remaining| remaining / 8);
    eighth.map_or(MAX, |eighth| eighth.clamp(1, MAX))
}

fn publish_without_sync(queued: QueuedFile) {
    if let Some(QueuedFile { file, result }) = queued.awaited() {
        let published = file.assume_synced().and_then(AtomicFile::<Synced>::publish);
        // Sending fails if the caller has been dropped.
        let _ = result.send(published);
    }
}

fn write_out_all(files: Vec<QueuedFile>) -> Vec<QueuedFile> {
    let mut written = Vec::with_capacity(files.len());
    for QueuedFile { file, result } in files.into_iter().filter_map(QueuedFile::awaited) {
        match file.write_out() {
            Ok(file) => written.push(QueuedFile { file, result }),
            Err(error) => drop(result.send(Err(error))),
        }
    }
    written
}

fn sync_and_publish(files: Vec<QueuedFile>) {
    let all_synced = sync_file_systems(files.iter().map(|queued| &queued.file));
    for QueuedFile { file, result } in files.into_iter().filter_map(QueuedFile::awaited) {
        let synced = match all_synced {
            true => file.assume_synced(),
            false => file.sync(),
        };
        let _ = result.send(synced.and_then(AtomicFile::<Synced>::publish));
    }
}

/// Number of files from which on a sync of the file system is cheaper than one of each file.
#[cfg(target_os = "linux")]
const WORTH_SYNCFS: usize = 8;

/// Syncs the file systems of all files. Returns `false` if each file must be synced instead.
///
/// `syncfs` reports write errors since Linux 5.8.
#[cfg(target_os = "linux")]
fn sync_file_systems<'a>(files: impl ExactSizeIterator<Item = &'a AtomicFile<Writing>>) -> bool {
    use std::{collections::BTreeMap, io, os::unix::fs::MetadataExt, path::Path};

    fn sync<'a>(files: impl Iterator<Item = &'a AtomicFile<Writing>>) -> io::Result<()> {
        let mut folders: Vec<&Path> = files.map(AtomicFile::folder).collect();
        folders.dedup();
        let mut systems = BTreeMap::new();
        for folder in folders {
            let folder = std::fs::File::open(folder)?;
            systems.insert(folder.metadata()?.dev(), folder);
        }
        systems
            .values()
            .try_for_each(|folder| Ok(rustix::fs::syncfs(folder)?))
    }
    files.len() >= WORTH_SYNCFS && sync(files).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn sync_file_systems<'a>(_: impl ExactSizeIterator<Item = &'a AtomicFile<Writing>>) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;
    use crate::{ErrorKind, file::download_sink::DownloadSink};

    async fn written(path: std::path::PathBuf, content: &[u8]) -> AtomicFile<Writing> {
        let file = AtomicFile::new(path, true);
        let mut part = file.part(0);
        part.write(&content.to_vec().into()).await.unwrap();
        part.finish().await.unwrap();
        drop(part);
        file.complete(content.len() as u64, None).await.unwrap()
    }

    #[tokio::test]
    async fn all_files_are_published_and_a_failure_affects_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("13");
        for (count, durable) in [(1, true), (3, false), (300, true), (40, false)] {
            let group = GroupSync::new(Time::default(), durable);
            let mut files = Vec::new();
            for n in 0..count {
                let path = folder.path().join(n.to_string());
                files.push(written(path, n.to_string().as_bytes()).await);
            }
            let _ = std::fs::remove_file(&blocked);
            std::fs::create_dir(&blocked).unwrap();
            let published = files.into_iter().map(|file| group.publish(file));
            for (n, published) in join_all(published).await.into_iter().enumerate() {
                let path = folder.path().join(n.to_string());
                if path == blocked {
                    let error = published.err().unwrap();
                    assert_eq!(error.kind(), ErrorKind::LocalFile);
                } else {
                    published.unwrap();
                    assert_eq!(std::fs::read_to_string(path).unwrap(), n.to_string());
                }
            }
            std::fs::remove_dir(&blocked).unwrap();
        }
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 299, "only published files remain");
    }

    #[tokio::test]
    async fn a_dropped_file_does_not_delay_others() {
        use futures_util::FutureExt;

        let folder = tempfile::tempdir().unwrap();
        let group = GroupSync::new(Time::default(), true);
        let dropped = written(folder.path().join("a"), b"a").await;
        assert!(group.publish(dropped).now_or_never().is_none());
        let next = written(folder.path().join("b"), b"b").await;
        group.publish(next).await.unwrap();
        assert!(!folder.path().join("a").exists(), "its future was dropped");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_waits_for_others_unless_the_group_is_full_or_closed() {
        let folder = tempfile::tempdir().unwrap();
        let group = GroupSync::new(Time::default(), true);
        let waited = async |files: usize, bytes: usize| {
            let began = group.time.now();
            let mut all = Vec::new();
            for n in 0..files {
                all.push(written(folder.path().join(n.to_string()), &vec![7; bytes]).await);
            }
            let published = all.into_iter().map(|file| group.publish(file));
            for published in join_all(published).await {
                published.unwrap();
            }
            group.time.since(began)
        };
        assert!(waited(1, 1).await >= *GATHERING.start());
        let many = FULL_GROUP.div_ceil(PER_FILE + 200);
        assert_eq!(waited(many, 200 * 1024).await, Duration::ZERO);
        group.close();
        assert_eq!(waited(1, 1).await, Duration::ZERO);
    }
}
