//! The remote files of a two-way sync that have no local file.

use std::{
    io,
    path::{Path, PathBuf},
};

use futures_util::{StreamExt, stream};

use super::{
    super::{
        MAX_CONCURRENT_COMPARISONS,
        case_folding::{ClaimedFiles, FileNumber, has_exact_name, same_local_name},
        decision::{Decision, DecisionSender},
        name_clash::NameClashes,
        remote_files::{RemoteIdentity, RemoteListing, SeenPaths},
    },
    LaterChanges,
    decide::{RemoteOnlyFile, decide_remote_only},
    is_git_ignored,
};
use crate::{
    Error, FileEntry, RemotePath, Result,
    file::local::{blocking, cannot, changed_since_compared, check_no_symlinks},
    sync::{
        change::Change,
        filter::Symlinks,
        options::{SyncOptions, TwoWayConflict},
        paths,
    },
};

/// The remote files in the second listing.
pub(super) struct RemoteOnlyFiles {
    /// All files of the context.
    pub(super) paths: SeenPaths,
    /// Local files that the file system also finds under the name of a remote file.
    pub(super) claimed: ClaimedFiles,
}

/// Lists the context again, and decides about the files that are not on the local side.
pub(super) async fn plan_remote_only(
    options: &SyncOptions,
    how: TwoWayConflict,
    local_files: &SeenPaths,
    later: &mut LaterChanges,
    decisions: &DecisionSender,
) -> Result<RemoteOnlyFiles> {
    let folds_case = options.folds_case().await;
    let mut found = RemoteOnlyFiles {
        paths: SeenPaths::new(folds_case),
        claimed: ClaimedFiles::new(),
    };
    let mut clashes = NameClashes::new();
    let mut listing = RemoteListing::of(options.walk_remote());
    loop {
        let entries = listing.next().await?;
        if entries.is_empty() {
            return Ok(found);
        }
        clashes.add(options, &entries).await?;
        let mut batch = Vec::new();
        let mut files = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.is_folder()) {
            let Some(relative) = paths::relative_to(&options.remote, &entry.path) else {
                continue;
            };
            let is_first = found.paths.insert(relative);
            later.uploads.add_remote(relative);
            if local_files.contains(relative) || !options.filter.includes(relative.as_ref()) {
                continue;
            }
            match remote_file(relative, entry) {
                // Without case folding, the listing contains the file twice.
                Ok(_) if !is_first && !folds_case => {}
                Ok(_) if !is_first => batch.push(failed(relative, same_local_name())),
                Ok(file) => match clashes.error_of(options, relative) {
                    Some(error) => batch.push(failed(relative, error)),
                    None => files.push(file),
                },
                Err(error) => batch.push(failed(relative, error)),
            }
        }
        let decided = files
            .into_iter()
            .map(|(file, local)| decide(options, how, file, local));
        let decided = stream::iter(decided).buffered(MAX_CONCURRENT_COMPARISONS);
        for decided in decided.collect::<Vec<_>>().await {
            match decided {
                RemoteOnly::Decided(Decision::Change(planned)) if planned.change.is_deletion() => {
                    later.remote_deletions.push(&planned);
                }
                RemoteOnly::Decided(decision) => batch.push(decision),
                RemoteOnly::Blocked(Decision::Change(planned)) if !planned.change.is_deletion() => {
                    later.blocked.push(&planned);
                }
                RemoteOnly::Blocked(Decision::Change(planned)) => {
                    later.remote_deletions.push(&planned);
                }
                RemoteOnly::Blocked(decision) => batch.push(decision),
                RemoteOnly::Claimed(number, path) => {
                    if let Some(number) = number {
                        found.claimed.insert(&number, &path);
                    }
                    batch.push(failed(&path, same_local_name()));
                }
                RemoteOnly::None => {}
            }
        }
        decisions.send(batch).await?;
    }
}

fn remote_file(relative: &str, entry: &FileEntry) -> Result<(RemoteOnlyFile, PathBuf)> {
    let file = RemoteOnlyFile {
        relative: relative.to_owned(),
        path: RemotePath::new(entry.path.as_str())?,
        remote: RemoteIdentity::of(entry),
    };
    let local = paths::to_local(relative)?;
    Ok((file, local))
}

fn failed(relative: &str, error: Error) -> Decision {
    Decision::failed(relative, Some(Change::Download), error)
}

enum RemoteOnly {
    Decided(Decision),
    /// Something is in the place of the local file.
    Blocked(Decision),
    /// The file system finds another file under this name.
    Claimed(Option<FileNumber>, String),
    /// Another decision is about this path.
    None,
}

async fn decide(
    options: &SyncOptions,
    how: TwoWayConflict,
    file: RemoteOnlyFile,
    local: PathBuf,
) -> RemoteOnly {
    match is_git_ignored(options, &file.relative).await {
        Ok(true) => return RemoteOnly::None,
        Ok(false) => {}
        Err(error) => return RemoteOnly::Decided(failed(&file.relative, error)),
    }
    let (root, follows) = (
        options.local.clone(),
        options.filter.symlinks == Symlinks::Follow,
    );
    match blocking(move || local_entry(&root, root.join(local), follows)).await {
        Ok(LocalEntry::Missing) => {
            RemoteOnly::Decided(decide_remote_only(options, how, file).await)
        }
        Ok(LocalEntry::Blocked) => {
            RemoteOnly::Blocked(decide_remote_only(options, how, file).await)
        }
        Ok(LocalEntry::OtherName(number)) => RemoteOnly::Claimed(number, file.relative),
        Ok(LocalEntry::NoFile) => RemoteOnly::None,
        Err(error) => RemoteOnly::Decided(failed(&file.relative, error)),
    }
}

/// The local entry of a remote file that the walk has not found.
enum LocalEntry {
    Missing,
    /// A folder, or a file in the place of a folder above.
    Blocked,
    /// A file whose name the file system treats as the same.
    OtherName(Option<FileNumber>),
    /// A link, something below a link, or a special file. The walk has reported it.
    NoFile,
}

/// Looks up the local entry. Blocks.
fn local_entry(root: &Path, path: PathBuf, follows_links: bool) -> Result<LocalEntry> {
    if !follows_links && check_no_symlinks(&path, root).is_err() {
        return Ok(LocalEntry::NoFile);
    }
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(LocalEntry::Missing),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(LocalEntry::Blocked),
        Err(error) => Err(cannot("read", &path, error)),
        Ok(metadata) if metadata.is_dir() => Ok(LocalEntry::Blocked),
        Ok(metadata) if !metadata.is_file() => Ok(LocalEntry::NoFile),
        Ok(metadata) if !has_exact_name(&path) => {
            Ok(LocalEntry::OtherName(FileNumber::of(&metadata)))
        }
        // The file was added after the walk.
        Ok(_) => Err(changed_since_compared(&path)),
    }
}
