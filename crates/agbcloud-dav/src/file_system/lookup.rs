//! Looking up one path.

use agbcloud::{MAX_PAGE_SIZE, RemotePath};
use dav_server::fs::FsResult;

use super::ContextFileSystem;
use crate::{
    failure::{Failure, is_missing_file},
    location::Location,
    metadata::Metadata,
    request::{Request, StartedListing},
};

impl ContextFileSystem {
    /// Returns the metadata of a file or folder; `None` if there is none.
    pub(crate) async fn lookup(
        &self,
        location: &Location,
        request: &Request,
    ) -> FsResult<Option<Metadata>> {
        let Location::Path { path, slash } = location else {
            return match request.lists_members_of(location) {
                // Reports a missing context before the response starts.
                true => self
                    .lookup_folder(location, request)
                    .await
                    .map(|_| Some(Metadata::folder())),
                false => Ok(Some(Metadata::folder())),
            };
        };
        if *slash {
            return match self.lookup_folder(location, request).await? {
                Some(folder) => Ok(Some(folder)),
                // A folder that is gone is not the file of the same name.
                None if request.removes(location) => Ok(None),
                None => self.lookup_visible_file(path, request).await,
            };
        }
        match self.lookup_visible_file(path, request).await? {
            Some(file) => Ok(Some(file)),
            None => self.lookup_folder(location, request).await,
        }
    }

    /// Returns the metadata of a file in the context, or in memory. To Finder and Explorer, a stored file with a name that they
    /// use does not exist.
    pub(super) async fn lookup_visible_file(
        &self,
        path: &RemotePath,
        request: &Request,
    ) -> FsResult<Option<Metadata>> {
        if request.keeps_in_memory(path) {
            let file = self.session.desktop_files.get(path.as_str());
            return Ok(file.map(|file| file.metadata));
        }
        self.lookup_file(path, request).await
    }

    /// Returns the metadata of a file, by the first byte of its content: a listing of its folder could take many calls.
    pub(crate) async fn lookup_file(
        &self,
        path: &RemotePath,
        request: &Request,
    ) -> FsResult<Option<Metadata>> {
        let found = self.find_file(path).await;
        found.map_err(|failure| request.fail(failure))
    }

    /// Like [`lookup_file`](Self::lookup_file), without making an error the failure of the request.
    pub(super) async fn find_file(&self, path: &RemotePath) -> Result<Option<Metadata>, Failure> {
        let mut opened = self.files.open(path).range(..1).await;
        if opened
            .as_ref()
            .is_err_and(|error| error.status() == Some(416))
        {
            // Empty.
            opened = self.files.open(path).await;
        }
        match opened {
            Ok(file) => match Metadata::of_file(&file) {
                Some(metadata) => Ok(Some(metadata)),
                None => Err(Failure::new(
                    http::StatusCode::BAD_GATEWAY,
                    "the store does not report the size of the file",
                )),
            },
            Err(error) if is_missing_file(&error) => Ok(None),
            Err(error) => Err(Failure::from(&error)),
        }
    }

    /// Returns the metadata of a folder that contains something, or that a client has created.
    pub(crate) async fn lookup_folder(
        &self,
        location: &Location,
        request: &Request,
    ) -> FsResult<Option<Metadata>> {
        let is_known = self.session.folders.contains(location.as_str());
        let lists_members = request.lists_members_of(location);
        if is_known && !lists_members {
            return Ok(Some(Metadata::folder()));
        }
        let listing = self.files.list().folder(location.folder());
        let mut entries = match lists_members {
            true => listing.page_size(MAX_PAGE_SIZE).prefetch(true).by_item(),
            false => listing.page_size(1).by_item(),
        };
        let first = entries.next().await.transpose();
        let first = first.map_err(|error| request.failed_call(&error))?;
        let exists = is_known || first.is_some();
        if lists_members {
            request.keep_listing(StartedListing {
                folder: location.as_str().to_owned(),
                first,
                rest: entries,
            });
        }
        Ok(exists.then(Metadata::folder))
    }

    /// Whether the folder that contains a location exists.
    pub(crate) async fn has_parent(&self, path: &RemotePath, request: &Request) -> FsResult<bool> {
        let parent = path.parent();
        let Ok(path) = RemotePath::new(parent.as_str()) else {
            return Ok(true);
        };
        let parent = Location::Path { path, slash: true };
        Ok(self.lookup_folder(&parent, request).await?.is_some())
    }
}
