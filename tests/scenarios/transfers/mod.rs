//! Uploads and downloads of one file.

mod faults;
mod responses;
mod sources_and_targets;
mod streams;
