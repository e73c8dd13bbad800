//! Files that Finder and Explorer write beside the files of the user: `.DS_Store`, `._name`, `Thumbs.db`, `desktop.ini`.
//!
//! They are in memory, so that a context does not contain them. Only the clients that write them see them.

use std::{collections::BTreeMap, sync::Mutex, time::SystemTime};

use bytes::Bytes;

use super::{
    lock,
    subtree::{below, moved},
};
use crate::metadata::Metadata;

/// Maximum number of bytes of one file.
pub(crate) const MAX_DESKTOP_FILE_BYTES: usize = 1024 * 1024;

/// Maximum number of bytes of all files. Beyond it, the oldest ones are dropped.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Estimated bytes of a file beyond its content and path.
const OVERHEAD: usize = 256;

/// Whether Finder or Explorer writes files of this name on their own.
pub(crate) fn is_desktop_file(name: &str) -> bool {
    const NAMES: [&str; 5] = [
        ".DS_Store",
        ".metadata_never_index",
        "Thumbs.db",
        "desktop.ini",
        "ehthumbs.db",
    ];
    name.starts_with("._") || NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[derive(Debug, Clone)]
pub(crate) struct DesktopFile {
    pub(crate) content: Bytes,
    pub(crate) metadata: Metadata,
    /// Increments with each file.
    number: u64,
}

/// The files by path.
#[derive(Debug, Default)]
pub(crate) struct DesktopFiles(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    by_path: BTreeMap<String, DesktopFile>,
    bytes: usize,
    last_number: u64,
}

impl DesktopFiles {
    pub(crate) fn get(&self, path: &str) -> Option<DesktopFile> {
        lock(&self.0).by_path.get(path).cloned()
    }

    /// Stores a file. Returns its metadata, or `None` if it is too large.
    pub(crate) fn put(&self, path: &str, content: Bytes, now: SystemTime) -> Option<Metadata> {
        if content.len() > MAX_DESKTOP_FILE_BYTES {
            return None;
        }
        let metadata = Metadata {
            size: content.len() as u64,
            modified: Some(now),
            ..Metadata::default()
        };
        Some(lock(&self.0).insert(path.to_owned(), content, metadata))
    }

    /// The files in a folder, with their names.
    pub(crate) fn files_in(&self, folder: &str) -> Vec<(String, Metadata)> {
        let range = below(folder);
        let state = lock(&self.0);
        let files = state.by_path.range(range.clone());
        let files = files.map(|(path, file)| (&path[range.start.len()..], file));
        files
            .filter(|(name, _)| !name.contains('/'))
            .map(|(name, file)| (name.to_owned(), file.metadata.clone()))
            .collect()
    }

    /// Removes a path and everything below. Returns whether something was removed.
    pub(crate) fn remove(&self, path: &str) -> bool {
        let mut state = lock(&self.0);
        let paths = state.paths(path);
        for path in &paths {
            state.remove(path);
        }
        !paths.is_empty()
    }

    pub(super) fn copy(&self, from: &str, to: &str) {
        let mut state = lock(&self.0);
        for path in state.paths(from) {
            if let Some(file) = state.by_path.get(&path).cloned() {
                state.insert(moved(&path, from, to), file.content, file.metadata);
            }
        }
    }
}

impl State {
    fn paths(&self, path: &str) -> Vec<String> {
        let below = self.by_path.range(below(path));
        let mut paths: Vec<String> = below.map(|(path, _)| path.clone()).collect();
        paths.extend(
            self.by_path
                .get_key_value(path)
                .map(|(path, _)| path.clone()),
        );
        paths
    }

    fn insert(&mut self, path: String, content: Bytes, mut metadata: Metadata) -> Metadata {
        self.remove(&path);
        self.last_number += 1;
        metadata.etag = Some(format!("\"desktop-{}\"", self.last_number));
        self.bytes += size_of(&path, &content);
        let file = DesktopFile {
            content,
            metadata: metadata.clone(),
            number: self.last_number,
        };
        self.by_path.insert(path, file);
        while self.bytes > MAX_BYTES {
            let files = self.by_path.iter();
            let oldest = files.min_by_key(|(_, file)| file.number);
            let Some(path) = oldest.map(|(path, _)| path.clone()) else {
                break;
            };
            self.remove(&path);
        }
        metadata
    }

    fn remove(&mut self, path: &str) {
        if let Some(file) = self.by_path.remove(path) {
            self.bytes -= size_of(path, &file.content);
        }
    }
}

fn size_of(path: &str, content: &Bytes) -> usize {
    OVERHEAD + path.len() + content.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_desktop_files() {
        for name in [".DS_Store", "._notes.txt", "thumbs.db", "Desktop.ini"] {
            assert!(is_desktop_file(name), "{name}");
        }
        for name in ["notes.txt", ".gitignore", "DS_Store", "_a"] {
            assert!(!is_desktop_file(name), "{name}");
        }
    }

    #[test]
    fn files_are_kept_until_there_are_too_many() {
        let files = DesktopFiles::default();
        let content = Bytes::from(vec![7; MAX_DESKTOP_FILE_BYTES]);
        let put = |path: &str| files.put(path, content.clone(), SystemTime::UNIX_EPOCH);
        for number in 0..20 {
            assert!(put(&format!("/a/._{number}")).is_some());
        }
        assert!(files.get("/a/._0").is_none());
        assert_eq!(files.get("/a/._19").unwrap().content, content);
        assert!(lock(&files.0).bytes <= MAX_BYTES);
        assert_eq!(files.files_in("/a").len(), 15);
        assert!(files.files_in("/").is_empty());
        assert!(files.remove("/a") && !files.remove("/a"));
        assert_eq!(lock(&files.0).bytes, 0);
        let large = Bytes::from(vec![7; MAX_DESKTOP_FILE_BYTES + 1]);
        assert!(files.put("/._x", large, SystemTime::UNIX_EPOCH).is_none());
    }
}
