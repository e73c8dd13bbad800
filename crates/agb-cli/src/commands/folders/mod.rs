//! Copies of folders: `agb sync`, `agb diff`, `get -r` and `put -r`.

mod copy;
mod folder_sync;
mod options;
mod plan;
mod report;
mod results;
mod sync;
mod sync_folders;
mod watch;

pub(super) use copy::{Replace, copy, transfer, would_replace};
pub(super) use options::{FolderOptions, Selection, jobs};
pub(super) use plan::{RESTART_HINT, RESUME_HINT, Task};
pub(super) use report::{join_names, print_failures, skipped_summary};
pub(super) use results::TransferResults;
pub(crate) use sync::{DiffArguments, SyncArguments};
