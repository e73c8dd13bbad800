//! Blobs that no row names.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::{Finding, FindingKind, FsckReport};
use crate::blobs::{Quarantine, local};
use crate::clock::Micros;
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

/// Reports the orphans, and moves them to the quarantine if there is one given.
pub(super) fn report(
    blobs: &Path,
    orphans: Vec<String>,
    target: Option<(&Quarantine, Micros)>,
    report: &mut FsckReport,
) -> io::Result<()> {
    for orphan in orphans {
        if let Some((quarantine, now)) = target
            && let Some((part, name)) = orphan.split_once('/')
        {
            quarantine.take(blobs, part, &[name.to_owned()], now)?;
        }
        let finding = Finding::new(
            FindingKind::OrphanBlob,
            format!("no file names the blob {orphan}"),
        );
        report.findings.push(finding.repaired(target.is_some()));
    }
    Ok(())
}
