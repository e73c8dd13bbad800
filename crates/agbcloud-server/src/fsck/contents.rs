//! The content of each file, read again and held against what its row says.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::{Finding, FindingKind, FsckReport};
use crate::blobs::Quarantine;
use crate::blobs::quarantine::Quarantined;
use crate::checksums::{Checksums, Hasher};
use crate::metadata::Content;
use crate::metadata::sqlite::check::{Rows, StoredFile, Trouble};

/// One read of the disk.
const READ: usize = 256 * 1024;

/// Where contents are.
pub(super) struct Contents<'a> {
    pub(super) blobs: &'a Path,
    pub(super) quarantine: &'a Quarantine,
    /// What is in it.
    pub(super) kept: &'a [Quarantined],
    pub(super) repair: bool,
}

impl Contents<'_> {
    pub(super) fn check(&self, rows: &Rows<'_>, report: &mut FsckReport) -> Result<(), Trouble> {
        let mut buffer = vec![0; READ];
        let mut failed = None;
        rows.each_file(|file| {
            report.files += 1;
            let problem = match &file.content {
                None => Some((
                    FindingKind::MissingContent,
                    "its content is not there".to_owned(),
                )),
                Some(Content::Small(bytes)) => {
                    let mut hasher = Hasher::new();
                    hasher.update(bytes);
                    compare(file, &hasher.finish(), report)
                }
                Some(Content::Blob(blob)) => match sums(&self.blobs.join(blob), &mut buffer) {
                    Ok(sums) => compare(file, &sums, report),
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        match self.put_back(file, blob, &mut buffer, report) {
                            Ok(finding) => {
                                report.findings.push(finding);
                                None
                            }
                            Err(error) => {
                                failed = Some(error);
                                None
                            }
                        }
                    }
                    Err(error) => Some((
                        FindingKind::DamagedContent,
                        format!("its content, blob {blob}, can't be read: {error}"),
                    )),
                },
            };
            if let Some((kind, detail)) = problem {
                report.findings.push(at(file, Finding::new(kind, detail)));
            }
        })?;
        failed.map_or(Ok(()), |error| Err(Trouble::Io(error)))
    }

    /// Looks for a missing blob in quarantine, and a repair puts it back.
    fn put_back(
        &self,
        file: &StoredFile,
        blob: &str,
        buffer: &mut [u8],
        report: &mut FsckReport,
    ) -> io::Result<Finding> {
        let candidates = self.kept.iter().filter(|kept| kept.blob() == blob);
        for kept in candidates {
            if compare(file, &sums(kept.path(), buffer)?, report).is_some() {
                continue;
            }
            let detail = match self.repair {
                true => format!("its content, blob {blob}, was in quarantine and is put back"),
                false => format!("its content, blob {blob}, is in quarantine"),
            };
            if self.repair {
                self.quarantine.put_back(kept, self.blobs)?;
            }
            let finding = Finding::new(FindingKind::MissingContent, detail);
            return Ok(at(file, finding.repaired(self.repair)));
        }
        let detail = format!("its content, blob {blob}, is not there");
        Ok(at(file, Finding::new(FindingKind::MissingContent, detail)))
    }
}

fn at(file: &StoredFile, finding: Finding) -> Finding {
    finding.at(Some(file.context.clone()), file.path.clone())
}

fn compare(
    file: &StoredFile,
    found: &Checksums,
    report: &mut FsckReport,
) -> Option<(FindingKind, String)> {
    report.bytes += found.size;
    let wrong = if found.size != file.size {
        format!("it has {} bytes instead of {}", found.size, file.size)
    } else if file
        .sha256
        .as_ref()
        .is_some_and(|sha256| *sha256 != found.sha256)
    {
        "its content has another SHA-256".to_owned()
    } else if found.etag != file.etag {
        "its content has another MD5".to_owned()
    } else if file.crc64.is_some_and(|crc64| crc64 != found.crc64) {
        "its content has another CRC-64".to_owned()
    } else {
        return None;
    };
    Some((FindingKind::DamagedContent, wrong))
}

fn sums(path: &Path, buffer: &mut [u8]) -> io::Result<Checksums> {
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
