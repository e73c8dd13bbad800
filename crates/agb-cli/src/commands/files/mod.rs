//! The commands that list, show and delete files.

mod cat;
mod du;
mod find;
mod ls;
mod rm;
mod stat;
mod tree;
mod url;

pub(crate) use cat::CatArguments;
pub(crate) use du::DuArguments;
pub(crate) use find::FindArguments;
pub(crate) use ls::LsArguments;
pub(crate) use rm::RmArguments;
pub(crate) use stat::StatArguments;
pub(crate) use tree::TreeArguments;
pub(crate) use url::UrlCommand;
