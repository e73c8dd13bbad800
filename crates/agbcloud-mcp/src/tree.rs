//! [`Tree`]: all entries below a folder, from any position.
//!
//! The walk of the SDK can't be resumed by another call. This one descends into a folder as soon as it is listed, so that its
//! position is one position for each level. Like that walk, it works whether the service lists one level or several.

use std::collections::HashMap;

use agbcloud::{Continuation, ErrorKind, FileEntry, FileItems, Files, FolderPath, MAX_PAGE_SIZE};
use serde::{Deserialize, Serialize};

use crate::{failure::Result, limits::TREE_FOLDERS};

/// Entries below a folder, depth first, each once. Where listings have one level, a folder precedes its entries.
pub(crate) struct Tree {
    files: Files,
    /// The first folder.
    root: String,
    /// The listings from the first folder down to the current one.
    levels: Vec<Level>,
    /// Folders that were not listed, since the service or the SDK refuses their names.
    refused: u64,
}

struct Level {
    folder: String,
    items: FileItems,
    entered: EnteredFolders,
}

/// A position in a [`Tree`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TreePosition {
    root: String,
    levels: Vec<LevelPosition>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LevelPosition {
    folder: String,
    at: Continuation,
    entered: EnteredFolders,
}

/// The folders directly in a folder that the tree has descended into, and whether they were returned themselves. The oldest are
/// forgotten: if the service lists several levels, their entries may then be returned twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct EnteredFolders([HashMap<String, bool>; 2]);

impl Tree {
    pub(crate) fn new(files: &Files, folder: &str) -> Self {
        Self {
            root: folder.to_owned(),
            levels: vec![Level::new(files, folder)],
            files: files.clone(),
            refused: 0,
        }
    }

    pub(crate) fn resume(files: &Files, position: TreePosition) -> Self {
        let levels = position.levels.into_iter().map(|level| {
            let listing = files.list().folder(level.folder.as_str());
            Level {
                items: listing.start_at(level.at).by_item(),
                folder: level.folder,
                entered: level.entered,
            }
        });
        Self {
            root: position.root,
            levels: levels.collect(),
            files: files.clone(),
            refused: 0,
        }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<FileEntry>> {
        loop {
            let Some(level) = self.levels.last_mut() else {
                return Ok(None);
            };
            let mut entry = match level.items.next().await {
                Some(Ok(entry)) => entry,
                Some(Err(error)) if level.folder != self.root && is_refusal(error.kind()) => {
                    self.levels.pop();
                    self.refused += 1;
                    continue;
                }
                Some(Err(error)) => return Err(error.into()),
                None => {
                    self.levels.pop();
                    continue;
                }
            };
            // Normalized, since services differ in the slashes.
            entry.path = format!("/{}", entry.path.trim_matches('/'));
            let Some((child, is_direct)) = level.child(&entry.path) else {
                // A service may return the folder itself, or ignore which folder is requested.
                continue;
            };
            if is_direct && !entry.is_folder() {
                return Ok(Some(entry));
            }
            let Ok(folder) = FolderPath::new(level.path_of(child)) else {
                self.refused += u64::from(is_direct);
                return Ok(Some(entry));
            };
            let (is_entered, is_new) = level.entered.insert(child, is_direct);
            if !is_entered {
                self.levels.push(Level::new(&self.files, folder.as_str()));
            }
            // An entry further below is returned by the listing of its folder.
            if is_direct && is_new {
                return Ok(Some(entry));
            }
        }
    }

    /// Folders that this tree could not list.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// The position after the returned entries. `None` at the end.
    pub(crate) fn position(&self) -> Option<TreePosition> {
        let levels = self.levels.iter().filter_map(|level| {
            Some(LevelPosition {
                at: level.items.continuation()?,
                folder: level.folder.clone(),
                entered: level.entered.clone(),
            })
        });
        let levels: Vec<_> = levels.collect();
        (!levels.is_empty()).then(|| TreePosition {
            root: self.root.clone(),
            levels,
        })
    }
}

/// Whether the service refuses a path, and other ones probably not.
pub(crate) fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::InvalidArgument | ErrorKind::Rejected)
}

