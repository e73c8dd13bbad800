//! Compares the contents of all files with their rows, and finds blobs that no file references.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::report::{Finding, FindingKind, FsckReport};
use crate::blobs::{Quarantine, QuarantinedFile, local};
use crate::checksums::{Checksums, Hasher};
use crate::metadata::Content;
use crate::metadata::check::StoredFile;
use crate::metadata::sqlite::DatabaseError;
use crate::metadata::sqlite::check::CheckTransaction;
use crate::system::clock::Micros;

/// Size of a read in bytes.
const READ_BYTES: usize = 256 * 1024;

/// The contents of a store.
pub(super) struct Contents<'a> {
    pub(super) blobs: &'a Path,
    pub(super) quarantine: &'a Quarantine,
    pub(super) quarantined: &'a [QuarantinedFile],
    pub(super) repair: bool,
}

impl Contents<'_> {
    /// Reads the contents of all files, and restores missing ones from the quarantine.
    pub(super) fn check(
        &self,
        transaction: &CheckTransaction<'_>,
        report: &mut FsckReport,
    ) -> Result<(), DatabaseError> {
        let mut buffer = vec![0; READ_BYTES];
        transaction.each_file(|file| {
            report.files += 1;
            let finding = match &file.content {
                None => Some(missing("the content of the file is missing".to_owned())),
                Some(Content::Inline(bytes)) => {
                    let mut hasher = Hasher::new();
                    hasher.update(bytes);
                    report.bytes += bytes.len() as u64;
                    compare(file, &hasher.finish())
                }
                Some(Content::Blob(blob)) => match checksums(&self.blobs.join(blob), &mut buffer) {
                    Ok(found) => {
                        report.bytes += found.size;
                        compare(file, &found)
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        Some(self.restore(file, blob, &mut buffer, report)?)
                    }
                    Err(error) => Some(damaged(format!(
                        "failed to read the content of the file, blob {blob}: {error}"
                    ))),
                },
            };
            let at_file = |finding: Finding| Finding {
                context: Some(file.context.clone()),
                path: Some(file.path.clone()),
                ..finding
            };
            report.findings.extend(finding.map(at_file));
            Ok(())
        })
    }

    /// Reports a missing blob. A repair restores it if it is in quarantine.
    fn restore(
        &self,
        file: &StoredFile,
        blob: &str,
        buffer: &mut [u8],
        report: &mut FsckReport,
    ) -> io::Result<Finding> {
        for candidate in self.quarantined.iter().filter(|kept| kept.blob() == blob) {
            let found = checksums(candidate.path(), buffer)?;
            report.bytes += found.size;
            if compare(file, &found).is_some() {
                continue;
            }
            if !self.repair {
                return Ok(missing(format!(
                    "the content of the file, blob {blob}, is in quarantine"
                )));
            }
            self.quarantine.restore(candidate, self.blobs)?;
            return Ok(Finding {
                repaired: true,
                ..missing(format!(
                    "the content of the file, blob {blob}, is restored from the quarantine"
                ))
            });
        }
        Ok(missing(format!(
            "the content of the file, blob {blob}, is missing"
        )))
    }
}

pub(super) fn missing(detail: String) -> Finding {
    Finding::new(FindingKind::MissingContent, detail)
}

pub(super) fn damaged(detail: String) -> Finding {
    Finding::new(FindingKind::DamagedContent, detail)
}

/// Compares a content with the row of its file.
pub(super) fn compare(file: &StoredFile, found: &Checksums) -> Option<Finding> {
    let wrong = if found.size != file.size {
        let (found, stored) = (found.size, file.size);
        return Some(damaged(format!(
            "the content of the file has {found} bytes instead of {stored}"
        )));
    } else if file.sha256.is_some() && file.sha256 != found.sha256 {
        "SHA-256"
    } else if found.etag != file.etag {
        "MD5"
    } else if file.crc64.is_some_and(|crc64| crc64 != found.crc64) {
        "CRC-64"
    } else {
        return None;
    };
    Some(damaged(format!(
        "the content of the file does not match its {wrong}"
    )))
}

fn checksums(path: &Path, buffer: &mut [u8]) -> io::Result<Checksums> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::new();
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns the blobs and staging files that are neither referenced nor queued for deletion.
pub(super) fn find_orphans(
    transaction: &CheckTransaction<'_>,
    blobs: &Path,
) -> Result<Vec<String>, DatabaseError> {
    let mut orphans = Vec::new();
    for part in local::parts() {
        let names = match local::file_names(&blobs.join(&part)) {
            Ok(names) => names,
            // The next start creates the folder.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        let keys = names.into_iter().map(|name| format!("{part}/{name}"));
        orphans.extend(transaction.unreferenced_blobs(keys.collect())?);
    }
    Ok(orphans)
}

/// Reports orphaned blobs, and moves them to the quarantine if one is given.
pub(super) fn report_orphans(
    blobs: &Path,
    orphans: Vec<String>,
    quarantine: Option<(&Quarantine, Micros)>,
    report: &mut FsckReport,
) -> io::Result<()> {
    for orphan in orphans {
        if let Some((quarantine, now)) = quarantine
            && let Some((part, name)) = orphan.split_once('/')
        {
            quarantine.move_blobs(blobs, part, &[name.to_owned()], now)?;
        }
        let detail = format!("no file references the blob {orphan}");
        report.findings.push(Finding {
            repaired: quarantine.is_some(),
            ..Finding::new(FindingKind::OrphanBlob, detail)
        });
    }
    Ok(())
}
