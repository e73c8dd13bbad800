//! Going through a tree of folders, whether or not a listing descends by itself.

use std::{
    collections::{BTreeMap, HashSet},
    pin::Pin,
    task::{Context, Poll, ready},
    vec::IntoIter,
};

use futures_core::{FusedStream, Stream};

use super::{FileEntry, ListFiles, source::FileSource};
use crate::{
    Error, ErrorKind, FolderPath, Operation, Result,
    page::{Pages, named_stream},
};

named_stream! {
    /// Everything below a folder, without the folder itself. From [`ListFiles::walk`]; any error ends it, and the one
    /// that a folder has a name by which it can't be listed comes when all others were.
    ///
    /// It is right whether a listing shows the entries of its folder alone or those below them too. A folder is
    /// listed if the listing that named it showed nothing in it; what lies in it was told already otherwise.
    ///
    /// **Order.** One folder after another, entries as the service gives them, then the folders among them in the
    /// order of their paths. Where a listing shows one folder alone, a folder comes before what is in it; where it
    /// descends, that is the service's choice.
    ///
    /// **No entry twice.** A folder never comes twice. Files are compared with the two latest pages, so
    /// entries that are added while a folder is listed, and so push others on to its next page, repeat none unless
    /// more than a page of them comes between two calls. As in any numbered listing, entries that are removed
    /// meanwhile can make others be passed over.
    ///
    /// **Memory.** Two pages (three with [`prefetch`](ListFiles::prefetch)), the path of each folder that the open
    /// listing has shown, and the paths of the folders still to be listed, which lie beside the way from the top
    /// to the open folder: at most the depth of the tree times the most folders in one folder. The number of files
    /// does not matter. A listing that descends shows all folders of the tree, so there it is a path for each.
    FileWalk, Walk, FileEntry
}

impl FileWalk {
    pub(super) fn new(listing: ListFiles) -> Self {
        let (folder, ahead) = (
            listing.listed_folder().cloned().unwrap_or_default(),
            listing.fetches_ahead(),
        );
        Self(Walk {
            template: listing.of(FolderPath::root()),
            pending: Vec::new(),
            unlistable: None,
            open: Some(Open::new(&folder, listing.into_pages(ahead))),
        })
    }
}

struct Walk {
    /// What every listing is made after.
    template: ListFiles,
    /// Folders still to be listed, the next one last: going down first keeps it short.
    pending: Vec<FolderPath>,
    open: Option<Open>,
    /// What is to be said at the end.
    unlistable: Option<Error>,
}

impl Walk {
    fn end_with(&mut self, error: Error) -> Poll<Option<Result<FileEntry>>> {
        self.pending.clear();
        self.open = None;
        self.unlistable = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for Walk {
    type Item = Result<FileEntry>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(open) = &mut self.open else {
                let Some(folder) = self.pending.pop() else {
                    return Poll::Ready(self.unlistable.take().map(Err));
                };
                let listing = self.template.of(folder.clone());
                let ahead = listing.fetches_ahead();
                self.open = Some(Open::new(&folder, listing.into_pages(ahead)));
                continue;
            };
            if let Some(entry) = open.next_new() {
                return Poll::Ready(Some(Ok(entry)));
            }
            match ready!(Pin::new(&mut open.pages).poll_next(cx)) {
                Some(Ok(page)) => open.turn_to(page.entries),
                Some(Err(error)) => return self.end_with(error),
                None => {
                    let Unlisted {
                        folders,
                        unlistable,
                    } = open.unlisted();
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

impl FusedStream for Walk {
    fn is_terminated(&self) -> bool {
        self.open.is_none() && self.pending.is_empty() && self.unlistable.is_none()
    }
}

/// The folder that is being listed.
struct Open {
    /// Its path with a slash at the end.
    prefix: String,
    pages: Pages<FileSource>,
    page: IntoIter<FileEntry>,
    /// What the listing has shown of the folders below, by path.
    folders: BTreeMap<String, Shown>,
    /// Paths of the files in the page and in the one before it.
    files: [HashSet<String>; 2],
}

#[derive(Default)]
struct Shown {
    itself: bool,
    content: bool,
}

impl Open {
    fn new(folder: &FolderPath, pages: Pages<FileSource>) -> Self {
        Self {
            prefix: format!("{}/", folder.as_str().trim_end_matches('/')),
            pages,
            page: Vec::new().into_iter(),
            folders: BTreeMap::new(),
            files: Default::default(),
        }
    }

    fn turn_to(&mut self, page: Vec<FileEntry>) {
        self.page = page.into_iter();
        self.files.swap(0, 1);
        self.files[0].clear();
    }

    /// The next entry of the page that lies in the folder and has not been delivered.
    fn next_new(&mut self) -> Option<FileEntry> {
        while let Some(entry) = self.page.next() {
            // In one form, however the service writes it.
            let path = format!("/{}", entry.path.trim_matches('/'));
            // Neither the folder itself, nor what a service shows that does not look at the folder asked for.
            if !path.starts_with(&self.prefix) || path == self.prefix {
                continue;
            }
            self.mark_content(&path);
            if self.is_new(path, entry.is_folder()) {
                return Some(entry);
            }
        }
        None
    }

    /// Every folder between the open one and the path has content that is shown here.
    fn mark_content(&mut self, path: &str) {
        let below = self.prefix.len();
        for (slash, _) in path[below..].match_indices('/') {
            let folder = &path[..below + slash];
            match self.folders.get_mut(folder) {
                Some(shown) => shown.content = true,
                None => {
                    let shown = Shown {
                        itself: false,
                        content: true,
                    };
                    self.folders.insert(folder.to_owned(), shown);
                }
            }
        }
    }

    fn is_new(&mut self, path: String, folder: bool) -> bool {
        if folder {
            let shown = self.folders.entry(path).or_default();
            return !std::mem::replace(&mut shown.itself, true);
        }
        !self.files[1].contains(&path) && self.files[0].insert(path)
    }

    fn unlisted(&mut self) -> Unlisted {
        let mut unlisted = Unlisted::default();
        for (path, shown) in std::mem::take(&mut self.folders) {
            if !shown.itself || shown.content {
                continue;
            }
            match FolderPath::new(path) {
                Ok(folder) => unlisted.folders.push(folder),
                Err(error) => unlisted.unlistable = Some(unlistable(error)),
            }
        }
        unlisted
    }
}

/// The folders that were named and nothing in them shown.
#[derive(Default)]
struct Unlisted {
    folders: Vec<FolderPath>,
    /// One of them has no name that can be asked for.
    unlistable: Option<Error>,
}

fn unlistable(error: Error) -> Error {
    let message = format!(
        "the service named a folder that can't be listed: {}",
        error.message()
    );
    Error::new(ErrorKind::InvalidResponse, message).with_operation(Operation::DescribeContextFiles)
}

#[cfg(test)]
mod tests;
