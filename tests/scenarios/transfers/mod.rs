//! Uploads and downloads of one file.

mod continued;
mod faults;
mod proxied;
mod responses;
mod sources_and_targets;
mod streams;
mod upload_checksums;
