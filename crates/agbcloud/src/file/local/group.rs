//! Many new files: those that wait at the same time are made durable together.
//!
//! A sync of each of ten thousand small files costs more than fetching them; one of the file system that they are on
//! costs hardly more than one of a file.

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot},
    task::{JoinHandle, spawn_blocking},
};

use super::{Laid, Written, open_files};
use crate::{Error, ErrorKind, Result, clock::Time};

/// KiB that files may take in memory while they wait.
const ROOM: usize = 16 * 1024;

/// KiB that each takes at least.
const EACH: usize = 4;

/// KiB of files that wait for no others: a group is being published while others gather.
const ENOUGH: usize = ROOM / 16;

/// How long fewer than that wait for others, at least and at most. It is an eighth of the time for which there is the group:
/// the more are published together, the less each costs.
const GATHERING: RangeInclusive<Duration> = Duration::from_millis(20)..=Duration::from_millis(250);

/// Publishes files together that are written at the same time.
pub(in crate::file) struct Group {
    time: Time,
    durable: bool,
    open_at_most: usize,
    began: Instant,
    room: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
    /// Tells the one that gathers that it is enough.
    enough: Notify,
}

/// A file, and whom to tell.
struct Waits<T> {
    file: T,
    tell: oneshot::Sender<Result<()>>,
}

impl<T> Waits<T> {
    /// Nothing, and the file is gone, if whoever waited for it was dropped.
    fn wanted(self) -> Option<Self> {
        Some(self).filter(|waits| !waits.tell.is_closed())
    }
}

#[derive(Default)]
struct Waiting {
    files: Vec<Waits<Written>>,
    kib: usize,
    /// Somebody is at it, and will look for more.
    led: bool,
    /// No others are expected.
    closed: bool,
}

impl Waiting {
    fn are_enough(&self) -> bool {
        self.closed || self.kib >= ENOUGH
    }
}

impl Group {
    pub(in crate::file) fn new(time: Time, durable: bool) -> Arc<Self> {
        Arc::new(Self {
            began: time.now(),
            time,
            durable,
            open_at_most: open_at_most(),
            room: Arc::new(Semaphore::new(ROOM)),
            waiting: Mutex::default(),
            enough: Notify::new(),
        })
    }

    /// Waits until this file may wait too; `None` never comes.
    pub(in crate::file) async fn room(&self, file: &Written) -> Option<OwnedSemaphorePermit> {
        // One that is open takes the place of many: so no more are open than may be.
        let open = match file.is_open() {
            true => ROOM / self.open_at_most,
            false => 0,
        };
        let takes = kib(file).max(open).min(ROOM).try_into().unwrap_or(u32::MAX);
        self.room.clone().acquire_many_owned(takes).await.ok()
    }

    /// Makes a file durable, if that is asked for, then visible under its name.
    pub(in crate::file) async fn publish(self: &Arc<Self>, file: Written) -> Result<()> {
        let (tell, told) = oneshot::channel();
        let (leads, enough) = {
            let mut waiting = self.waiting();
            waiting.kib += kib(&file);
            waiting.files.push(Waits { file, tell });
            let led = std::mem::replace(&mut waiting.led, true);
            (!led, waiting.are_enough())
        };
        if enough {
            self.enough.notify_one();
        }
        if leads {
            // Not awaited: it goes on for the others when this one is dropped.
            tokio::spawn(self.clone().lead());
        }
        let ended = |_| {
            Error::new(
                ErrorKind::LocalFile,
                "the local file could not be worked on",
            )
        };
        told.await.map_err(ended)?
    }

    /// Expects no more files than those under way: nobody waits for others any longer.
    pub(in crate::file) fn close(&self) {
        self.waiting().closed = true;
        self.enough.notify_one();
    }

    /// Publishes until nobody waits.
    async fn lead(self: Arc<Self>) {
        let mut before = None;
        loop {
            self.gather().await;
            let files = {
                let mut waiting = self.waiting();
                waiting.led = !waiting.files.is_empty();
                waiting.kib = 0;
                std::mem::take(&mut waiting.files)
            };
            if files.is_empty() {
                return;
            }
            let (mut left, open) = (files, self.open_at_most);
            while !left.is_empty() {
                let rest = left.split_off(open.min(left.len()));
                before = self.publish_all(left, before).await;
                left = rest;
            }
        }
    }

    /// Publishes these files after those of the group before. The disk is busy with those while these are written.
    async fn publish_all(
        &self,
        files: Vec<Waits<Written>>,
        before: Option<JoinHandle<()>>,
    ) -> Option<JoinHandle<()>> {
        // What is lost in a panic is told to those who wait.
        if !self.durable {
            let _ = spawn_blocking(|| files.into_iter().for_each(publish)).await;
            return None;
        }
        let laid = spawn_blocking(|| lay(files)).await;
        if let Some(before) = before {
            let _ = before.await;
        }
        Some(spawn_blocking(|| settle(laid.unwrap_or_default())))
    }

