//! Copies of folders: `agb sync`, `agb diff`, `get -r` and `put -r`.

mod copy;
mod folder_sync;
mod options;
mod plan;
mod report;
mod sync;
mod sync_folders;
mod watch;

pub(super) use copy::{Replace, copy};
pub(super) use options::FolderOptions;
pub(super) use plan::{RESTART_HINT, RESUME_HINT, Task};
pub(super) use report::print_failures;
pub(crate) use sync::{DiffArguments, SyncArguments};
