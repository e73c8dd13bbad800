//! Files and folders as resources: `agb://NAME/path`.

mod completion;
mod list;
mod read;

pub(crate) use completion::complete;
pub(crate) use list::{list, templates};
pub(crate) use read::read;