    async fn gather(&self) {
        let wait = (self.time.since(self.began) / 8).clamp(*GATHERING.start(), *GATHERING.end());
        let enough = async {
            while !self.waiting().are_enough() {
                self.enough.notified().await;
            }
        };
        tokio::select! {
            () = enough => {}
            () = self.time.sleep(wait) => {}
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kib(file: &Written) -> usize {
    file.held().div_ceil(1024) + EACH
}

fn publish(waits: Waits<Written>) {
    if let Some(Waits { file, tell }) = waits.wanted() {
        say(tell, file.lay().and_then(Laid::appear));
    }
}

/// Files of a group that are open while they wait, at most: there are two groups, which take no more than a quarter of what
/// the process may still open.
fn open_at_most() -> usize {
    const OPEN: usize = 128;
    let eighth = open_files::left().map(|left| left / 8);
    eighth.map_or(OPEN, |eighth| eighth.clamp(1, OPEN))
}

fn lay(files: Vec<Waits<Written>>) -> Vec<Waits<Laid>> {
    let mut laid = Vec::with_capacity(files.len());
    for Waits { file, tell } in files.into_iter().filter_map(Waits::wanted) {
        match file.lay() {
            Ok(file) => laid.push(Waits { file, tell }),
            Err(error) => say(tell, Err(error)),
        }
    }
    laid
}

/// Makes them durable, and puts each in its place.
fn settle(laid: Vec<Waits<Laid>>) {
    let done = sync_together(laid.iter().map(|waits| &waits.file));
    for Waits { file, tell } in laid.into_iter().filter_map(Waits::wanted) {
        let synced = if done { Ok(()) } else { file.sync() };
        let published = match synced {
            Ok(()) => file.appear(),
            Err(error) => Err(file.failed(error)),
        };
        say(tell, published);
    }
}

fn say(tell: oneshot::Sender<Result<()>>, published: Result<()>) {
    // Who does not listen was dropped meanwhile.
    let _ = tell.send(published);
}

/// So many files are worth a sync of everything that is on their file system.
#[cfg(target_os = "linux")]
const MANY: usize = 8;

/// Makes all the files durable in one go. Whether it has: otherwise each is to be synced.
///
/// Since Linux 5.8 this tells of what could not be written.
#[cfg(target_os = "linux")]
fn sync_together<'a>(files: impl ExactSizeIterator<Item = &'a Laid>) -> bool {
    use std::{collections::BTreeMap, io, os::unix::fs::MetadataExt, path::Path};

    fn of_each_file_system<'a>(files: impl Iterator<Item = &'a Laid>) -> io::Result<()> {
        let mut folders: Vec<&Path> = files.map(Laid::folder).collect();
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
    files.len() >= MANY && of_each_file_system(files).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn sync_together<'a>(_: impl ExactSizeIterator<Item = &'a Laid>) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;
    use crate::file::{
        download::Sink,
        local::{Before, NewFile},
    };

    async fn written(path: std::path::PathBuf, content: &[u8]) -> Written {
        let file = NewFile::at(path, true, Before::Unseen);
        let mut part = file.part(0);
        part.take(content).await.unwrap();
        part.finish().await.unwrap();
        drop(part);
        file.written(content.len() as u64, None).await.unwrap()
    }

    #[tokio::test]
    async fn all_that_wait_are_published_and_one_that_fails_fails_alone() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("13");
        for (count, durable) in [(1, true), (3, false), (300, true), (40, false)] {
            let group = Group::new(Time::default(), durable);
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
                    assert_eq!(published.unwrap_err().kind(), ErrorKind::LocalFile);
                } else {
                    published.unwrap();
                    assert_eq!(std::fs::read_to_string(path).unwrap(), n.to_string());
                }
            }
            std::fs::remove_dir(&blocked).unwrap();
        }
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 299, "nothing else is left");
    }

    #[tokio::test]
    async fn one_that_is_dropped_holds_nobody_up() {
        use futures_util::FutureExt;

        let folder = tempfile::tempdir().unwrap();
        let group = Group::new(Time::default(), true);
        let dropped = written(folder.path().join("a"), b"a").await;
        assert!(group.publish(dropped).now_or_never().is_none());
        let next = written(folder.path().join("b"), b"b").await;
        group.publish(next).await.unwrap();
        assert!(!folder.path().join("a").exists(), "nobody wants it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_waits_for_others_but_not_when_they_are_enough_or_there_are_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let group = Group::new(Time::default(), true);
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
        let many = ENOUGH.div_ceil(EACH + 200);
        assert_eq!(waited(many, 200 * 1024).await, Duration::ZERO);
        group.close();
        assert_eq!(waited(1, 1).await, Duration::ZERO);
    }
}
