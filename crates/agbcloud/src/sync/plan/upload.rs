//! Planning an upload, and the deletion of extraneous remote files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use futures_util::{StreamExt, stream};

use super::{
    MAX_CONCURRENT_COMPARISONS,
    change_list::ChangeList,
    compare::{Comparison, FilePair},
    decision::{Compared, Decision, DecisionSender, PlannedChange},
    local_walk::{self, LocalEntry},
    remote_files::{RemoteIdentity, RemoteIndex, RemoteListing, SeenPaths},
};
use crate::{
    FileEntry, RemotePath, Result,
    file::local::{LocalIdentity, blocking},
    sync::{
        change::Change, conflict_name::is_conflict_copy, options::SyncOptions, paths,
        report::SkipReason,
    },
};

/// Maximum number of local files that wait for the listing.
const MAX_WAITING: usize = 16 * 1024;

pub(super) async fn plan(options: &SyncOptions, decisions: &DecisionSender) -> Result<()> {
    options.check_local_folder().await?;
    let mut seen = SeenPaths::new(false);
    plan_uploads(options, &mut seen, decisions).await?;
    if options.delete {
        plan_deletions(options, &seen, decisions).await?;
    }
    Ok(())
}

/// Lists the context and walks the folder concurrently. A file that was found on both sides is decided immediately, and a
/// file that was found only on the local side when the listing has ended.
async fn plan_uploads(
    options: &SyncOptions,
    seen: &mut SeenPaths,
    decisions: &DecisionSender,
) -> Result<()> {
    let mut listing = RemoteListing::of(options.walk_remote());
    let mut walk = local_walk::walk(&options.local, &options.filter);
    let mut matcher = SideMatcher::new();
    loop {
        let mut batch = Vec::new();
        let matched = tokio::select! {
            entries = listing.next(), if matcher.needs_remote() => matcher.add_remote(options, &entries?),
            entries = walk.recv(), if matcher.needs_local() => {
                let (files, others) = candidates(options, entries.unwrap_or_else(|| matcher.end_local()));
                batch = others;
                matcher.add_local(files, options.delete.then_some(&mut *seen))
            }
            else => return Ok(()),
        };
        let decided = matched.into_iter().map(|matched| decide(options, matched));
        let decided = stream::iter(decided).buffered(MAX_CONCURRENT_COMPARISONS);
        batch.extend(decided.collect::<Vec<_>>().await);
        decisions.send(batch).await?;
    }
}

/// A local file that can be uploaded.
struct UploadCandidate {
    relative: String,
    path: PathBuf,
    remote: RemotePath,
    identity: LocalIdentity,
    executable: bool,
}

/// Returns the local files that can be uploaded, ordered by path, and the decisions about the other entries.
fn candidates(
    options: &SyncOptions,
    entries: Vec<LocalEntry>,
) -> (Vec<UploadCandidate>, Vec<Decision>) {
    let (mut files, mut others) = (Vec::new(), Vec::new());
    for entry in entries {
        let (path, identity, executable) = match entry {
            LocalEntry::File {
                relative,
                identity,
                executable,
                ..
            } => (relative, identity, executable),
            LocalEntry::Skipped(entry) => {
                others.push(Decision::Skipped(entry));
                continue;
            }
            LocalEntry::Failed { relative, error } => {
                others.push(Decision::failed(relative.to_string_lossy(), None, error));
                continue;
            }
        };
        let names = paths::from_local(&path)
            .and_then(|relative| Ok((paths::to_remote(&options.remote, &relative)?, relative)));
        match names {
            Ok((remote, relative)) => files.push(UploadCandidate {
                relative,
                path: options.local.join(path),
                remote,
                identity,
                executable,
            }),
            Err(error) => {
                let upload = Some(Change::Upload);
                others.push(Decision::failed(path.to_string_lossy(), upload, error));
            }
        }
    }
    files.sort_unstable_by(|one, other| one.relative.cmp(&other.relative));
    (files, others)
}

/// Matches local and remote files by path. Contains the files that were found on one side only.
struct SideMatcher {
    remote: RemoteIndex,
    /// Local files, ordered by path: files that are only on the local side are uploaded in this order.
    waiting: BTreeMap<String, UploadCandidate>,
    /// The listing has returned a result.
    has_listed: bool,
    listing_ended: bool,
    walk_ended: bool,
}

type MatchedFile = (UploadCandidate, Option<RemoteIdentity>);

impl SideMatcher {
    fn new() -> Self {
        Self {
            remote: RemoteIndex::new(),
            waiting: BTreeMap::new(),
            has_listed: false,
            listing_ended: false,
            walk_ended: false,
        }
    }

    /// Whether the rest of the listing is needed. Its first result always is, since it may be an error.
    fn needs_remote(&self) -> bool {
        let all_matched = self.has_listed && self.walk_ended && self.waiting.is_empty();
        !self.listing_ended && !all_matched
    }

    fn needs_local(&self) -> bool {
        !self.walk_ended && (self.listing_ended || self.waiting.len() < MAX_WAITING)
    }

