//! Checking a data folder that no server uses: rows against contents, contents against checksums, counts.

mod blobs;
mod contents;
mod report;

use std::fs;
use std::io;
use std::path::Path;

pub use self::report::{Finding, FindingKind, FsckReport};
use crate::blobs::BLOBS;
use crate::error::StartError;
use crate::metadata::sqlite::check::Check;
use crate::metadata::sqlite::{Unusable, has_blobs};
use crate::server::{DATABASE, own};

/// Whether a check changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FsckMode {
    /// Only looks.
    Check,
    /// Repairs what can be repaired without loss: see [`FindingKind`]. A file whose content is damaged is told and
    /// left as it is, and as long as there is any damage that can't be repaired nothing is deleted that no file names:
    /// it may be what is missing elsewhere.
    Repair,
}

/// Checks a data folder. Blocks, for as long as it takes to read all that is in it.
///
/// The folder must not be in use, and is not while this runs. A store of an older version is checked as if it were
/// of this one; only a repair brings it there.
///
/// # Errors
///
/// Those of a start: [`StartError::FolderInUse`], [`StartError::NewerSchema`], [`StartError::Database`] where the
/// database can't be read at all or is missing although there are contents of files, and [`StartError::Folder`], also where there is no database in the folder.
pub fn fsck(folder: impl AsRef<Path>, mode: FsckMode) -> Result<FsckReport, StartError> {
    let folder = folder.as_ref();
    let unusable = |source| StartError::Folder {
        path: folder.to_owned(),
        source,
    };
    if !folder.join(DATABASE).is_file() {
        if has_blobs(&folder.join(BLOBS)) {
            return Err(Unusable::lost().into());
        }
        let nothing = format!("there is no {DATABASE} in it");
        return Err(unusable(io::Error::new(io::ErrorKind::NotFound, nothing)));
    }
    let folder = &fs::canonicalize(folder).map_err(unusable)?;
    // Held until the end.
    let _lock = own(folder)
        .map_err(unusable)?
        .ok_or_else(|| StartError::FolderInUse {
            path: folder.clone(),
        })?;
    let repair = mode == FsckMode::Repair;
    let mut report = FsckReport::default();
    let blob_folder = folder.join(BLOBS);
    let mut check = Check::open(&folder.join(DATABASE), &blob_folder)?;
    let (delete, orphans) = check.run(repair, |rows| {
        rows.database(&mut report)?;
        rows.secret(&mut report);
        rows.trees(&mut report)?;
        rows.contexts(&mut report)?;
        rows.file_counts(&mut report)?;
        rows.folders(&mut report)?;
        rows.pages(&mut report)?;
        rows.contents(&mut report)?;
        contents::check(rows, &blob_folder, &mut report)?;
        // What no file names may be just what is missing elsewhere, while rows are damaged or lost.
        let delete = repair && !report.is_damaged();
        rows.orphan_contents(delete, &mut report)?;
        Ok((delete, blobs::orphans(rows, &blob_folder)?))
    })?;
    // After the commit: until then a row might have come to name one.
    blobs::report(&blob_folder, orphans, delete, &mut report).map_err(unusable)?;
    Ok(report)
}

impl Finding {
    pub(crate) fn new(kind: FindingKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            context: None,
            path: None,
            detail: detail.into(),
            repaired: false,
        }
    }

    pub(crate) fn at(self, context: Option<String>, path: impl Into<String>) -> Self {
        Self {
            context,
            path: Some(path.into()),
            ..self
        }
    }

    pub(crate) fn repaired(self, repaired: bool) -> Self {
        Self { repaired, ..self }
    }
}
