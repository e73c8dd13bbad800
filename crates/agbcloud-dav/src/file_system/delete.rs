//! Creating and deleting.

use dav_server::fs::{FsError, FsResult};
use http::StatusCode;

use super::{ContextFileSystem, root_is_protected, writable_file};
use crate::{failure::Failure, location::Location, request::Request};

impl ContextFileSystem {
    /// Creates a folder, in memory until it contains a file.
    pub(super) async fn create_folder(
        &self,
        location: &Location,
        request: &Request,
    ) -> FsResult<()> {
        let path = location.file().ok_or(FsError::Exists)?;
        if self.lookup(location, request).await?.is_some() {
            return Err(FsError::Exists);
        }
        if !self.has_parent(path, request).await? {
            return Err(FsError::NotFound);
        }
        self.remember_folder(location.as_str(), request)
    }

    /// Keeps a folder that contains no file in memory.
    pub(super) fn remember_folder(&self, path: &str, request: &Request) -> FsResult<()> {
        match self.session.folders.insert(path) {
            true => Ok(()),
            false => Err(request.fail_with(
                StatusCode::INSUFFICIENT_STORAGE,
                "too many folders without files",
            )),
        }
    }

    /// Keeps the folder of a file that is about to be deleted: to a client, a folder does not end with its last file.
    pub(super) fn remember_parent(&self, location: &Location) {
        if let Some(path) = location.file() {
            // Without room, the folder ends with the file.
            let _ = self.session.folders.insert(path.parent().as_str());
        }
    }

    pub(super) async fn delete_file(&self, location: &Location, request: &Request) -> FsResult<()> {
        let path = writable_file(location, request)?;
        if request.keeps_in_memory(path) {
            return match self.session.desktop_files.remove(path.as_str()) {
                true => Ok(()),
                false => Err(FsError::NotFound),
            };
        }
        let deleted = self.files.delete(path).await;
        deleted.map_err(|error| request.failed_call(&error))?;
        self.remember_parent(location);
        self.session.properties.remove_one(path.as_str());
        Ok(())
    }

    /// Deletes a folder and everything below.
    pub(super) async fn delete_folder(
        &self,
        location: &Location,
        request: &Request,
    ) -> FsResult<()> {
        if *location == Location::Root {
            return Err(root_is_protected(request));
        }
        let report = self.files.delete_dir(location.folder()).await;
        let report = report.map_err(|error| request.failed_call(&error))?;
        if let Some(failed) = report.failures.first() {
            let mut failure = Failure::from(&failed.error);
            failure.message = format!(
                "{} of {} files could not be deleted: {}",
                report.failed,
                report.failed + report.deleted,
                failure.message
            );
            return Err(request.fail(failure));
        }
        self.remember_parent(location);
        self.session.remove(location.as_str());
        Ok(())
    }
}
