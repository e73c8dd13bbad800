//! Uploads and downloads of one file.

mod faults;
mod responses;
pub(crate) mod store;
