//! Planning a two-way sync: the additions, edits and deletions of both sides since the last sync.
//!
//! A file that exists on one side only was added there, or deleted on the other side. The state decides: it contains the
//! versions that both sides had in common. A deletion needs more evidence than a missing entry, since a walk or a listing may
//! be incomplete: a remote file is deleted if the local path does not exist, and a local file is deleted if neither two
//! listings nor the store have it.

mod decide;
mod pending_uploads;
mod remote_only;

use std::path::Path;

use futures_util::{FutureExt, StreamExt, stream};

use self::{
    decide::{decide_local_only, decide_pair},
    pending_uploads::PendingUploads,
    remote_only::{RemoteOnlyFiles, plan_remote_only},
};
use super::{
    MAX_CONCURRENT_COMPARISONS,
    case_folding::FileNumber,
    change_list::ChangeList,
    decision::{Decision, DecisionSender, PlannedChange, SideTotals},
    local_walk,
    remote_files::{RemoteListing, SeenPaths},
    side_matcher::{MatchedFile, SideMatcher, Unmatched, candidates},
};
use crate::{
    Result,
    file::local::blocking,
    sync::{
        change::Change,
        options::{SyncOptions, TwoWayConflict},
        paths,
        report::SkipReason,
    },
};

/// The changes that follow the copies.
#[derive(Default)]
struct LaterChanges {
    /// Local files that are not in the first listing and may be deleted.
    local_deletions: ChangeList,
    remote_deletions: ChangeList,
    /// Downloads that take the place of something that is deleted.
    blocked: ChangeList,
    uploads: PendingUploads,
}

pub(super) async fn plan(
    options: &SyncOptions,
    how: TwoWayConflict,
    decisions: &DecisionSender,
) -> Result<()> {
    // The first sync creates the local folder. Later, a folder that is missing was moved or is not mounted.
    let is_first = !options.has_baseline();
    let local_exists = !is_first || tokio::fs::symlink_metadata(&options.local).await.is_ok();
    if local_exists {
        options.check_local_folder().await?;
    }
    let mut later = LaterChanges::default();
    let mut local_files = SeenPaths::new(false);
    let matcher = SideMatcher::new(Unmatched::Counted);
    let matching = Matching {
        options,
        how,
        decisions,
        local_exists,
    };
    let (matcher, walked) = matching.run(matcher, &mut local_files, &mut later).await?;
    let totals = SideTotals {
        local: walked.files,
        remote: matcher.remote_files(),
    };
    decisions.send(vec![Decision::Totals(totals)]).await?;
    let lists_again = matcher.remote_only() > 0
        || later.local_deletions.iter().len() > 0
        || !later.uploads.is_empty();
    if lists_again {
        let found = plan_remote_only(options, how, &local_files, &mut later, decisions).await?;
        for planned in later.remote_deletions.iter() {
            later.uploads.delete_remote(&planned.path);
        }
        // Before all deletions, which a failed copy prevents.
        for decision in std::mem::take(&mut later.uploads).decide() {
            decisions.send(vec![decision]).await?;
        }
        confirm_local_deletions(options, &later.local_deletions, &found, decisions).await?;
    }
    if walked.is_complete {
        options.forget_unseen();
    }
    for planned in later.remote_deletions.iter().chain(later.blocked.iter()) {
        decisions.send(vec![Decision::Change(planned)]).await?;
    }
    Ok(())
}

/// The result of the walk through the local folder.
struct Walked {
    files: u64,
    /// Every entry could be read.
    is_complete: bool,
}

/// Lists the context and walks the folder concurrently.
struct Matching<'a> {
    options: &'a SyncOptions,
    how: TwoWayConflict,
    decisions: &'a DecisionSender,
    local_exists: bool,
}

