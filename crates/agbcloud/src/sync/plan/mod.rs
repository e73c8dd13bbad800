//! Comparing both sides and deciding what to change.

mod case_folding;
mod change_list;
mod compare;
mod decision;
mod download;
mod empty_folders;
mod local_walk;
mod name_clash;
mod remote_files;
mod side_matcher;
mod two_way;
mod upload;

use std::path::Path;

use tokio::sync::mpsc;

pub(super) use change_list::ChangeList;
pub(super) use compare::is_other_content;
pub use decision::PlannedChange;
pub(super) use decision::{Decision, PlanSink, SideTotals};

use decision::{Compared, DecisionSender, runtime_ended};

use super::{
    change::Change,
    options::{Direction, SyncOptions},
    paths,
};
use crate::{RemotePath, Result, task::Task};

/// Number of batches that are planned ahead of the changes.
const PLANNED_AHEAD: usize = 1;

/// Number of files that are compared concurrently.
const MAX_CONCURRENT_COMPARISONS: usize = 16;

/// Compares both sides and passes the decisions to a sink. Planning runs ahead, so that the sink does not wait for it.
pub(super) async fn plan(options: &SyncOptions, sink: &mut impl PlanSink) -> Result<()> {
    let (sender, mut decisions) = mpsc::channel(PLANNED_AHEAD);
    let mut planning = Task::start(compare_sides(options.clone(), DecisionSender(sender)));
    while let Some(batch) = decisions.recv().await {
        sink.add(batch).await?;
    }
    planning.end().await.unwrap_or_else(|| Err(runtime_ended()))
}

async fn compare_sides(options: SyncOptions, decisions: DecisionSender) -> Result<()> {
    match options.direction {
        Direction::Up => upload::plan(&options, &decisions).await,
        Direction::Down => download::plan(&options, &decisions).await,
        Direction::Both(how) => two_way::plan(&options, how, &decisions).await,
        Direction::DeleteOnly => plan_folder_deletion(&options, &decisions).await,
    }
}

/// Plans the deletion of a remote folder.
async fn plan_folder_deletion(options: &SyncOptions, decisions: &DecisionSender) -> Result<()> {
    let mut listing = options.walk_remote();
    while let Some(entry) = listing.next().await {
        let entry = entry?;
        let Some(relative) = paths::relative_to(&options.remote, &entry.path) else {
            continue;
        };
        if entry.is_folder() {
            continue;
        }
        let decision = match RemotePath::new(entry.path.as_str()) {
            Ok(_) if !options.filter.includes(Path::new(relative)) => continue,
            Ok(_) => {
                // Nothing to compare: the caller has named the folder, whatever its content.
                let (delete, compared) = (Change::DeleteRemote, Compared::default());
                let planned = PlannedChange::deletion(relative, delete, entry.size, compared);
                Decision::Change(planned)
            }
            Err(error) => Decision::failed(relative, Some(Change::DeleteRemote), error),
        };
        decisions.send(vec![decision]).await?;
    }
    Ok(())
}
