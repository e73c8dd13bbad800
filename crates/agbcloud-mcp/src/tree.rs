//! [`Tree`]: all entries below a folder, from any position.
//!
//! The walk of the SDK can't be resumed by another call. This one descends into a folder as soon as it is listed, so that its
//! position is one position for each level.

use agbcloud::{Continuation, FileEntry, FileItems, Files, MAX_PAGE_SIZE};
use serde::{Deserialize, Serialize};

use crate::failure::Result;

/// Entries below a folder, depth first. A folder precedes its entries.
pub(crate) struct Tree {
    files: Files,
    /// The listings from the first folder down to the current one.
    levels: Vec<Level>,
    /// Whether a listing contains entries of deeper folders: the first listing then contains everything.
    recursive: bool,
}

struct Level {
    folder: String,
    items: FileItems,
}

/// A position in a [`Tree`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TreePosition {
    levels: Vec<(String, Continuation)>,
    recursive: bool,
}

impl Tree {
    pub(crate) fn new(files: &Files, folder: &str) -> Self {
        Self {
            levels: vec![Level::new(files, folder)],
            files: files.clone(),
            recursive: false,
        }
    }

    pub(crate) fn resume(files: &Files, position: TreePosition) -> Self {
        let levels = position.levels.into_iter().map(|(folder, at)| {
            let listing = files.list().folder(folder.as_str()).start_at(at);
            Level {
                folder,
                items: listing.by_item(),
            }
        });
        Self {
            levels: levels.collect(),
            files: files.clone(),
            recursive: position.recursive,
        }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<FileEntry>> {
        while let Some(level) = self.levels.last_mut() {
            let Some(entry) = level.items.next().await else {
                self.levels.pop();
                continue;
            };
            let entry = entry?;
            if !self.recursive && is_deeper(&level.folder, &entry.path) {
                self.recursive = true;
                self.levels.truncate(1);
            }
            if entry.is_folder() && !self.recursive {
                self.levels.push(Level::new(&self.files, &entry.path));
            }
            return Ok(Some(entry));
        }
        Ok(None)
    }

    /// The position after the returned entries. `None` at the end.
    pub(crate) fn position(&self) -> Option<TreePosition> {
        let levels = self.levels.iter().filter_map(|level| {
            let at = level.items.continuation()?;
            Some((level.folder.clone(), at))
        });
        let levels: Vec<_> = levels.collect();
        (!levels.is_empty()).then_some(TreePosition {
            levels,
            recursive: self.recursive,
        })
    }
}

impl Level {
    fn new(files: &Files, folder: &str) -> Self {
        let listing = files.list().folder(folder).page_size(MAX_PAGE_SIZE);
        Self {
            folder: folder.to_owned(),
            items: listing.by_item(),
        }
    }
}

/// Whether a path is not directly in a folder.
fn is_deeper(folder: &str, path: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    let below = path.strip_prefix(folder).unwrap_or_default();
    below.trim_matches('/').contains('/')
}

#[cfg(test)]
mod tests {
    use agbcloud_server::Server;

    use super::*;
    use agbcloud::Client;

    #[test]
    fn a_path_two_levels_below_is_deeper() {
        assert!(is_deeper("/", "/a/b"));
        assert!(is_deeper("/a/", "/a/b/c"));
        assert!(!is_deeper("/a", "/a/b/"));
        assert!(!is_deeper("/", "/a"));
    }

    #[tokio::test]
    async fn every_entry_is_returned_once_from_any_position() {
        let service = Server::builder().start().await.unwrap();
        let client = Client::builder().api_key("key").endpoint(service.url());
        let client = client.build().unwrap();
        let context = client.contexts().get_or_create("tree").await.unwrap();
        let files = client.contexts().files(&context.id);
        for path in ["/a/1", "/a/b/2", "/a/b/3", "/c/4", "/5"] {
            files.upload(path, &b"x"[..]).await.unwrap();
        }
        let mut whole = Vec::new();
        let mut tree = Tree::new(&files, "/");
        while let Some(entry) = tree.next().await.unwrap() {
            whole.push(entry.path);
        }
        assert_eq!(tree.position(), None);
        assert_eq!(whole.len(), 8, "{whole:?}");
        for stop in 0..whole.len() {
            let mut tree = Tree::new(&files, "/");
            let mut paths = Vec::new();
            for _ in 0..stop {
                paths.push(tree.next().await.unwrap().unwrap().path);
            }
            let position = tree.position().unwrap();
            let text = serde_json::to_string(&position).unwrap();
            let mut rest = Tree::resume(&files, serde_json::from_str(&text).unwrap());
            while let Some(entry) = rest.next().await.unwrap() {
                paths.push(entry.path);
            }
            assert_eq!(paths, whole, "stopped after {stop}");
        }
    }
}
