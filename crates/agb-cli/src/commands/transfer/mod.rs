//! Copies of files and folders: `agb get`, `agb put`, `agb cp` and `agb mv`.

mod batch;
mod copied;
mod copier;
mod cp;
mod existing;
mod get;
mod local_folders;
mod local_source;
mod move_file;
mod move_folder;
mod options;
mod put;
mod remote_copy;
mod remote_folder;
mod same_content;
mod slash_rule;

pub(super) use batch::{BatchFile, Listener, check_failures, run_batch};
pub(super) use copier::DEFAULT_JOBS;
pub(crate) use cp::{CpArguments, MvArguments};
pub(super) use existing::{Version, version};
pub(crate) use get::GetArguments;
pub(crate) use put::PutArguments;
pub(super) use remote_copy::{Condition, CopyFailure, copy};
pub(super) use remote_folder::{Existing, child};
pub(super) use slash_rule::has_slash;
