//! Walking a tree of folders, whether or not a listing is recursive.

use std::{
    collections::{BTreeMap, HashSet},
    pin::Pin,
    task::{Context, Poll, ready},
    vec::IntoIter,
};

use futures_core::{FusedStream, Stream};
use futures_util::TryStreamExt;

use super::{ListFiles, page_source::FilePageSource};
use crate::{
    Error, ErrorKind, FileEntry, FolderPath, Operation, Result,
    page::{Pages, named_stream},
};

named_stream! {
    /// A stream of everything below a folder, without the folder itself. From [`ListFiles::walk`]. An error ends the stream.
    /// A folder whose name can't be listed is an error after all other entries.
    ///
    /// The walk works whether the service lists only one level or recursively. It lists a folder unless the listing that
    /// contained the folder also contained entries in it.
    ///
    /// **Order.** Folder by folder: the entries as the service returns them, then the folders among them in the order of
    /// their paths. If listings have one level, a folder precedes its entries.
    ///
    /// **Duplicates.** A folder is returned once. A file is compared with the two latest pages: it is returned once unless
    /// more than a page of entries is added between two calls, which moves it to a later page. As in any listing by page
    /// numbers, an entry may be missed if others are deleted during the walk.
    ///
    /// **Memory.** Two pages (three with [`prefetch`](ListFiles::prefetch)), the path of each folder in the current listing,
    /// and the paths of the folders that have not been listed: at most the depth of the tree times the largest number of
    /// folders in one folder. If listings are recursive, it is the path of every folder of the tree. The number of files
    /// does not matter.
    FileWalk, WalkState, FileEntry
}

impl FileWalk {
    pub(super) fn new(listing: ListFiles) -> Self {
        let folder = listing.listed_folder().cloned().unwrap_or_default();
        let prefetch = listing.prefetches();
        Self(WalkState {
            template: listing.of_folder(FolderPath::root()),
            pending: Vec::new(),
            unlistable: None,
            open: Some(OpenFolder::new(&folder, listing.into_pages(prefetch))),
        })
    }

    /// Returns all entries, in memory.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// files.upload("/data/deep/a.txt", &b"hello"[..]).await?;
    /// assert_eq!(files.list().walk().all().await?.len(), 3);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Those of a listing. The entries before the error are lost.
    pub async fn all(self) -> Result<Vec<FileEntry>> {
        self.try_collect().await
    }
}

struct WalkState {
    /// The options of each listing.
    template: ListFiles,
    /// Folders that have not been listed, the next one last. Walking depth first keeps the list short.
    pending: Vec<FolderPath>,
    open: Option<OpenFolder>,
    /// The error that is returned at the end.
    unlistable: Option<Error>,
}

impl WalkState {
    fn end_with(&mut self, error: Error) -> Poll<Option<Result<FileEntry>>> {
        self.pending.clear();
        self.open = None;
        self.unlistable = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for WalkState {
    type Item = Result<FileEntry>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(open) = &mut self.open else {
                let Some(folder) = self.pending.pop() else {
                    return Poll::Ready(self.unlistable.take().map(Err));
                };
                let listing = self.template.of_folder(folder.clone());
                let prefetch = listing.prefetches();
                self.open = Some(OpenFolder::new(&folder, listing.into_pages(prefetch)));
                continue;
            };
            if let Some(entry) = open.next_new() {
                return Poll::Ready(Some(Ok(entry)));
            }
            match ready!(Pin::new(&mut open.pages).poll_next(cx)) {
                Some(Ok(page)) => open.set_page(page.entries),
                Some(Err(error)) => return self.end_with(error),
                None => {
                    let (folders, unlistable) = open.pending();
                    self.pending.extend(folders.into_iter().rev());
                    self.open = None;
                    if self.unlistable.is_none() {
                        self.unlistable = unlistable;
                    }
                }
            }
        }
    }
}

impl FusedStream for WalkState {
    fn is_terminated(&self) -> bool {
        self.open.is_none() && self.pending.is_empty() && self.unlistable.is_none()
    }
}

/// The folder that is listed.
struct OpenFolder {
    /// Its path with a trailing slash.
    prefix: String,
    pages: Pages<FilePageSource>,
    page: IntoIter<FileEntry>,
    /// Folders below it, by path.
    folders: BTreeMap<String, SeenFolder>,
    /// Paths of the files on the current page and on the one before.
    files: [HashSet<String>; 2],
}

#[derive(Default)]
struct SeenFolder {
    /// The listing contains the folder.
    listed: bool,
    /// The listing contains entries in the folder.
    has_entries: bool,
}

impl OpenFolder {
    fn new(folder: &FolderPath, pages: Pages<FilePageSource>) -> Self {
        Self {
            prefix: format!("{}/", folder.as_str().trim_end_matches('/')),
            pages,
            page: Vec::new().into_iter(),
            folders: BTreeMap::new(),
            files: Default::default(),
        }
    }

    fn set_page(&mut self, page: Vec<FileEntry>) {
        self.page = page.into_iter();
        self.files.swap(0, 1);
        self.files[0].clear();
    }

    /// Returns the next entry of the page that is below the folder and has not been returned.
    fn next_new(&mut self) -> Option<FileEntry> {
        while let Some(entry) = self.page.next() {
            // Normalized, since services differ in the slashes.
            let path = format!("/{}", entry.path.trim_matches('/'));
            // A service may return the folder itself, or ignore which folder is requested.
            if !path.starts_with(&self.prefix) || path == self.prefix {
                continue;
            }
            self.mark_parents(&path);
            if self.is_new(path, entry.is_folder()) {
                return Some(entry);
            }
        }
        None
    }

    /// Records that every folder between the open one and the path has entries in this listing.
    fn mark_parents(&mut self, path: &str) {
        let below = self.prefix.len();
        for (slash, _) in path[below..].match_indices('/') {
            let folder = &path[..below + slash];
            match self.folders.get_mut(folder) {
                Some(seen) => seen.has_entries = true,
                None => {
                    let seen = SeenFolder {
                        listed: false,
                        has_entries: true,
                    };
                    self.folders.insert(folder.to_owned(), seen);
                }
            }
        }
    }

    fn is_new(&mut self, path: String, folder: bool) -> bool {
        if folder {
            let seen = self.folders.entry(path).or_default();
            return !std::mem::replace(&mut seen.listed, true);
        }
        !self.files[1].contains(&path) && self.files[0].insert(path)
    }

    /// Returns the folders whose entries the listing does not contain, and the error of one with an invalid name.
    fn pending(&mut self) -> (Vec<FolderPath>, Option<Error>) {
        let (mut folders, mut invalid) = (Vec::new(), None);
        for (path, seen) in std::mem::take(&mut self.folders) {
            if !seen.listed || seen.has_entries {
                continue;
            }
            match FolderPath::new(path) {
                Ok(folder) => folders.push(folder),
                Err(error) => invalid = Some(unlistable(error)),
            }
        }
        (folders, invalid)
    }
}

fn unlistable(error: Error) -> Error {
    let message = format!(
        "the service returned a folder that can't be listed: {}",
        error.message()
    );
    Error::new(ErrorKind::InvalidResponse, message).with_operation(Operation::DescribeContextFiles)
}

#[cfg(test)]
mod tests;
