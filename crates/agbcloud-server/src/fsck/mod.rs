//! Checking a data folder that no server uses: rows against contents, contents against checksums, counts.

mod blobs;
mod contents;
mod report;

use std::fs;
use std::io;
use std::path::Path;

use self::contents::Contents;
pub use self::report::{Finding, FindingKind, FsckReport, QuarantinedContent};
use crate::blobs::{BLOBS, Quarantine, local, sync_folder};
use crate::clock::{Clock, Micros, SystemClock};
use crate::data_folder::DATABASE;
use crate::error::StartError;
use crate::mark::{Mark, MarkFile};
use crate::metadata::sqlite::check::Check;
use crate::metadata::sqlite::{Unusable, has_blobs};
use crate::ownership::Ownership;

/// Whether a check changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FsckMode {
    /// Only looks.
    Check,
    /// Repairs what can be repaired without loss: see [`FindingKind`]. A file whose content is damaged is reported and
    /// left as it is. Contents that no file names move to the quarantine, unless there is damage that can't be repaired:
    /// they may be what is missing elsewhere.
    Repair,
    /// Repairs, and accepts a database and a folder of blobs that do not belong together as one store: what the other part
    /// had and this one lacks is given up. See [`StoreMismatch`](crate::StoreMismatch).
    Accept,
}

/// Checks a data folder. Blocks, for as long as it takes to read all that is in it.
///
/// The folder must not be in use, and is not while this runs. A store of an older version is checked as if it were
/// of this one; only a repair brings it there. Where damage is found, and not repaired, the file `quarantine/hold` is made,
/// so that nothing in quarantine is deleted; otherwise it is removed.
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
    let _lock =
        Ownership::take(folder)
            .map_err(unusable)?
            .ok_or_else(|| StartError::FolderInUse {
                path: folder.clone(),
            })?;
    let (repair, accept) = (mode != FsckMode::Check, mode == FsckMode::Accept);
    let mut report = FsckReport::default();
    let blob_folder = folder.join(BLOBS);
    let quarantine = Quarantine::of(folder);
    let kept = quarantine.list().map_err(unusable)?;
    let now = Micros::of(SystemClock.now());
    let mut check = Check::open(&folder.join(DATABASE), &blob_folder)?;
    let (moves, orphans, mark) = check.run(repair, |rows| {
        rows.database(&mut report)?;
        rows.meta(&mut report)?;
        let pair = rows.pair(&blob_folder, accept, &mut report)?;
        rows.trees(&mut report)?;
        rows.contexts(&mut report)?;
        rows.file_counts(&mut report)?;
        rows.folders(&mut report)?;
        rows.pages(&mut report)?;
        rows.contents(&mut report)?;
        rows.row_sums(&mut report)?;
        let contents = Contents {
            blobs: &blob_folder,
            quarantine: &quarantine,
            kept: &kept,
            repair,
        };
        contents.check(rows, &mut report)?;
        // What no file names may be just what is missing elsewhere, while rows are damaged or lost.
        let moves = repair && !report.is_damaged();
        let keep = |number: i64, bytes: &[u8]| quarantine.keep(number, bytes, now);
        rows.orphan_contents(moves.then_some(&keep), &mut report)?;
        let mark = match repair {
            true => rows.pair_again(&pair, accept)?,
            false => None,
        };
        Ok((moves, blobs::orphans(rows, &blob_folder)?, mark))
    })?;
    if let Some(mark) = mark {
        write_mark(&blob_folder, &mark).map_err(unusable)?;
    }
    // After the commit: until then a row might have come to name one.
    let target = moves.then_some((&quarantine, now));
    blobs::report(&blob_folder, orphans, target, &mut report).map_err(unusable)?;
    let kept = quarantine.list().map_err(unusable)?;
    report.quarantine = kept.iter().map(QuarantinedContent::of).collect();
    quarantine.hold(report.is_damaged()).map_err(unusable)?;
    Ok(report)
}

/// Writes the mark of a folder of blobs, on the disk when this returns.
fn write_mark(blobs: &Path, mark: &Mark) -> io::Result<()> {
    local::prepare(blobs)?;
    let mut file = MarkFile::open(blobs)?;
    file.write(mark)?;
    file.handle()?.sync_all()?;
    sync_folder(blobs)
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
