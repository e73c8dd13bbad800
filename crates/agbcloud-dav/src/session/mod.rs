//! What a context cannot store, kept in memory while the server runs.

mod desktop_files;
mod folders;
mod properties;
mod subtree;
mod unfinished_moves;

pub(crate) use desktop_files::{DesktopFiles, MAX_DESKTOP_FILE_BYTES, is_desktop_file};
pub(crate) use folders::Folders;
pub(crate) use properties::Properties;
pub(crate) use unfinished_moves::UnfinishedMoves;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The state of one server.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) folders: Folders,
    pub(crate) properties: Properties,
    pub(crate) desktop_files: DesktopFiles,
    pub(crate) moves: UnfinishedMoves,
}

impl Session {
    /// Forgets what is known about a path and everything below.
    pub(crate) fn remove(&self, path: &str) {
        self.folders.remove(path);
        self.properties.remove(path);
        self.desktop_files.remove(path);
        self.moves.remove(path);
    }

    /// Copies what is known about a path and everything below. What exceeds a limit is not copied.
    pub(crate) fn copy(&self, from: &str, to: &str) {
        self.folders.copy(from, to);
        self.properties.copy(from, to);
        self.desktop_files.copy(from, to);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
