//! The commands for files.

mod cat;
mod get;
mod list;
mod put;
mod rm;
mod url;

pub(crate) use cat::{CatArguments, StatArguments};
pub(crate) use get::GetArguments;
pub(crate) use list::{DuArguments, LsArguments, TreeArguments};
pub(crate) use put::PutArguments;
pub(crate) use rm::RmArguments;
pub(crate) use url::UrlCommand;
