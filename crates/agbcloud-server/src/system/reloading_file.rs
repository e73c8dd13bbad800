//! Files that are read again when they change while the server runs.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Why a file could not be loaded. The message contains nothing of the file's content.
pub(crate) type LoadError = Box<dyn Error + Send + Sync>;

type Load<T> = Box<dyn Fn() -> Result<T, LoadError> + Send + Sync>;

/// Identifies a version of the files: a replaced file has another inode, an edited one another time. The mode is
/// included because permissions are checked on load.
type Version = Vec<Option<(SystemTime, u64, u64, u32)>>;

/// The value that was loaded from some files, kept up to date.
///
/// Each use checks whether the files changed, which takes about a microsecond and needs no timer: a request sees every
/// change that was made before it arrived. A version that fails to load is logged once, and the previous value stays in
/// use. Loading is retried with each use, because the cause (permissions, too many open files) can disappear without a
/// change to the file.
pub(crate) struct ReloadingFile<T> {
    files: Vec<PathBuf>,
    load: Load<T>,
    loaded: Mutex<Loaded<T>>,
}

struct Loaded<T> {
    version: Version,
    value: Arc<T>,
    /// A version whose failure was logged.
    logged: Option<Version>,
}

impl<T> ReloadingFile<T> {
    /// Loads the files for the first time.
    pub(crate) fn new(
        files: Vec<PathBuf>,
        load: impl Fn() -> Result<T, LoadError> + Send + Sync + 'static,
    ) -> Result<Self, LoadError> {
        // Taken before loading, so that a change in between is loaded next time.
        let version = version(&files);
        let value = Arc::new(load()?);
        Ok(Self {
            files,
            load: Box::new(load),
            loaded: Mutex::new(Loaded {
                version,
                value,
                logged: None,
            }),
        })
    }

    /// Returns the current value. Loads the files if they have changed.
    pub(crate) fn current(&self) -> Arc<T> {
        let version = version(&self.files);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.version != version {
            match (self.load)() {
                Ok(value) => {
                    *loaded = Loaded {
                        version,
                        value: Arc::new(value),
                        logged: None,
                    };
                    tracing::info!(file = %self.files[0].display(), "reloaded a changed file");
                }
                Err(error) if loaded.logged.as_ref() != Some(&version) => {
                    tracing::error!(file = %self.files[0].display(), error, "can't load a changed file; the previous version stays in use");
                    loaded.logged = Some(version);
                }
                Err(_) => {}
            }
        }
        loaded.value.clone()
    }
}

fn version(files: &[PathBuf]) -> Version {
    let one = |file: &PathBuf| {
        let metadata = fs::metadata(file).ok()?;
        #[cfg(unix)]
        let (inode, mode) = {
            use std::os::unix::fs::MetadataExt;
            (metadata.ino(), metadata.mode())
        };
        #[cfg(not(unix))]
        let (inode, mode) = (0, 0);
        Some((metadata.modified().ok()?, metadata.len(), inode, mode))
    };
    files.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_changed_file_is_loaded_and_an_invalid_one_keeps_the_previous_value() {
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
        let reloading = ReloadingFile::new(vec![file.clone()], read).unwrap();
        assert_eq!(*reloading.current(), 1);
        replace("2");
        assert_eq!(*reloading.current(), 2);
        replace("x");
        assert_eq!(*reloading.current(), 2);
        fs::remove_file(&file).unwrap();
        assert_eq!(*reloading.current(), 2);
        replace("3");
        assert_eq!(*reloading.current(), 3);
    }

    #[test]
    fn a_failed_load_is_retried_without_a_change_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("number");
        fs::write(&file, "1").unwrap();
        let failing = Arc::new(AtomicBool::new(false));
        let (path, fails) = (file.clone(), failing.clone());
        let read = move || match fails.load(Ordering::Relaxed) {
            true => Err("too many open files".into()),
            false => Ok(fs::read_to_string(&path)?.parse::<u32>()?),
        };
        let reloading = ReloadingFile::new(vec![file.clone()], read).unwrap();
        fs::write(&file, "22").unwrap();
        failing.store(true, Ordering::Relaxed);
        assert_eq!(*reloading.current(), 1);
        failing.store(false, Ordering::Relaxed);
        assert_eq!(*reloading.current(), 22);
    }
}
