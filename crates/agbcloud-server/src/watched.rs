//! Files that may change while the server runs: read again when they have.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Why a file could not be read. It names no content.
pub(crate) type Unreadable = Box<dyn Error + Send + Sync>;

type Read<T> = Box<dyn Fn() -> Result<T, Unreadable> + Send + Sync>;

/// What tells one version of a file from the next: a replaced file has another number, an edited one another time, and who may
/// read or change it counts too.
type Stamp = Vec<Option<(SystemTime, u64, u64, u32)>>;

/// What stands in some files, kept up to date.
///
/// The files are looked at with each use, which costs a microsecond and no timer: what was written before a request
/// came counts for it. A version that can't be read is told once and changes nothing, and is tried again with each use:
/// what was in the way (permissions, too many open files) may go without a trace in the file.
pub(crate) struct Watched<T> {
    files: Vec<PathBuf>,
    read: Read<T>,
    last: Mutex<Last<T>>,
}

struct Last<T> {
    /// Of the version that was read.
    read: Stamp,
    value: Arc<T>,
    /// Of a version that can't be read, which was told.
    told: Option<Stamp>,
}

impl<T> Watched<T> {
    /// Reads the files for the first time.
    pub(crate) fn new(
        files: Vec<PathBuf>,
        read: impl Fn() -> Result<T, Unreadable> + Send + Sync + 'static,
    ) -> Result<Self, Unreadable> {
        // The stamp first: what changes meanwhile is read again.
        let stamp = stamp(&files);
        let value = Arc::new(read()?);
        Ok(Self {
            files,
            read: Box::new(read),
            last: Mutex::new(Last {
                read: stamp,
                value,
                told: None,
            }),
        })
    }

    /// What stands in the files now.
    pub(crate) fn current(&self) -> Arc<T> {
        let stamp = stamp(&self.files);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.read != stamp {
            match (self.read)() {
                Ok(value) => {
                    last.value = Arc::new(value);
                    last.read = stamp;
                    last.told = None;
                    tracing::info!(file = %self.files[0].display(), "read again, because it has changed");
                }
                Err(error) if last.told.as_ref() != Some(&stamp) => {
                    tracing::error!(file = %self.files[0].display(), error, "it has changed and can't be used; what it said before stays in force");
                    last.told = Some(stamp);
                }
                Err(_) => {}
            }
        }
        last.value.clone()
    }
}

fn stamp(files: &[PathBuf]) -> Stamp {
    let one = |file: &PathBuf| {
        let metadata = fs::metadata(file).ok()?;
        #[cfg(unix)]
        let (number, mode) = {
            use std::os::unix::fs::MetadataExt;
            (metadata.ino(), metadata.mode())
        };
        #[cfg(not(unix))]
        let (number, mode) = (0, 0);
        Some((metadata.modified().ok()?, metadata.len(), number, mode))
    };
    files.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn what_was_written_counts_at_once_and_what_is_broken_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("number");
        let replace = |text: &str| {
            let new = folder.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, &file).unwrap();
        };
        replace("1");
        let path = file.clone();
        let read = move || Ok(fs::read_to_string(&path)?.parse::<u32>()?);
        let watched = Watched::new(vec![file.clone()], read).unwrap();
        assert_eq!(*watched.current(), 1);
        replace("2");
        assert_eq!(*watched.current(), 2);
        replace("x");
        assert_eq!(*watched.current(), 2);
        fs::remove_file(&file).unwrap();
        assert_eq!(*watched.current(), 2);
        replace("3");
        assert_eq!(*watched.current(), 3);
    }
    #[test]
    fn what_could_not_be_read_is_tried_again_though_the_file_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("number");
        fs::write(&file, "1").unwrap();
        let closed = Arc::new(AtomicBool::new(false));
        let (path, barred) = (file.clone(), closed.clone());
        let read = move || match barred.load(Ordering::Relaxed) {
            true => Err("too many open files".into()),
            false => Ok(fs::read_to_string(&path)?.parse::<u32>()?),
        };
        let watched = Watched::new(vec![file.clone()], read).unwrap();
        fs::write(&file, "22").unwrap();
        closed.store(true, Ordering::Relaxed);
        assert_eq!(*watched.current(), 1);
        closed.store(false, Ordering::Relaxed);
        assert_eq!(*watched.current(), 22);
    }
}
