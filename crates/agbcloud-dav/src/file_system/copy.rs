//! Copies. The wire has none: contents pass through this process.
//!
//! What a copy replaces is overwritten, never deleted before. A folder does not replace one that contains other files than those
//! that it overwrites: after a move that has deleted a part of its sources, the others at the destination are the only copies,
//! and a repeated move, or a copy of what is left, would delete them. Not even this process can know that it is a repetition,
//! since it may have been started again.

use std::collections::HashSet;

use agbcloud::{MAX_PAGE_SIZE, RemotePath};
use dav_server::fs::{FsError, FsResult};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::StatusCode;

use super::{ContextFileSystem, content::Copied, writable_file};
use crate::{
    failure::{Failure, is_missing_file},
    location::Location,
    metadata::Metadata,
    request::Request,
};

/// Maximum number of files in a copied or moved folder.
const MAX_FILES: usize = 100_000;

/// Number of files that are copied concurrently.
pub(super) const CONCURRENT_COPIES: usize = 8;

/// What a copy replaces.
struct Replaced {
    /// The version of the file.
    file: Option<Metadata>,
    folder: bool,
}

impl ContextFileSystem {
    /// Copies a file, which replaces a file or a folder.
    pub(super) async fn copy_file(
        &self,
        from: &Location,
        to: &Location,
        request: &Request,
    ) -> FsResult<()> {
        let (source, target) = (writable_file(from, request)?, writable_file(to, request)?);
        if request.keeps_in_memory(source) || request.keeps_in_memory(target) {
            return self.copy_desktop_file(source, to, request).await;
        }
        self.copy_over(from, source, to, request).await.map(|_| ())
    }

    /// Copies a folder with everything below, which replaces a file or a folder.
    pub(super) async fn copy_folder(
        &self,
        from: &Location,
        to: &Location,
        request: &Request,
    ) -> FsResult<()> {
        if request.is_shallow {
            let target = writable_file(to, request)?;
            let replaced = self.replaced(target, to, true, request).await?;
            self.remember_folder(to.as_str(), request)?;
            self.delete_replaced_file(target, &replaced, request)
                .await?;
            self.session.properties.copy_one(from.as_str(), to.as_str());
            return match replaced.folder {
                true => Err(FsError::Exists),
                false => Ok(()),
            };
        }
        self.copy_tree(from, to, request).await.map(|_| ())
    }

    /// Copies a file, and deletes the folder that it replaces.
    pub(super) async fn copy_over(
        &self,
        from: &Location,
        source: &RemotePath,
        to: &Location,
        request: &Request,
    ) -> FsResult<Copied> {
        let target = writable_file(to, request)?;
        if from.is_within(to) {
            let message = "a file can't replace a folder that contains it";
            return Err(request.fail_with(StatusCode::FORBIDDEN, message));
        }
        let replaced = self.replaced(target, to, false, request).await?;
        let copied = self.copy_content(source, target, request).await;
        let copied = copied.map_err(|error| request.failed_call(&error))?;
        if replaced.folder {
            self.delete_folder(to, request).await?;
        }
        let properties = &self.session.properties;
        properties.copy_one(source.as_str(), target.as_str());
        Ok(copied)
    }

    /// What a copy to a path must replace: the file or the folder that the path selects. Of a file and a folder of the same
    /// name, a copy replaces one of its own kind, and keeps the other.
    async fn replaced(
        &self,
        target: &RemotePath,
        to: &Location,
        is_folder: bool,
        request: &Request,
    ) -> FsResult<Replaced> {
        let file = self.lookup_file(target, request).await?;
        let folder = self.lookup_folder(to, request).await?.is_some();
        if !request.overwrites && (file.is_some() || folder) {
            let message = "the destination exists";
            return Err(request.fail_with(StatusCode::PRECONDITION_FAILED, message));
        }
        if !(file.is_some() && folder) {
            return Ok(Replaced { file, folder });
        }
        if to.selects_folder() != is_folder {
            let message = "the destination is both a file and a folder: end the URL of a folder with a slash, and that of a \
                           file with none";
            return Err(request.fail_with(StatusCode::CONFLICT, message));
        }
        Ok(Replaced {
            file: file.filter(|_| !is_folder),
            folder: is_folder,
        })
    }

    /// Deletes the file that a folder has replaced, unless it has changed since.
    async fn delete_replaced_file(
        &self,
        path: &RemotePath,
        replaced: &Replaced,
        request: &Request,
    ) -> FsResult<()> {
        let Some(version) = &replaced.file else {
            return Ok(());
        };
        let current = self.lookup_file(path, request).await?;
        if current.is_some_and(|current| !current.is_same_version(version)) {
            let message = format!("{path} changed while a folder replaced it: both are kept");
            return Err(request.fail_with(StatusCode::CONFLICT, message));
        }
        let deleted = self.files.delete(path).missing_ok(true).await;
        deleted
            .map(|_| ())
            .map_err(|error| request.failed_call(&error))
    }

