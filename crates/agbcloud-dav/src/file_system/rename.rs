//! Moves: a copy, then the deletion of the sources.
//!
//! Everything else that can fail is done before the first source is deleted. A source is deleted only if it is still the version
//! that was copied.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use agbcloud::RemotePath;
use dav_server::fs::{FsError, FsResult};
use futures_util::{StreamExt, stream};
use http::StatusCode;

use super::{ContextFileSystem, content::Copied, copy::CONCURRENT_COPIES, writable_file};
use crate::{failure::Failure, location::Location, request::Request};

/// Number of failed deletions after which a move stops: the service is likely down, and each attempt takes time.
const MAX_FAILED_DELETIONS: usize = 16;

/// The result of the deletion of a copied source.
enum Source {
    Deleted,
    /// It is another version than the one that was copied.
    Changed(RemotePath),
    Failed(RemotePath, Failure),
    /// Its deletion was not attempted.
    Kept,
}

impl ContextFileSystem {
    pub(super) async fn rename(
        &self,
        from: &Location,
        to: &Location,
        request: &Request,
    ) -> FsResult<()> {
        let (source, target) = (writable_file(from, request)?, writable_file(to, request)?);
        let metadata = self.lookup(from, request).await?;
        let is_folder = metadata.ok_or(FsError::NotFound)?.is_folder;
        if is_folder {
            return self.rename_folder(from, to, request).await;
        }
        if request.keeps_in_memory(source) || request.keeps_in_memory(target) {
            self.copy_desktop_file(source, to, request).await?;
            self.session.desktop_files.remove(source.as_str());
            return Ok(());
        }
        let copied = self.copy_over(from, source, to, request).await?;
        self.delete_sources(vec![copied], request).await?;
        self.remember_parent(from);
        self.session.properties.remove_one(from.as_str());
        Ok(())
    }

    async fn rename_folder(
        &self,
        from: &Location,
        to: &Location,
        request: &Request,
    ) -> FsResult<()> {
        let copied = self.copy_tree(from, to, request).await?;
        let moves = &self.session.moves;
        let copies = copied.iter().map(|copied| copied.to.as_str().to_owned());
        moves.insert(from.as_str(), to.as_str(), copies);
        let sources = copied.iter().map(|copied| copied.from.clone()).collect();
        self.delete_sources(copied, request).await?;
        self.check_added_files(from, &sources, request).await?;
        moves.finish(from.as_str(), to.as_str());
        self.remember_parent(from);
        self.session.remove(from.as_str());
        Ok(())
    }

    /// Deletes the sources of a move, also if that of some fails. What is left is an error, and not a multi-status response: most
    /// clients take any status below 300 for a success.
    async fn delete_sources(&self, copied: Vec<Copied>, request: &Request) -> FsResult<()> {
        let total = copied.len();
        let failures = AtomicUsize::new(0);
        let sources: Vec<Source> = stream::iter(copied)
            .map(async |copied| {
                if failures.load(Ordering::Relaxed) >= MAX_FAILED_DELETIONS {
                    return Source::Kept;
                }
                let source = self.delete_source(copied).await;
                if matches!(source, Source::Failed(..)) {
                    failures.fetch_add(1, Ordering::Relaxed);
                }
                source
            })
            .buffer_unordered(CONCURRENT_COPIES)
            .collect()
            .await;
        let is_left = |source: &&Source| !matches!(source, Source::Deleted);
        let left = sources.iter().filter(is_left).count();
        let (mut changed, mut failed) = (None, None);
        for source in sources {
            match source {
                Source::Changed(path) => changed = changed.or(Some(path)),
                Source::Failed(path, failure) => failed = failed.or(Some((path, failure))),
                Source::Deleted | Source::Kept => {}
            }
        }
        let count =
            format!("all {total} files are copied, but {left} of them are left at the source");
        if let Some(path) = changed {
            let message =
                format!("{count}: {path} changed while it was moved: both versions are kept");
            return Err(request.fail_with(StatusCode::CONFLICT, message));
        }
        match failed {
            None => Ok(()),
            Some((path, mut failure)) => {
                failure.message = format!("{count}: {path}: {}", failure.message);
                Err(request.fail(failure))
            }
        }
    }

    async fn delete_source(&self, copied: Copied) -> Source {
        let current = match self.find_file(&copied.from).await {
            Ok(Some(current)) => current,
            Ok(None) => return Source::Deleted,
            Err(failure) => return Source::Failed(copied.from, failure),
        };
        if !current.is_same_version(&copied.version) {
            return Source::Changed(copied.from);
        }
        match self.files.delete(&copied.from).missing_ok(true).await {
            Ok(()) => Source::Deleted,
            Err(error) => Source::Failed(copied.from, Failure::from(&error)),
        }
    }

    /// Fails if the source of a move has files that were not there when it began.
    async fn check_added_files(
        &self,
        from: &Location,
        moved: &HashSet<RemotePath>,
        request: &Request,
    ) -> FsResult<()> {
        for path in self.paths_below(from, request).await? {
            if moved.contains(&path) || self.lookup_file(&path, request).await?.is_none() {
                continue;
            }
            let message =
                format!("{path} was added while its folder was moved: it is left at the source");
            return Err(request.fail_with(StatusCode::CONFLICT, message));
        }
        Ok(())
    }
}
