//! The format of archives, version 1: a folder, or a tar file with the same files in this order.
//!
//! - `blobs/<key>`: the contents that are not in the records. In a tar file they are in the order of their records.
//! - `records.jsonl`: one line of JSON for the store, then one for each [record](crate::metadata::record::Record).
//! - `manifest.json`: the version, the counts, and the SHA-256 of `records.jsonl`. Written last: an archive without it is
//!   incomplete.

mod file_writer;
mod manifest;
mod reader;
mod tar_file;
mod writer;

pub(super) use self::reader::ArchiveSource;
pub(super) use self::writer::ArchiveSink;

use std::path::Path;

const BLOBS: &str = "blobs";
const RECORDS: &str = "records.jsonl";
const MANIFEST: &str = "manifest.json";

/// Whether an archive with this name is a tar file.
fn is_tar(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tar")
}
