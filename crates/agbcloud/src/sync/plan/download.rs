//! Planning a download, and the deletion of extraneous local files.

use std::{
    fs::Metadata,
    io,
    path::{Path, PathBuf},
};

use futures_util::{StreamExt, stream};

use super::{
    MAX_CONCURRENT_COMPARISONS,
    case_folding::{ClaimedFiles, FileNumber, has_exact_name, same_local_name},
    change_list::ChangeList,
    compare::{Comparison, FilePair},
    decision::{Compared, Decision, DecisionSender, PlannedChange},
    empty_folders::EmptyRemoteFolders,
    local_walk::{self, LocalEntry},
    name_clash::NameClashes,
    remote_files::{RemoteIdentity, RemoteListing, SeenPaths},
};
use crate::{
    Error, ErrorKind, FileEntry, RemotePath, Result,
    file::{
        atomic_file::is_part,
        local::{LocalIdentity, blocking},
    },
    sync::{
        change::Change, conflict_name::is_conflict_copy, filter::EntryFilter, options::SyncOptions,
        paths, report::SkipReason,
    },
};

pub(super) async fn plan(options: &SyncOptions, decisions: &DecisionSender) -> Result<()> {
    let folds_case = options.folds_case().await;
    let mut seen = SeenPaths::new(folds_case);
    let needs_seen = options.delete || folds_case;
    let mut claimed = ClaimedFiles::new();
    let mut blocked = ChangeList::default();
    let mut folders = EmptyRemoteFolders::new();
    let mut clashes = NameClashes::new();
    let mut listing = RemoteListing::of(options.walk_remote());
    loop {
        let entries = listing.next().await?;
        if entries.is_empty() {
            break;
        }
        clashes.add(options, &entries).await?;
        let mut files = Vec::with_capacity(entries.len());
        let mut batch = Vec::new();
        for entry in &entries {
            if let Some(relative) = paths::relative_to(&options.remote, &entry.path) {
                folders.insert(relative, entry.is_folder());
            }
        }
        for entry in entries.into_iter().filter(|entry| !entry.is_folder()) {
            match remote_file(options, &entry) {
                Ok(Some(file)) if needs_seen && !seen.insert(&file.relative) && folds_case => {
                    batch.push(name_conflict(file.relative));
                }
                Ok(Some(file)) => match clashes.error_of(options, &file.relative) {
                    Some(error) => batch.push(failed(file.relative, error)),
                    None => files.push(file),
                },
                Ok(None) => {}
                Err(error) => {
                    batch.push(failed(entry.path, error));
                }
            }
        }
        let candidates = candidates(options, files).await?;
        let (candidates, conflicting) = claim(candidates, &mut claimed).await?;
        batch.extend(
            conflicting
                .into_iter()
                .map(|file| name_conflict(file.relative)),
        );
        batch.extend(decide_all(options, candidates, &mut blocked).await);
        decisions.send(batch).await?;
    }
    let empty = folders.end(&options.filter.globs).into_iter();
    decisions
        .send(empty.map(Decision::Skipped).collect())
        .await?;
    if options.delete {
        plan_deletions(options, (seen, &claimed), decisions).await?;
    }
    for planned in blocked.iter() {
        decisions.send(vec![Decision::Change(planned)]).await?;
    }
    Ok(())
}

/// A remote file with a valid local path.
struct RemoteFile {
    relative: String,
    local_path: PathBuf,
    remote_path: RemotePath,
    remote: RemoteIdentity,
    /// The identity of the local entry of this name, whether a file or not.
    existing: Option<LocalIdentity>,
    /// The local path exists, or can't be read.
    replaces: bool,
    /// The local path is a folder, or a folder above it is a file, and extraneous files are deleted.
    blocked: bool,
}

impl RemoteFile {
    fn planned(self) -> PlannedChange {
        PlannedChange {
            path: self.relative,
            change: Change::Download,
            size: self.remote.size,
            replaces: self.replaces,
            keeps_both: false,
            restores: false,
            executable: false,
            modified: self.remote.modified,
            compared: Compared {
                local: self.existing,
                remote: None,
            },
        }
    }
}

/// Returns the remote file of an entry; `None` if the filter does not include it.
fn remote_file(options: &SyncOptions, entry: &FileEntry) -> Result<Option<RemoteFile>> {
    let remote_path = RemotePath::new(entry.path.as_str())?;
    let Some(relative) = paths::relative_to(&options.remote, remote_path.as_str()) else {
        let message = "the service listed a file outside of the folder";
        return Err(Error::new(ErrorKind::InvalidResponse, message));
    };
    if !options.filter.includes(Path::new(relative)) {
        return Ok(None);
    }
    let local = paths::to_local(relative)?;
    Ok(Some(RemoteFile {
        relative: relative.to_owned(),
        local_path: options.local.join(local),
        remote: RemoteIdentity::of(entry),
        existing: None,
        replaces: false,
        blocked: false,
        remote_path,
    }))
}

