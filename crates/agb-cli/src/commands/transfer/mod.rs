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

pub(crate) use cp::{CpArguments, MvArguments};
pub(crate) use get::GetArguments;
pub(crate) use put::PutArguments;
