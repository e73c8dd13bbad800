//! Blobs that no row names.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::{Finding, FindingKind, FsckReport};
use crate::blobs::local;
use crate::metadata::sqlite::check::{Rows, Trouble};

/// The blobs that no file names and that are not about to be deleted either, unfinished ones too.
pub(super) fn orphans(rows: &Rows<'_>, blobs: &Path) -> Result<Vec<String>, Trouble> {
    let mut orphans = Vec::new();
    for part in local::spread() {
        let names = match local::names(&blobs.join(&part)) {
            Ok(names) => names,
            // The next start makes it; what is missing in it the files tell.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(Trouble::Io(error)),
        };
        let keys = names.into_iter().map(|name| format!("{part}/{name}"));
        orphans.extend(rows.unknown_blobs(keys.collect())?);
    }
    Ok(orphans)
}

/// Tells of the orphans, and deletes them if that is asked for.
pub(super) fn report(
    blobs: &Path,
    orphans: Vec<String>,
    delete: bool,
    report: &mut FsckReport,
) -> io::Result<()> {
    for orphan in orphans {
        if delete {
            local::remove(&blobs.join(&orphan))?;
        }
        let finding = Finding::new(
            FindingKind::OrphanBlob,
            format!("no file names the blob {orphan}"),
        );
        report.findings.push(finding.repaired(delete));
    }
    Ok(())
}