impl Level {
    fn new(files: &Files, folder: &str) -> Self {
        let listing = files.list().folder(folder).page_size(MAX_PAGE_SIZE);
        Self {
            folder: folder.to_owned(),
            items: listing.by_item(),
            entered: EnteredFolders::default(),
        }
    }

    /// Returns the name of the entry directly in this folder that a path is or is below, and whether it is that entry.
    fn child<'a>(&self, path: &'a str) -> Option<(&'a str, bool)> {
        let folder = self.folder.trim_end_matches('/');
        let below = path.strip_prefix(folder)?.strip_prefix('/')?;
        match below.split_once('/') {
            _ if below.is_empty() => None,
            Some((child, _)) => Some((child, false)),
            None => Some((below, true)),
        }
    }

    fn path_of(&self, child: &str) -> String {
        format!("{}/{child}", self.folder.trim_end_matches('/'))
    }
}

impl EnteredFolders {
    /// Records a folder, and whether it is returned itself. Returns whether it was recorded before, and whether it was not
    /// returned before.
    fn insert(&mut self, name: &str, is_returned: bool) -> (bool, bool) {
        if let Some(known) = self.0.iter_mut().find_map(|names| names.get_mut(name)) {
            let is_new = !*known;
            *known |= is_returned;
            return (true, is_new);
        }
        if self.0[0].len() >= TREE_FOLDERS {
            self.0.swap(0, 1);
            self.0[0] = HashMap::new();
        }
        self.0[0].insert(name.to_owned(), is_returned);
        (false, true)
    }
}

#[cfg(test)]
mod tests {
    use agbcloud::{
        Client,
        testing::{MockContextApi, fail, file, file_page, folder, ok},
    };
    use agbcloud_server::Server;

    use super::*;

    /// How a service lists folders. The behaviour of the cloud is not documented.
    #[derive(Debug, Clone, Copy)]
    struct ListingStyle {
        /// Levels in one listing.
        levels: usize,
        /// Whether folders are entries.
        folders: bool,
        /// Whether a listing contains the folder itself, and paths of folders end with a slash.
        names_itself: bool,
        /// Whether the requested folder is ignored.
        always_root: bool,
        backwards: bool,
    }

    const PLAIN: ListingStyle = ListingStyle {
        levels: 1,
        folders: true,
        names_itself: false,
        always_root: false,
        backwards: false,
    };

    /// Paths of folders end with a slash.
    const PATHS: [&str; 9] = [
        "/a/", "/a-b", "/a/1", "/a/b/", "/a/b/3", "/a/b/c/", "/a/b/c/4", "/c/", "/c/5",
    ];

    fn listed(style: ListingStyle, parent: &str) -> Vec<FileEntry> {
        let prefix = match style.always_root {
            true => "/".to_owned(),
            false => format!("{}/", parent.trim_end_matches('/')),
        };
        let below = PATHS.into_iter().filter(|path| {
            let rest = path.strip_prefix(&*prefix).unwrap_or_default();
            let levels = rest.trim_end_matches('/').split('/').count();
            !rest.is_empty() && levels <= style.levels && (style.folders || !path.ends_with('/'))
        });
        let mut paths: Vec<&str> = below.collect();
        if style.names_itself {
            paths.insert(0, &prefix);
        }
        if style.backwards {
            paths.reverse();
        }
        let entry = |path: &str| match path.strip_suffix('/') {
            Some(_) if style.names_itself => folder(path),
            Some(path) => folder(path),
            None => file(path, 1),
        };
        paths.into_iter().map(entry).collect()
    }

