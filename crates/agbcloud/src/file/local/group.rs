//! Many new files: those that wait at the same time are made durable together.
//!
//! A sync of each of ten thousand small files costs more than fetching them; one of the file system that they are on
//! costs hardly more than one of a file.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Written;
use crate::{Error, ErrorKind, Result, clock::Time};

/// Files that may wait.
const ROOM: usize = 512;

/// How long the first waits for others.
const GATHERING: Duration = Duration::from_millis(20);

/// Publishes files together that are written at the same time.
pub(in crate::file) struct Group {
    time: Time,
    room: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    files: Vec<(Written, oneshot::Sender<Result<()>>)>,
    /// Somebody is at it, and will look for more.
    led: bool,
}

impl Group {
    pub(in crate::file) fn new(time: Time) -> Arc<Self> {
        Arc::new(Self {
            time,
            room: Arc::new(Semaphore::new(ROOM)),
            waiting: Mutex::default(),
        })
    }

    /// Waits until one more file may wait; `None` never comes.
    pub(in crate::file) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.room.clone().acquire_owned().await.ok()
    }

    /// Makes a file durable, then visible under its name.
    pub(in crate::file) async fn publish(self: &Arc<Self>, file: Written) -> Result<()> {
        let (tell, told) = oneshot::channel();
        let leads = {
            let mut waiting = self.waiting();
            waiting.files.push((file, tell));
            !std::mem::replace(&mut waiting.led, true)
        };
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

    /// Publishes until nobody waits.
    async fn lead(self: Arc<Self>) {
        loop {
            self.time.sleep(GATHERING).await;
            let files = {
                let mut waiting = self.waiting();
                waiting.led = !waiting.files.is_empty();
                std::mem::take(&mut waiting.files)
            };
            if files.is_empty() {
                return;
            }
            // What is lost in a panic of it is told to those who wait.
            let _ = tokio::task::spawn_blocking(move || publish(files)).await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn publish(files: Vec<(Written, oneshot::Sender<Result<()>>)>) {
    let together = sync_together(files.iter().map(|(file, _)| file));
    for (file, tell) in files {
        let synced = if together { Ok(()) } else { file.sync() };
        let published = match synced {
            Ok(()) => file.appear(),
            Err(error) => Err(file.failed(error)),
        };
        // Who does not listen was dropped.
        let _ = tell.send(published);
    }
}

/// So many files are worth a sync of everything that is on their file system.
#[cfg(target_os = "linux")]
const MANY: usize = 8;

/// Makes all the files durable in one go. Whether it has: otherwise each is to be synced.
///
/// Since Linux 5.8 this tells of what could not be written.
#[cfg(target_os = "linux")]
fn sync_together<'a>(files: impl ExactSizeIterator<Item = &'a Written>) -> bool {
    use std::{collections::BTreeMap, io, os::unix::fs::MetadataExt, path::Path};

    fn of_each_file_system<'a>(files: impl Iterator<Item = &'a Written>) -> io::Result<()> {
        let mut folders: Vec<&Path> = files.map(Written::folder).collect();
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
fn sync_together<'a>(_: impl ExactSizeIterator<Item = &'a Written>) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;
    use crate::file::{download::Sink, local::NewFile};

    async fn written(path: std::path::PathBuf, content: &[u8]) -> Written {
        let file = NewFile::at(path, true);
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
        let group = Group::new(Time::default());
        for count in [1, 3, 40] {
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
        assert_eq!(names, 39, "nothing else is left");
    }

    #[tokio::test]
    async fn one_that_is_dropped_holds_nobody_up() {
        use futures_util::FutureExt;

        let folder = tempfile::tempdir().unwrap();
        let group = Group::new(Time::default());
        let dropped = written(folder.path().join("a"), b"a").await;
        assert!(group.publish(dropped).now_or_never().is_none());
        let next = written(folder.path().join("b"), b"b").await;
        group.publish(next).await.unwrap();
    }
}