    fn end_local(&mut self) -> Vec<LocalEntry> {
        self.walk_ended = true;
        Vec::new()
    }

    /// Adds remote entries, none at the end of the listing. Returns the files that can be decided.
    fn add_remote(&mut self, options: &SyncOptions, entries: &[FileEntry]) -> Vec<MatchedFile> {
        self.has_listed = true;
        if entries.is_empty() {
            self.listing_ended = true;
            let only_local = std::mem::take(&mut self.waiting).into_values();
            return only_local.map(|file| (file, None)).collect();
        }
        let mut matched = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.is_folder()) {
            let Some(relative) = paths::relative_to(&options.remote, &entry.path) else {
                continue;
            };
            let remote = RemoteIdentity::of(entry);
            match self.waiting.remove(relative) {
                Some(file) => matched.push((file, Some(remote))),
                None if !self.walk_ended => self.remote.insert(relative, remote),
                None => {}
            }
        }
        matched
    }

    /// Adds local files. Returns those that can be decided.
    fn add_local(
        &mut self,
        files: Vec<UploadCandidate>,
        mut seen: Option<&mut SeenPaths>,
    ) -> Vec<MatchedFile> {
        let mut matched = Vec::new();
        for file in files {
            if let Some(seen) = &mut seen {
                seen.insert(&file.relative);
            }
            match self.remote.remove(&file.relative) {
                None if !self.listing_ended => {
                    self.waiting.insert(file.relative.clone(), file);
                }
                remote => matched.push((file, remote)),
            }
        }
        matched
    }
}

async fn decide(options: &SyncOptions, (file, remote): MatchedFile) -> Decision {
    let comparison = match &remote {
        Some(remote) => {
            let pair = FilePair {
                local_path: &file.path,
                remote_path: &file.remote,
                local: file.identity,
                remote,
            };
            options.compare_pair(&pair).await
        }
        None => Ok(Comparison::Differs),
    };
    let planned = PlannedChange {
        path: file.relative,
        change: Change::Upload,
        size: Some(file.identity.size),
        replaces: remote.is_some(),
        keeps_both: false,
        executable: file.executable,
        modified: file.identity.modified(),
        compared: Compared {
            local: None,
            remote: remote.map(|remote| remote.checksums),
        },
    };
    match comparison {
        Ok(comparison) => options.decide_copy(comparison, planned),
        Err(error) => Decision::failed(planned.path, Some(Change::Upload), error),
    }
}

/// Plans the deletion of remote files that are not on the local side.
///
/// Lists the context again, since the current files count. The listing ends before the first deletion, which would move
/// entries to other pages.
async fn plan_deletions(
    options: &SyncOptions,
    seen: &SeenPaths,
    decisions: &DecisionSender,
) -> Result<()> {
    let mut deletions = ChangeList::default();
    let mut remote = options.walk_remote();
    while let Some(entry) = remote.next().await {
        let entry = entry?;
        match decide_extraneous(options, seen, &entry).await {
            None => {}
            Some(Decision::Change(planned)) if is_git_ignored(options, &planned.path).await? => {}
            Some(Decision::Change(planned)) => deletions.push(&planned),
            Some(other) => decisions.send(vec![other]).await?,
        }
    }
    for planned in deletions.iter() {
        decisions.send(vec![Decision::Change(planned)]).await?;
    }
    Ok(())
}

async fn is_git_ignored(options: &SyncOptions, relative: &str) -> Result<bool> {
    if options.filter.ignore_rules.is_none() {
        return Ok(false);
    }
    let (filter, relative) = (options.filter.clone(), PathBuf::from(relative));
    blocking(move || Ok(filter.git_ignores(&relative))).await
}

/// Decides about a remote file. Returns `None` if it is also on the local side or the filter does not include it.
async fn decide_extraneous(
    options: &SyncOptions,
    seen: &SeenPaths,
    entry: &FileEntry,
) -> Option<Decision> {
    if entry.is_folder() {
        return None;
    }
    let Ok(path) = RemotePath::new(entry.path.as_str()) else {
        // No local file has this name, and no request can contain it.
        let path = entry.path.trim_start_matches('/');
        return Some(Decision::skipped(path, SkipReason::InvalidName));
    };
    let relative = paths::relative_to(&options.remote, path.as_str())?;
    let is_included = options.filter.includes(Path::new(relative));
    if !is_included || seen.contains(relative) || is_conflict_copy(relative) {
        return None;
    }
    if options.is_local_file(relative).await {
        return None;
    }
    let remote = RemoteIdentity::of(entry);
    let changed = match options.synced_version(&path) {
        Some(synced) => options.is_remote_changed(&path, &remote, &synced).await,
        None => Ok(options.has_baseline()),
    };
    let compared = Compared {
        local: None,
        remote: Some(remote.checksums),
    };
    let planned = PlannedChange::deletion(relative, Change::DeleteRemote, entry.size, compared);
    Some(match changed {
        Ok(changed) => options.decide_deletion(changed, planned),
        Err(error) => Decision::failed(relative, Some(Change::DeleteRemote), error),
    })
}
