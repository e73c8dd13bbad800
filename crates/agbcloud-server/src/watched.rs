//! Files that may change while the server runs: read again when they have.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Why a file could not be read. It names no content.
pub(crate) type Unreadable = Box<dyn Error + Send + Sync>;

type Read<T> = Box<dyn Fn() -> Result<T, Unreadable> + Send + Sync>;

/// What tells one version of a file from the next: a replaced file has another number, an edited one another time.
type Stamp = Vec<Option<(SystemTime, u64, u64)>>;

/// What stands in some files, kept up to date.
///
/// The files are looked at with each use, which costs a microsecond and no timer: what was written before a request
/// came counts for it. A version that can't be read is told once and changes nothing.
pub(crate) struct Watched<T> {
    files: Vec<PathBuf>,
    read: Read<T>,
    last: Mutex<(Stamp, Arc<T>)>,
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
            last: Mutex::new((stamp, value)),
        })
    }

    /// What stands in the files now.
    pub(crate) fn current(&self) -> Arc<T> {
        let stamp = stamp(&self.files);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != stamp {
            match (self.read)() {
                Ok(value) => {
                    last.1 = Arc::new(value);
                    tracing::info!(file = %self.files[0].display(), "read again, because it has changed");
                }
                Err(error) => {
                    tracing::error!(file = %self.files[0].display(), error, "it has changed and can't be used; what it said before stays in force");
                }
            }
            last.0 = stamp;
        }
        last.1.clone()
    }
}

fn stamp(files: &[PathBuf]) -> Stamp {
    let one = |file: &PathBuf| {
        let metadata = fs::metadata(file).ok()?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let number = 0;
        Some((metadata.modified().ok()?, metadata.len(), number))
    };
    files.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
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
}