    /// The files of a service that lists folders in this way.
    fn files_of(list: impl Fn(&str) -> Vec<FileEntry> + Send + 'static) -> Files {
        let mut api = MockContextApi::new();
        api.expect_list_files().returning(move |query| {
            let entries = list(query.folder.as_str());
            let total = entries.len() as u64;
            ok(file_page(entries, total))
        });
        let client = Client::builder().stub(api).build().unwrap();
        client.contexts().files("SdkCtx-1")
    }

    async fn sorted_paths(tree: &mut Tree) -> Vec<String> {
        let mut paths = Vec::new();
        while let Some(entry) = tree.next().await.unwrap() {
            paths.push(entry.path);
        }
        paths.sort();
        paths
    }

    #[tokio::test]
    async fn every_entry_is_returned_once_for_every_listing_style() {
        for bits in 0..64 {
            let is_set = |bit: u32| bits & (1 << bit) != 0;
            let style = ListingStyle {
                levels: [1, 2, 3, usize::MAX][bits & 3],
                folders: is_set(2) || bits & 3 != 3,
                names_itself: is_set(3),
                always_root: is_set(4) && bits & 3 == 3,
                backwards: is_set(5),
            };
            let files = files_of(move |parent| listed(style, parent));
            for top in ["/", "/a", "/a/b", "/none"] {
                let prefix = format!("{}/", top.trim_end_matches('/'));
                let below = PATHS.iter().filter(|path| {
                    let is_below = path.len() > prefix.len() && path.starts_with(&prefix);
                    is_below && (style.folders || !path.ends_with('/'))
                });
                let mut expected: Vec<_> = below.map(|path| path.trim_end_matches('/')).collect();
                expected.sort_unstable();
                let paths = sorted_paths(&mut Tree::new(&files, top)).await;
                assert_eq!(paths, expected, "{top} {style:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_tree_of_recursive_listings_continues_from_any_position() {
        let style = ListingStyle {
            levels: usize::MAX,
            ..PLAIN
        };
        let files = files_of(move |parent| listed(style, parent));
        let whole = sorted_paths(&mut Tree::new(&files, "/")).await;
        for stop in 0..whole.len() {
            let mut tree = Tree::new(&files, "/");
            let mut paths = Vec::new();
            for _ in 0..stop {
                paths.push(tree.next().await.unwrap().unwrap().path);
            }
            let mut rest = Tree::resume(&files, tree.position().unwrap());
            paths.extend(sorted_paths(&mut rest).await);
            paths.sort();
            assert_eq!(paths, whole, "stopped after {stop}");
        }
    }

    #[tokio::test]
    async fn a_folder_that_can_not_be_listed_is_counted_and_others_are_listed() {
        let mut api = MockContextApi::new();
        api.expect_list_files()
            .returning(|query| match query.folder.as_str() {
                "/" => ok(file_page(
                    vec![folder("/a\\b"), folder("/no"), folder("/x")],
                    3,
                )),
                "/no" => fail(agbcloud::testing::error(ErrorKind::Rejected)),
                _ => ok(file_page(vec![file("/x/1", 1)], 1)),
            });
        let client = Client::builder().stub(api).build().unwrap();
        let files = client.contexts().files("SdkCtx-1");
        let mut tree = Tree::new(&files, "/");
        let paths = sorted_paths(&mut tree).await;
        assert_eq!(paths, ["/a\\b", "/no", "/x", "/x/1"]);
        assert_eq!(tree.refused(), 2);
    }

    #[test]
    fn entered_folders_are_bounded() {
        let mut entered = EnteredFolders::default();
        for number in 0..5 * TREE_FOLDERS {
            entered.insert(&number.to_string(), true);
        }
        assert!(entered.0.iter().map(HashMap::len).sum::<usize>() <= 2 * TREE_FOLDERS);
        let last = (5 * TREE_FOLDERS - 1).to_string();
        assert_eq!(entered.insert(&last, true), (true, false));
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
