//! The commands for files.

mod cat;
mod list;
mod rm;
mod url;

pub(super) use cat::print_file;
pub(crate) use cat::{CatArguments, StatArguments};
pub(crate) use list::{DuArguments, LsArguments, TreeArguments};
pub(crate) use rm::RmArguments;
pub(crate) use url::UrlCommand;