impl Matching<'_> {
    /// Decides about the files on both sides and those on the local side only.
    async fn run(
        &self,
        mut matcher: SideMatcher,
        local_files: &mut SeenPaths,
        later: &mut LaterChanges,
    ) -> Result<(SideMatcher, Walked)> {
        let options = self.options;
        let mut listing = RemoteListing::of(options.walk_remote());
        let mut walked = Walked {
            files: 0,
            is_complete: true,
        };
        let mut walk = match self.local_exists {
            true => Some(local_walk::walk(&options.local, &options.filter)),
            false => {
                matcher.end_local();
                None
            }
        };
        loop {
            let mut batch = Vec::new();
            let found = async {
                match &mut walk {
                    Some(walk) => walk.recv().await,
                    None => None,
                }
            };
            let matched = tokio::select! {
                entries = listing.next(), if matcher.needs_remote() => matcher.add_remote(options, &entries?),
                entries = found, if matcher.needs_local() => {
                    let (files, others) = candidates(options, entries.unwrap_or_else(|| matcher.end_local()));
                    walked.files += files.len() as u64;
                    walked.is_complete &= !others.iter().any(|other| matches!(other, Decision::Failed(_)));
                    batch = others;
                    matcher.add_local(files, Some(local_files))
                }
                else => return Ok((matcher, walked)),
            };
            let decided = matched.into_iter().map(|matched| {
                let (file, remote) = &matched;
                let clashes = remote.is_none() && matcher.name_clash(&file.relative).is_some();
                decide(options, self.how, matched).map(move |decision| (decision, clashes))
            });
            let decided = stream::iter(decided).buffered(MAX_CONCURRENT_COMPARISONS);
            for (decision, clashes) in decided.collect::<Vec<_>>().await {
                match decision {
                    Decision::Change(planned) if planned.change == Change::DeleteLocal => {
                        later.local_deletions.push(&planned);
                    }
                    Decision::Change(planned) if clashes => later.uploads.push(&planned),
                    decision => batch.push(decision),
                }
            }
            self.decisions.send(batch).await?;
        }
    }
}

async fn decide(
    options: &SyncOptions,
    how: TwoWayConflict,
    (file, remote): MatchedFile,
) -> Decision {
    match remote {
        Some(remote) => decide_pair(options, how, file, &remote).await,
        None => decide_local_only(options, how, file).await,
    }
}

/// Plans the deletion of the local files that neither the second listing nor the store has.
async fn confirm_local_deletions(
    options: &SyncOptions,
    planned: &ChangeList,
    found: &RemoteOnlyFiles,
    decisions: &DecisionSender,
) -> Result<()> {
    let confirmed = planned
        .iter()
        .map(|planned| confirm_local_deletion(options, planned, found));
    let mut confirmed = stream::iter(confirmed).buffered(MAX_CONCURRENT_COMPARISONS);
    while let Some(decision) = confirmed.next().await {
        decisions.send(vec![decision]).await?;
    }
    Ok(())
}

async fn confirm_local_deletion(
    options: &SyncOptions,
    planned: PlannedChange,
    found: &RemoteOnlyFiles,
) -> Decision {
    if found.paths.contains(&planned.path) {
        return Decision::skipped(planned.path, SkipReason::StaleListing);
    }
    let is_in_store = async {
        let path = options.local.join(paths::to_local(&planned.path)?);
        let number = blocking(move || {
            let metadata = path.symlink_metadata().ok();
            Ok(metadata.as_ref().and_then(FileNumber::of))
        });
        // A remote file whose name the file system treats as the same.
        let claimed = |number: FileNumber| found.claimed.contains(&number, &planned.path);
        if number.await?.is_some_and(claimed) {
            return Ok(true);
        }
        let remote = paths::to_remote(&options.remote, &planned.path)?;
        Ok(options.store_checksums(&remote).await?.is_some())
    };
    match is_in_store.await {
        Ok(false) => Decision::Change(planned),
        Ok(true) => Decision::skipped(planned.path, SkipReason::StaleListing),
        Err(error) => Decision::failed(planned.path, Some(Change::DeleteLocal), error),
    }
}

/// Whether git ignores a remote file.
async fn is_git_ignored(options: &SyncOptions, relative: &str) -> Result<bool> {
    if options.filter.ignore_rules.is_none() {
        return Ok(false);
    }
    let (filter, relative) = (options.filter.clone(), Path::new(relative).to_owned());
    blocking(move || Ok(filter.git_ignores(&relative))).await
}