fn name_conflict(path: String) -> Decision {
    failed(path, same_local_name())
}

fn failed(path: String, error: Error) -> Decision {
    Decision::failed(path, Some(Change::Download), error)
}

/// A remote file, and the local file of the same name.
struct DownloadCandidate {
    file: RemoteFile,
    local: Option<LocalIdentity>,
    number: Option<FileNumber>,
}

/// Separates the files whose local file was claimed by another name.
async fn claim(
    candidates: Vec<DownloadCandidate>,
    claimed: &mut ClaimedFiles,
) -> Result<(Vec<DownloadCandidate>, Vec<RemoteFile>)> {
    let mut is_free = |candidate: &DownloadCandidate| {
        let number = candidate.number.as_ref();
        number.is_none_or(|number| claimed.insert(number, &candidate.file.relative))
    };
    let (mut free, others) = candidates.into_iter().partition::<Vec<_>, _>(&mut is_free);
    if others.is_empty() {
        return Ok((free, Vec::new()));
    }
    // Two hard links of one file may have names that differ only in case.
    let is_hard_link = |candidate: &DownloadCandidate| {
        candidate.number.is_some_and(FileNumber::is_linked)
            && has_exact_name(&candidate.file.local_path)
    };
    let separated = blocking(move || Ok(others.into_iter().partition::<Vec<_>, _>(is_hard_link)));
    let (linked, conflicting) = separated.await?;
    free.extend(linked);
    let conflicting = conflicting.into_iter().map(|candidate| candidate.file);
    Ok((free, conflicting.collect()))
}

/// Decides about files. One that is blocked by extraneous entries is downloaded after their deletion.
async fn decide_all(
    options: &SyncOptions,
    candidates: Vec<DownloadCandidate>,
    blocked: &mut ChangeList,
) -> Vec<Decision> {
    let (free, waiting) = candidates
        .into_iter()
        .partition::<Vec<_>, _>(|candidate| !options.delete || !candidate.file.blocked);
    for DownloadCandidate { file, .. } in waiting {
        blocked.push(&PlannedChange {
            replaces: false,
            ..file.planned()
        });
    }
    let decisions = free
        .into_iter()
        .map(|candidate| decide(options, candidate.file, candidate.local));
    let decisions = stream::iter(decisions).buffered(MAX_CONCURRENT_COMPARISONS);
    decisions.collect().await
}

/// Looks up the local entries of the same names. A link is replaced, and a folder is an error during the download.
async fn candidates(
    options: &SyncOptions,
    files: Vec<RemoteFile>,
) -> Result<Vec<DownloadCandidate>> {
    let (root, filter) = (options.local.clone(), options.filter.clone());
    blocking(move || {
        let files = files.into_iter();
        let files = files.filter(|file| !filter.git_ignores(Path::new(&file.relative)));
        Ok(files.map(|file| candidate(file, &root, &filter)).collect())
    })
    .await
}

fn candidate(mut file: RemoteFile, root: &Path, filter: &EntryFilter) -> DownloadCandidate {
    let metadata = file.local_path.symlink_metadata();
    let has_failed = |kind| metadata.as_ref().is_err_and(|error| error.kind() == kind);
    file.replaces = !has_failed(io::ErrorKind::NotFound);
    file.blocked = match &metadata {
        Ok(existing) => existing.is_dir() && can_delete(root, &file.local_path, filter),
        Err(_) => {
            let above = file.local_path.ancestors().skip(1);
            let mut above = above.take_while(|above| *above != root);
            has_failed(io::ErrorKind::NotADirectory)
                && above.any(|above| !above.is_dir() && can_delete(root, above, filter))
        }
    };
    file.existing = metadata.as_ref().ok().map(LocalIdentity::of);
    let local = metadata.ok().filter(Metadata::is_file);
    DownloadCandidate {
        file,
        local: local.as_ref().map(LocalIdentity::of),
        number: local.as_ref().and_then(FileNumber::of),
    }
}

/// Whether the filter allows to delete an entry with everything in it. Blocks.
fn can_delete(root: &Path, path: &Path, filter: &EntryFilter) -> bool {
    let Ok(metadata) = path.symlink_metadata() else {
        return false;
    };
    if metadata.is_dir() {
        let Ok(mut entries) = std::fs::read_dir(path) else {
            return false;
        };
        return entries
            .all(|entry| entry.is_ok_and(|entry| can_delete(root, &entry.path(), filter)));
    }
    let is_included = |relative: &Path| filter.includes(relative) && !filter.git_ignores(relative);
    metadata.is_file() && !is_part(path) && path.strip_prefix(root).is_ok_and(is_included)
}