    /// Copies the files below a folder, and returns them.
    pub(super) async fn copy_tree(
        &self,
        from: &Location,
        to: &Location,
        request: &Request,
    ) -> FsResult<Vec<Copied>> {
        let target = writable_file(to, request)?;
        if to.is_within(from) || from.is_within(to) {
            let message =
                "a folder can't be copied or moved to one that contains it or that it contains";
            return Err(request.fail_with(StatusCode::FORBIDDEN, message));
        }
        let copies = self.plan_copies(from, to, request).await?;
        let replaced = self.replaced(target, to, true, request).await?;
        let earlier = self.session.moves.copies(from.as_str(), to.as_str());
        if replaced.folder {
            let expected = copies.iter().map(|(_, copy)| copy.as_str());
            let expected = expected.chain(earlier.iter().map(String::as_str));
            self.check_other_files(to, expected.collect(), request)
                .await?;
        }
        let copied: Vec<Copied> = stream::iter(copies)
            .map(async |(from, to)| self.copy_content(&from, &to, request).await)
            .buffer_unordered(CONCURRENT_COPIES)
            .try_collect()
            .await
            .map_err(|error| self.copy_failed(&error, request))?;
        self.delete_replaced_file(target, &replaced, request)
            .await?;
        if earlier.is_empty() {
            self.session.remove(to.as_str());
        }
        self.session.copy(from.as_str(), to.as_str());
        self.remember_folder(to.as_str(), request)?;
        Ok(copied)
    }

    /// Fails if a folder contains another file than the expected ones.
    async fn check_other_files(
        &self,
        folder: &Location,
        expected: HashSet<&str>,
        request: &Request,
    ) -> FsResult<()> {
        let files = self.paths_below(folder, request).await?;
        for path in files {
            // Listings of the cloud may contain deleted files.
            if expected.contains(path.as_str()) || self.lookup_file(&path, request).await?.is_none()
            {
                continue;
            }
            let message = format!(
                "the destination has a file that the source has not: {path}. Nothing was changed, since it may be the only copy, \
                 from a move that was interrupted. Move the files one by one, or choose another destination"
            );
            return Err(request.fail_with(StatusCode::CONFLICT, message));
        }
        Ok(())
    }

    /// A file that disappears during a copy fails it: the copy is not that of any state of the folder.
    fn copy_failed(&self, error: &agbcloud::Error, request: &Request) -> FsError {
        if is_missing_file(error) {
            let message = format!("a file was deleted during the copy: {error}");
            return request.fail_with(StatusCode::CONFLICT, message);
        }
        request.failed_call(error)
    }

    /// Lists the files of a folder with the paths of their copies, before anything is copied.
    async fn plan_copies(
        &self,
        from: &Location,
        to: &Location,
        request: &Request,
    ) -> FsResult<Vec<(RemotePath, RemotePath)>> {
        let sources = self.paths_below(from, request).await?;
        let prefix = from.as_str().len();
        let copies = sources.into_iter().map(|source| {
            let target = RemotePath::new(format!("{}{}", to.as_str(), &source.as_str()[prefix..]));
            let target = target.map_err(|error| {
                request.fail_with(StatusCode::URI_TOO_LONG, error.message().to_owned())
            })?;
            Ok((source, target))
        });
        copies.collect()
    }

    /// The paths of all files below a folder.
    pub(super) async fn paths_below(
        &self,
        folder: &Location,
        request: &Request,
    ) -> FsResult<Vec<RemotePath>> {
        let listing = self.files.list().folder(folder.folder());
        let mut entries = listing.page_size(MAX_PAGE_SIZE).prefetch(true).walk();
        let mut paths = Vec::new();
        while let Some(entry) = entries.next().await {
            let entry = entry.map_err(|error| request.failed_call(&error))?;
            if entry.is_folder() {
                continue;
            }
            if paths.len() == MAX_FILES {
                return Err(request.fail_with(
                    StatusCode::INSUFFICIENT_STORAGE,
                    format!(
                        "the folder has more than {MAX_FILES} files: use 'agb cp -r' or 'agb mv -r'"
                    ),
                ));
            }
            let path = RemotePath::new(entry.path.as_str());
            paths.push(path.map_err(|error| request.fail(Failure::from(&error)))?);
        }
        Ok(paths)
    }

    /// Copies a file that is in memory: to another one in memory, or to the context.
    pub(super) async fn copy_desktop_file(
        &self,
        from: &RemotePath,
        to: &Location,
        request: &Request,
    ) -> FsResult<()> {
        let target = writable_file(to, request)?;
        let desktop_files = &self.session.desktop_files;
        if !request.keeps_in_memory(from) {
            let message = "a file of the context can't get a name whose files are kept in memory";
            return Err(request.fail_with(StatusCode::FORBIDDEN, message));
        }
        let file = desktop_files.get(from.as_str()).ok_or(FsError::NotFound)?;
        if self.lookup_folder(to, request).await?.is_some() {
            let message = "a file that is kept in memory can't replace a folder";
            return Err(request.fail_with(StatusCode::FORBIDDEN, message));
        }
        if request.keeps_in_memory(target) {
            desktop_files.put(target.as_str(), file.content, request.now);
            return Ok(());
        }
        let upload = self.files.upload(target, file.content);
        let uploaded = match request.overwrites {
            true => upload.await,
            false => upload.if_absent().await,
        };
        uploaded.map_err(|error| request.failed_call(&error))?;
        Ok(())
    }
}
