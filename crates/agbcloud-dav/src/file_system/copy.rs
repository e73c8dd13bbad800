//! Copies and moves. The wire has neither: contents pass through this process.
//!
//! A source is deleted only after everything was copied, and only if it is still the version that was copied. What a copy
//! replaces is overwritten, never deleted before.

use std::collections::HashSet;

use agbcloud::{MAX_PAGE_SIZE, RemotePath, UploadSource};
use dav_server::fs::{FsError, FsResult};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::StatusCode;

use super::{ContextFileSystem, writable_file};
use crate::{
    failure::{Failure, is_missing_file},
    location::Location,
    metadata::Metadata,
    request::Request,
};

/// Maximum number of files in a copied or moved folder.
const MAX_FILES: usize = 100_000;

/// Number of files that are copied concurrently.
const CONCURRENT_COPIES: usize = 8;

/// Maximum number of bytes of a file that is copied in memory, so that a failed upload is retried.
const MAX_IN_MEMORY: u64 = 1024 * 1024;

/// What a copy replaces.
struct Replaced {
    file: bool,
    folder: bool,
}

/// A file that was copied.
struct Copied {
    from: RemotePath,
    to: RemotePath,
    /// The version that was copied.
    version: Metadata,
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
            if replaced.file {
                self.delete_replaced_file(target, request).await?;
            }
            self.session.properties.copy_one(from.as_str(), to.as_str());
            return match replaced.folder {
                true => Err(FsError::Exists),
                false => Ok(()),
            };
        }
        self.copy_tree(from, to, request).await.map(|_| ())
    }

    pub(super) async fn rename(
        &self,
        from: &Location,
        to: &Location,
        request: &Request,
    ) -> FsResult<()> {
        let (source, target) = (writable_file(from, request)?, writable_file(to, request)?);
        let metadata = self.lookup(from, request).await?;
        let is_folder = metadata.ok_or(FsError::NotFound)?.is_folder;
        let in_memory = request.keeps_in_memory(source) || request.keeps_in_memory(target);
        if in_memory && !is_folder {
            self.copy_desktop_file(source, to, request).await?;
            self.session.desktop_files.remove(source.as_str());
            return Ok(());
        }
        let copied = match is_folder {
            true => self.copy_tree(from, to, request).await?,
            false => vec![self.copy_over(from, source, to, request).await?],
        };
        self.delete_sources(copied, request).await?;
        self.remember_parent(from);
        match is_folder {
            true => self.session.remove(from.as_str()),
            false => self.session.properties.remove_one(from.as_str()),
        }
        Ok(())
    }

    /// Copies a file, and deletes the folder that it replaces.
    async fn copy_over(
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
        let file = self.lookup_file(target, request).await?.is_some();
        let folder = self.lookup_folder(to, request).await?.is_some();
        if !request.overwrites && (file || folder) {
            let message = "the destination exists";
            return Err(request.fail_with(StatusCode::PRECONDITION_FAILED, message));
        }
        if !(file && folder) {
            return Ok(Replaced { file, folder });
        }
        if to.selects_folder() != is_folder {
            let message = "the destination is both a file and a folder: end the URL of a folder with a slash, and that of a \
                           file with none";
            return Err(request.fail_with(StatusCode::CONFLICT, message));
        }
        Ok(Replaced {
            file: !is_folder,
            folder: is_folder,
        })
    }

    async fn delete_replaced_file(&self, path: &RemotePath, request: &Request) -> FsResult<()> {
        let deleted = self.files.delete(path).missing_ok(true).await;
        deleted
            .map(|_| ())
            .map_err(|error| request.failed_call(&error))
    }

    /// Copies the files below a folder, deletes what else was at the target, and returns the copied files.
    async fn copy_tree(
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
        let copied: Vec<Copied> = stream::iter(copies)
            .map(async |(from, to)| self.copy_content(&from, &to, request).await)
            .buffer_unordered(CONCURRENT_COPIES)
            .try_collect()
            .await
            .map_err(|error| self.copy_failed(&error, request))?;
        if replaced.file {
            self.delete_replaced_file(target, request).await?;
        }
        if replaced.folder {
            self.delete_others(to, &copied, request).await?;
        }
        self.session.remove(to.as_str());
        self.session.copy(from.as_str(), to.as_str());
        self.remember_folder(to.as_str(), request)?;
        Ok(copied)
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
    async fn paths_below(&self, folder: &Location, request: &Request) -> FsResult<Vec<RemotePath>> {
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

    /// Downloads a file and uploads it. Both verify the content by the checksums of the store.
    async fn copy_content(
        &self,
        from: &RemotePath,
        to: &RemotePath,
        request: &Request,
    ) -> agbcloud::Result<Copied> {
        let file = self.files.open(from).await?;
        let version = Metadata::of_file(&file).unwrap_or_default();
        let source: UploadSource = match file.size() {
            Some(size) if size > MAX_IN_MEMORY => UploadSource::reader(file, size),
            Some(_) => file.bytes().await?.into(),
            None => UploadSource::reader_to_end(file),
        };
        let upload = self.files.upload(to, source);
        match request.overwrites {
            true => upload.await?,
            false => upload.if_absent().await?,
        };
        Ok(Copied {
            from: from.clone(),
            to: to.clone(),
            version,
        })
    }

    /// Deletes the files below a replaced folder that no copied file has overwritten.
    async fn delete_others(
        &self,
        folder: &Location,
        copied: &[Copied],
        request: &Request,
    ) -> FsResult<()> {
        let copies: HashSet<&RemotePath> = copied.iter().map(|copied| &copied.to).collect();
        let mut others = self.paths_below(folder, request).await?;
        others.retain(|path| !copies.contains(path));
        stream::iter(others)
            .map(async |path| self.files.delete(path).missing_ok(true).await)
            .buffer_unordered(CONCURRENT_COPIES)
            .try_collect()
            .await
            .map_err(|error| request.failed_call(&error))
    }

    /// Deletes the sources of a move. One that changed after it was copied is kept, and is an error.
    async fn delete_sources(&self, copied: Vec<Copied>, request: &Request) -> FsResult<()> {
        let kept: Vec<Option<RemotePath>> = stream::iter(copied)
            .map(async |copied| self.delete_source(copied, request).await)
            .buffer_unordered(CONCURRENT_COPIES)
            .try_collect()
            .await?;
        match kept.into_iter().flatten().next() {
            None => Ok(()),
            Some(path) => {
                let message = format!("{path} changed while it was moved: both versions are kept");
                Err(request.fail_with(StatusCode::CONFLICT, message))
            }
        }
    }

    /// Returns the path of a source that is another version than the one that was copied.
    async fn delete_source(
        &self,
        copied: Copied,
        request: &Request,
    ) -> FsResult<Option<RemotePath>> {
        let Some(current) = self.lookup_file(&copied.from, request).await? else {
            return Ok(None);
        };
        if !current.is_same_version(&copied.version) {
            return Ok(Some(copied.from));
        }
        let deleted = self.files.delete(&copied.from).missing_ok(true).await;
        deleted.map_err(|error| request.failed_call(&error))?;
        Ok(None)
    }

    /// Copies a file that is in memory: to another one in memory, or to the context.
    async fn copy_desktop_file(
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
