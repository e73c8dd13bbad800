//! Listing a folder.

use std::collections::{BTreeSet, HashSet};

use agbcloud::{FileEntry, FileItems, MAX_PAGE_SIZE, RemotePath};
use dav_server::fs::{DavDirEntry, DavMetaData, FsFuture, FsResult, FsStream};
use futures_util::{FutureExt, stream};

use super::ContextFileSystem;
use crate::{
    location::Location,
    metadata::Metadata,
    request::{Request, StartedListing},
    session::is_desktop_file,
};

/// A member of a folder.
#[derive(Debug)]
struct Member {
    name: String,
    metadata: Metadata,
}

impl DavDirEntry for Member {
    fn name(&self) -> Vec<u8> {
        self.name.clone().into_bytes()
    }

    fn metadata(&'_ self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        let mut metadata = self.metadata.clone();
        metadata.etag_as_property = true;
        let metadata: Box<dyn DavMetaData> = Box::new(metadata);
        std::future::ready(Ok(metadata)).boxed()
    }
}

/// The members of a folder that are not listed yet.
struct Listing {
    request: Request,
    /// The path of the folder, with a slash.
    prefix: String,
    first: Option<FileEntry>,
    /// `None` after the last entry.
    entries: Option<FileItems>,
    /// The names of the folders that were listed because of files below them.
    implied: HashSet<String>,
    /// The folders that the context does not store.
    folders: BTreeSet<String>,
    desktop_files: Vec<(String, Metadata)>,
}

impl ContextFileSystem {
    /// Lists a folder page by page. An error ends the stream and is the failure of the request.
    pub(super) fn list_folder(
        &self,
        location: &Location,
        request: &Request,
    ) -> FsStream<Box<dyn DavDirEntry>> {
        let folder = location.as_str();
        let started = request.take_listing(folder).unwrap_or_else(|| {
            let listing = self.files.list().folder(location.folder());
            StartedListing {
                folder: folder.to_owned(),
                first: None,
                rest: listing.page_size(MAX_PAGE_SIZE).prefetch(true).by_item(),
            }
        });
        let listing = Listing {
            request: request.clone(),
            prefix: format!("{}/", folder.trim_end_matches('/')),
            first: started.first,
            entries: Some(started.rest),
            implied: HashSet::new(),
            folders: self.session.folders.names_in(folder),
            desktop_files: match request.is_desktop() {
                true => self.session.desktop_files.files_in(folder),
                false => Vec::new(),
            },
        };
        let members = stream::unfold(listing, async |mut listing| {
            let member = listing.next().await.transpose()?;
            let member = member.map(|member| {
                let member: Box<dyn DavDirEntry> = Box::new(member);
                member
            });
            Some((member, listing))
        });
        Box::pin(members)
    }
}

impl Listing {
    async fn next(&mut self) -> FsResult<Option<Member>> {
        while let Some(entries) = &mut self.entries {
            let entry = match self.first.take() {
                Some(first) => Some(Ok(first)),
                None => entries.next().await,
            };
            match entry {
                Some(Ok(entry)) => {
                    if let Some(member) = self.member(&entry) {
                        return Ok(Some(member));
                    }
                }
                Some(Err(error)) => {
                    self.entries = None;
                    self.folders.clear();
                    self.desktop_files.clear();
                    return Err(self.request.failed_call(&error));
                }
                None => self.entries = None,
            }
        }
        if let Some(name) = self.folders.pop_first() {
            let metadata = Metadata::folder();
            return Ok(Some(Member { name, metadata }));
        }
        let file = self.desktop_files.pop();
        Ok(file.map(|(name, metadata)| Member { name, metadata }))
    }

    /// The member of an entry. A service may return the folder itself, or entries of its subfolders.
    fn member(&mut self, entry: &FileEntry) -> Option<Member> {
        let path = entry.path.trim_end_matches('/');
        if !is_valid(path) {
            return None;
        }
        let name = path.strip_prefix(&self.prefix)?;
        let (name, metadata) = match name.split_once('/') {
            Some((folder, _)) => {
                let is_new = self.implied.insert(folder.to_owned());
                is_new.then_some((folder, Metadata::folder()))?
            }
            None => (name, Metadata::of_entry(entry)),
        };
        let is_hidden = !metadata.is_folder && self.request.is_desktop() && is_desktop_file(name);
        if name.is_empty() || is_hidden {
            return None;
        }
        if metadata.is_folder {
            self.folders.remove(name);
        }
        Some(Member {
            name: name.to_owned(),
            metadata,
        })
    }
}

/// Whether a file can have this path. The URL of another one, for example with a name `..`, would be that of another folder.
fn is_valid(path: &str) -> bool {
    RemotePath::new(path).is_ok_and(|valid| valid.as_str() == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_no_file_can_have_are_not_listed() {
        for path in ["/a", "/a/b c", "/a/..b", "/a/...", "/ü%2e"] {
            assert!(is_valid(path), "{path}");
        }
        for path in [
            "/a/..", "/a/.", "/../a", "/a//b", "a", "/a\\b", "/a\nb", "/", "",
        ] {
            assert!(!is_valid(path), "{path}");
        }
    }
}