async fn decide(options: &SyncOptions, file: RemoteFile, local: Option<LocalIdentity>) -> Decision {
    let comparison = match local {
        Some(local) => {
            let pair = FilePair {
                local_path: &file.local_path,
                remote_path: &file.remote_path,
                local,
                remote: &file.remote,
            };
            options.compare_pair(&pair).await
        }
        None => Ok(Comparison::Differs),
    };
    let planned = file.planned();
    match comparison {
        Ok(comparison) => options.decide_copy(comparison, planned),
        Err(error) => Decision::failed(planned.path, Some(Change::Download), error),
    }
}

/// Plans the deletion of local files that are not in the context.
///
/// A file must be missing in two listings, since one may be stale or may have missed a file when another was deleted, and in
/// a request for the file itself, since both listings may lag behind an upload. A file that was claimed by a remote file, or
/// that was created after the start of the sync, is not deleted.
async fn plan_deletions(
    options: &SyncOptions,
    (mut seen, claimed): (SeenPaths, &ClaimedFiles),
    decisions: &DecisionSender,
) -> Result<()> {
    let mut listed_twice = false;
    let mut walk = local_walk::walk(&options.local, &options.filter);
    while let Some(entries) = walk.recv().await {
        let mut extraneous = Vec::new();
        let mut batch = Vec::new();
        for entry in entries {
            let (relative, identity, number) = match entry {
                LocalEntry::File {
                    relative,
                    identity,
                    number,
                    ..
                } => (relative, identity, number),
                // Local folders are not deleted.
                LocalEntry::Skipped(entry) if entry.reason != SkipReason::EmptyFolder => {
                    batch.push(Decision::Skipped(entry));
                    continue;
                }
                _ => continue,
            };
            let Ok(path) = paths::from_local(&relative) else {
                continue;
            };
            let is_claimed = |number: &FileNumber| claimed.contains(number, &path);
            if number.as_ref().is_some_and(is_claimed) || identity.is_later_than(options.started) {
                continue;
            }
            if !listed_twice && !seen.contains(&path) {
                list_again(options, &mut seen).await?;
                listed_twice = true;
            }
            if !seen.contains(&path) && !is_conflict_copy(&path) {
                extraneous.push((path, identity));
            }
        }
        let decided = extraneous
            .into_iter()
            .map(|(path, identity)| decide_extraneous(options, path, identity));
        let decided = stream::iter(decided).buffered(MAX_CONCURRENT_COMPARISONS);
        batch.extend(decided.collect::<Vec<_>>().await);
        decisions.send(batch).await?;
    }
    Ok(())
}

async fn list_again(options: &SyncOptions, seen: &mut SeenPaths) -> Result<()> {
    let mut listing = options.walk_remote();
    while let Some(entry) = listing.next().await {
        let entry = entry?;
        if entry.is_folder() {
            continue;
        }
        if let Some(relative) = paths::relative_to(&options.remote, &entry.path) {
            seen.insert(relative);
        }
    }
    Ok(())
}

async fn decide_extraneous(options: &SyncOptions, path: String, local: LocalIdentity) -> Decision {
    let compared = Compared {
        local: Some(local),
        remote: None,
    };
    let size = Some(local.size);
    let planned = PlannedChange::deletion(&path, Change::DeleteLocal, size, compared);
    match check_extraneous(options, &path, local).await {
        Ok(Some(changed)) => options.decide_deletion(changed, planned),
        Ok(None) => Decision::skipped(path, SkipReason::StaleListing),
        Err(error) => Decision::failed(path, Some(Change::DeleteLocal), error),
    }
}

/// Whether a local file that is in no listing was changed or added since the last sync. Returns `None` if the store has the
/// file, so that the listings are stale.
async fn check_extraneous(
    options: &SyncOptions,
    path: &str,
    local: LocalIdentity,
) -> Result<Option<bool>> {
    let Ok(remote) = paths::to_remote(&options.remote, path) else {
        return Ok(Some(options.has_baseline()));
    };
    if options.store_checksums(&remote).await?.is_some() {
        return Ok(None);
    }
    let changed = match options.synced_version(&remote) {
        Some(synced) => {
            let path = options.local.join(paths::to_local(path)?);
            options.is_local_changed(&path, local, &synced).await?
        }
        None => options.has_baseline(),
    };
    Ok(Some(changed))
}
