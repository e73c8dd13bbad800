//! Room on the disk that is kept for deletions: to delete takes a little room in the database's log, and whoever
//! deletes to make room on a full disk must not fail for want of it.
//!
//! The room is a file. When the disk is full nearly all of it goes, so that deletions can go on, and what would take room is
//! refused until there is enough to have the file again and a little besides. Pages that are free in the database count
//! as room: what is deleted from it comes back to it, and not to the disk. So a smaller file has to do then.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// In bytes. The first that fits twice when the store is opened, so that what is kept is no more than what is left to
/// use: a log is moved into the database before it has four MiB.
const SIZES: [u64; 3] = [8 * 1024 * 1024, 2 * 1024 * 1024, 512 * 1024];

/// What stays of it, in bytes, so that the store can be opened on a full disk: that takes room for the log and its index.
const OPENING: u64 = 128 * 1024;

/// What has to be free besides, in bytes, before the room is kept again: else the next write would be the last.
const MARGIN: u64 = 256 * 1024;

pub(super) struct Reserve {
    /// None where there is no disk, or no way to keep room on it.
    path: Option<PathBuf>,
    /// The size that it is to have; for the time being it can be a smaller one.
    size: u64,
    held: bool,
    /// Tells others whether it is not held.
    low: Arc<AtomicBool>,
}

impl Reserve {
    /// For a store in memory.
    pub(super) fn none() -> Self {
        Self {
            path: None,
            size: 0,
            held: false,
            low: Arc::default(),
        }
    }

    /// Gives all the room back, before the store is opened.
    pub(super) fn release(path: &Path) {
        // There is none in a new store.
        let _ = fs::remove_file(path);
    }

    /// Keeps room by a file of this name, and tells in `low` when it was given up.
    pub(super) fn open(path: PathBuf, low: Arc<AtomicBool>) -> Self {
        let mut reserve = Self {
            path: Some(path),
            size: 0,
            held: false,
            low,
        };
        for size in SIZES {
            reserve.size = size;
            if reserve.allocate(2 * size, size) {
                break;
            }
        }
        reserve
    }

    /// Whether what takes room may be done without a further look.
    pub(super) fn is_held(&self) -> bool {
        self.path.is_none() || self.held
    }

    /// Whether what takes room may be done: the room for deletions is kept, or can be kept again, when so many bytes are
    /// free in the database.
    pub(super) fn hold(&mut self, spare: impl FnOnce() -> u64) -> bool {
        if self.is_held() {
            return true;
        }
        let needed = (self.size + MARGIN).saturating_sub(spare());
        let largest = self.size;
        SIZES
            .into_iter()
            .filter(|size| *size <= largest)
            .any(|size| self.allocate(needed.max(size + MARGIN), size))
    }

    /// Leaves the room to deletions.
    pub(super) fn give_up(&mut self) {
        if let Some(path) = &self.path {
            // Where it can't be shortened there is nothing to be done about it either.
            let _ = File::options()
                .write(true)
                .open(path)
                .and_then(|file| file.set_len(OPENING.min(self.size)));
            self.held = false;
            self.low.store(true, Ordering::Relaxed);
        }
    }

    /// Tries whether there is this much room, and keeps no more of it than this size.
    fn allocate(&mut self, room: u64, size: u64) -> bool {
        let Some(path) = &self.path else {
            return true;
        };
        let kept = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .and_then(|file| {
                keep(&file, room)?;
                file.set_len(size)
            });
        match kept {
            Ok(()) => {
                self.held = true;
                self.low.store(false, Ordering::Relaxed);
            }
            Err(error) if is_full(&error) => self.give_up(),
            Err(error) => {
                tracing::info!(%error, "this file system can't keep room for deletions");
                self.give_up();
                self.low.store(false, Ordering::Relaxed);
                self.path = None;
            }
        }
        self.held || self.path.is_none()
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn keep(file: &File, bytes: u64) -> io::Result<()> {
    let mode = rustix::fs::FallocateFlags::empty();
    Ok(rustix::fs::fallocate(file, mode, 0, bytes)?)
}

/// A file of that length would take no room.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn keep(_file: &File, _bytes: u64) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}
