//! The file browser, and the changes of files.

pub(crate) mod browser;
mod content;
pub(crate) mod delete;
pub(crate) mod download;
pub(crate) mod rename;
pub(crate) mod share;
mod store;
pub(crate) mod upload;
mod version;
