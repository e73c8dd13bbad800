//! Comparing both sides and deciding what to change.

mod case_folding;
mod change_list;
mod compare;
mod conflict;
mod decision;
mod delete;
mod download;
mod empty_folders;
mod local_walk;
mod remote_index;
mod remote_listing;
mod upload;

use tokio::sync::mpsc;

pub(super) use change_list::ChangeList;
pub(super) use compare::is_other_content;
pub(super) use decision::PlanSink;
pub use decision::PlannedChange;

use decision::{Decision, DecisionSender, runtime_ended};

use super::options::{Direction, SyncOptions};
use crate::{Result, task::Task};

/// Number of batches that are planned ahead of the changes.
const PLANNED_AHEAD: usize = 1;

/// Number of files that are compared concurrently.
const MAX_CONCURRENT_COMPARISONS: usize = 16;

/// Compares both sides and passes the decisions to a sink. Planning runs ahead, so that the sink does not wait for it.
pub(super) async fn plan(options: &SyncOptions, sink: &mut impl PlanSink) -> Result<()> {
    let (sender, mut decisions) = mpsc::channel(PLANNED_AHEAD);
    let mut planning = Task::start(compare_sides(options.clone(), DecisionSender(sender)));
    while let Some(batch) = decisions.recv().await {
        pass_on(batch, sink).await?;
    }
    planning.end().await.unwrap_or_else(|| Err(runtime_ended()))
}

async fn compare_sides(options: SyncOptions, decisions: DecisionSender) -> Result<()> {
    match options.direction {
        Direction::Up => upload::plan(&options, &decisions).await,
        Direction::Down => download::plan(&options, &decisions).await,
        Direction::DeleteOnly => delete::plan(&options, &decisions).await,
    }
}

async fn pass_on(decisions: Vec<Decision>, sink: &mut impl PlanSink) -> Result<()> {
    let mut changes = Vec::new();
    for decision in decisions {
        match decision {
            Decision::Change(change) => changes.push(change),
            Decision::Unchanged => sink.unchanged(),
            Decision::Unverified => sink.unverified(),
            Decision::Skipped(entry) => sink.skipped(entry),
            Decision::Failed(failure) => sink.failed(failure),
        }
    }
    sink.changes(changes).await
}
