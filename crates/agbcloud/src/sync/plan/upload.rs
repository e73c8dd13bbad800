//! Planning an upload, and the deletion of extraneous remote files.

use std::path::{Path, PathBuf};

use futures_util::{StreamExt, stream};

use super::{
    MAX_CONCURRENT_COMPARISONS,
    change_list::ChangeList,
    compare::{Comparison, FilePair},
    decision::{Compared, Decision, DecisionSender, PlannedChange},
    local_walk,
    remote_files::{RemoteIdentity, RemoteListing, SeenPaths},
    side_matcher::{MatchedFile, SideMatcher, Unmatched, candidates},
};
use crate::{
    FileEntry, RemotePath, Result,
    file::local::blocking,
    sync::{
        change::Change, conflict_name::is_conflict_copy, options::SyncOptions, paths,
        report::SkipReason,
    },
};

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
    let mut matcher = SideMatcher::new(Unmatched::Dropped);
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
        let mut free = Vec::with_capacity(matched.len());
        for (file, remote) in matched {
            // With deletion, what is in the way is deleted later.
            let is_new = remote.is_none() && !options.delete;
            let clash = is_new.then(|| matcher.name_clash(&file.relative)).flatten();
            match clash {
                Some(error) => {
                    let upload = Some(Change::Upload);
                    batch.push(Decision::failed(file.relative, upload, error));
                }
                None => free.push((file, remote)),
            }
        }
        let decided = free.into_iter().map(|matched| decide(options, matched));
        let decided = stream::iter(decided).buffered(MAX_CONCURRENT_COMPARISONS);
        batch.extend(decided.collect::<Vec<_>>().await);
        decisions.send(batch).await?;
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
        restores: false,
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
