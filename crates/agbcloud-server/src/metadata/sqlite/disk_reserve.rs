//! Disk space that is reserved for deletions. A deletion needs a little space in the log of the database, and must not fail on a
//! full disk.
//!
//! The reserve is a file. When the disk is full, the file is truncated so that deletions can continue, and operations that need
//! space are rejected until the file can be restored. Free pages in the database count as space, since deleted rows free pages
//! and no disk space. A smaller file is used if there is not enough space for the full one.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Sizes in bytes. The first one that fits twice is used, so that at least as much space is left. The log is moved into the
/// database before it reaches 4 MiB.
const SIZES: [u64; 3] = [8 * 1024 * 1024, 2 * 1024 * 1024, 512 * 1024];

/// Size in bytes that the file keeps when it is released: the log and its index need it when the store is opened.
const OPENING: u64 = 128 * 1024;

/// Free space in bytes that is required beside the reserve. Otherwise the next write would release it again.
const MARGIN: u64 = 256 * 1024;

pub(super) struct DiskReserve {
    /// `None` in memory, and on a file system that can't reserve space.
    path: Option<PathBuf>,
    /// The intended size of the file.
    size: u64,
    held: bool,
    /// Whether the reserve is released; shared with readers.
    released: Arc<AtomicBool>,
}

impl DiskReserve {
    /// Reserves nothing: for a store in memory.
    pub(super) fn none() -> Self {
        Self {
            path: None,
            size: 0,
            held: false,
            released: Arc::default(),
        }
    }

    /// Removes the file before the store is opened.
    pub(super) fn remove(path: &Path) {
        // A new store has none.
        let _ = fs::remove_file(path);
    }

    /// Creates the file. `released` is true while the reserve is released.
    pub(super) fn open(path: PathBuf, released: Arc<AtomicBool>) -> Self {
        let mut reserve = Self {
            path: Some(path),
            size: 0,
            held: false,
            released,
        };
        for size in SIZES {
            reserve.size = size;
            if reserve.allocate(2 * size, size) {
                break;
            }
        }
        reserve
    }

    /// Whether operations that need space may run.
    pub(super) fn is_held(&self) -> bool {
        self.path.is_none() || self.held
    }

    /// Restores the reserve if there is enough space, and returns whether operations that need space may run. `free_bytes` returns
    /// the free space in the database.
    pub(super) fn acquire(&mut self, free_bytes: impl FnOnce() -> u64) -> bool {
        if self.is_held() {
            return true;
        }
        let needed = (self.size + MARGIN).saturating_sub(free_bytes());
        let largest = self.size;
        SIZES
            .into_iter()
            .filter(|size| *size <= largest)
            .any(|size| self.allocate(needed.max(size + MARGIN), size))
    }

    /// Truncates the file, so that deletions can use its space.
    pub(super) fn release(&mut self) {
        if let Some(path) = &self.path {
            // There is no other way to free space if this fails.
            let _ = File::options()
                .write(true)
                .open(path)
                .and_then(|file| file.set_len(OPENING.min(self.size)));
            self.held = false;
            self.released.store(true, Ordering::Relaxed);
        }
    }

    /// Allocates `needed` bytes to check that they are available, and keeps `size` of them.
    fn allocate(&mut self, needed: u64, size: u64) -> bool {
        let Some(path) = &self.path else {
            return true;
        };
        let allocated = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .and_then(|file| {
                allocate(&file, needed)?;
                file.set_len(size)
            });
        match allocated {
            Ok(()) => {
                self.held = true;
                self.released.store(false, Ordering::Relaxed);
            }
            Err(error) if is_full(&error) => self.release(),
            Err(error) => {
                tracing::info!(%error, "this file system can't reserve space for deletions");
                self.release();
                self.released.store(false, Ordering::Relaxed);
                self.path = None;
            }
        }
        self.is_held()
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    let mode = rustix::fs::FallocateFlags::empty();
    Ok(rustix::fs::fallocate(file, mode, 0, bytes)?)
}

/// Fails: setting the length of a file reserves no space.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn allocate(_file: &File, _bytes: u64) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}
