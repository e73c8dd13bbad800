//! Unreferenced contents, kept for some days before they are deleted.
//!
//! A damaged database may be the reason that no row references a content. So a start moves the content here, into a folder
//! named after the time, and a check can restore it. The file `hold` prevents deletions while damage is reported: the service
//! and a check create it, and a check without findings removes it.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::ops::AddAssign;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::local::{blob_of, file_names, remove_if_exists};
use crate::data_folder::{DATABASE_WAL, QUARANTINE};
use crate::system::clock::Micros;
use crate::system::durable_fs::{make_private_folder, sync_folder};

const HOLD: &str = "hold";
/// The names of the folders in the quarantine.
const TIME_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// The quarantine of a data folder. All operations block the thread.
#[derive(Debug, Clone)]
pub(crate) struct Quarantine {
    folder: PathBuf,
}

/// A content in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuarantinedFile {
    /// When it was moved.
    pub(crate) since: Timestamp,
    /// The key of the blob, followed by `#` and a number for a staging file.
    pub(crate) key: String,
    pub(crate) bytes: u64,
    path: PathBuf,
}

impl QuarantinedFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The key of the blob that the file is, or was to become.
    pub(crate) fn blob(&self) -> &str {
        blob_of(&self.key)
    }
}

/// The number and the total size of files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FileTotals {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl AddAssign for FileTotals {
    fn add_assign(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

impl Quarantine {
    pub(crate) fn of(data: &Path) -> Self {
        Self {
            folder: data.join(QUARANTINE),
        }
    }

    /// Moves files of one subfolder of the blobs to the quarantine. Skips files that no longer exist.
    pub(crate) fn move_blobs(
        &self,
        blobs: &Path,
        part: &str,
        names: &[String],
        now: Micros,
    ) -> io::Result<FileTotals> {
        let mut moved = FileTotals::default();
        if names.is_empty() {
            return Ok(moved);
        }
        let target = self.folder_for(now, part)?;
        let source = blobs.join(part);
        for name in names {
            let from = source.join(name);
            let bytes = fs::metadata(&from).and_then(|found| {
                fs::rename(&from, target.join(name))?;
                Ok(found.len())
            });
            match bytes {
                Ok(bytes) => moved += FileTotals { files: 1, bytes },
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        sync_folder(&target)?;
        sync_folder(&source)?;
        Ok(moved)
    }

    /// Stores a content that was in the database.
    pub(crate) fn store_content(&self, number: i64, bytes: &[u8], now: Micros) -> io::Result<()> {
        let target = self.folder_for(now, "contents")?;
        let path = target.join(number.to_string());
        fs::write(&path, bytes)?;
        File::open(&path)?.sync_all()?;
        sync_folder(&target)
    }

    /// Stores a copy of the log of a database that does not match the folder of blobs: closing the database deletes the log,
    /// and it may contain what is missing.
    pub(crate) fn copy_log(&self, log: &Path, now: Micros) -> io::Result<()> {
        match fs::metadata(log) {
            Ok(found) if found.len() > 0 => {}
            _ => return Ok(()),
        }
        let target = self.folder_for(now, "log")?;
        let path = target.join(DATABASE_WAL);
        fs::copy(log, &path)?;
        File::open(&path)?.sync_all()?;
        sync_folder(&target)
    }

    /// Creates the durable folder for files that are moved now.
    fn folder_for(&self, now: Micros, part: &str) -> io::Result<PathBuf> {
        let time = Timestamp::from_second(now.seconds()).unwrap_or(Timestamp::UNIX_EPOCH);
        let moved = self.folder.join(time.strftime(TIME_FORMAT).to_string());
        let target = moved.join(part);
        make_private_folder(&target)?;
        for folder in [&moved, &self.folder] {
            sync_folder(folder)?;
        }
        self.folder.parent().map_or(Ok(()), sync_folder)?;
        Ok(target)
    }

    /// Lists all files in quarantine.
    pub(crate) fn list(&self) -> io::Result<Vec<QuarantinedFile>> {
        let mut found = Vec::new();
        for (since, moved) in self.folders()? {
            for part in existing_names(&moved)? {
                for name in existing_names(&moved.join(&part))? {
                    let path = moved.join(&part).join(&name);
                    found.push(QuarantinedFile {
                        since,
                        key: format!("{part}/{name}"),
                        bytes: fs::metadata(&path)?.len(),
                        path,
                    });
                }
            }
        }
        found.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(found)
    }

    /// The folders that are named after a time.
    fn folders(&self) -> io::Result<Vec<(Timestamp, PathBuf)>> {
        let folders = existing_names(&self.folder)?
            .into_iter()
            .filter_map(|name| {
                let time = strtime::parse(TIME_FORMAT, &name).ok()?;
                let time = time.to_datetime().ok()?.to_zoned(TimeZone::UTC).ok()?;
                Some((time.timestamp(), self.folder.join(name)))
            });
        Ok(folders.collect())
    }

    /// Moves a content back into the folder of blobs. Does not replace an existing blob.
    pub(crate) fn restore(&self, content: &QuarantinedFile, blobs: &Path) -> io::Result<()> {
        let target = blobs.join(content.blob());
        if target.exists() {
            return Ok(());
        }
        fs::rename(&content.path, &target)?;
        target.parent().map_or(Ok(()), sync_folder)
    }

    /// Deletes the contents that were moved before a time.
    pub(crate) fn purge(&self, before: Micros) -> io::Result<FileTotals> {
        let mut purged = FileTotals::default();
        for content in self.list()? {
            if content.since.as_second() < before.seconds() {
                remove_if_exists(&content.path)?;
                purged += FileTotals {
                    files: 1,
                    bytes: content.bytes,
                };
            }
        }
        for (_, moved) in self.folders()? {
            for part in existing_names(&moved)? {
                // Fails unless the folder is empty.
                let _ = fs::remove_dir(moved.join(part));
            }
            let _ = fs::remove_dir(moved);
        }
        Ok(purged)
    }

    /// Whether contents were moved before a time.
    pub(crate) fn has_older(&self, than: Micros) -> io::Result<bool> {
        let folders = self.folders()?;
        Ok(folders
            .iter()
            .any(|(since, _)| since.as_second() < than.seconds()))
    }

    /// Whether damage is reported, so that nothing may be deleted.
    pub(crate) fn is_held(&self) -> bool {
        self.folder.join(HOLD).exists()
    }

    /// Forbids or allows deletions.
    pub(crate) fn set_held(&self, held: bool) -> io::Result<()> {
        if held == self.is_held() {
            return Ok(());
        }
        let path = self.folder.join(HOLD);
        if held {
            make_private_folder(&self.folder)?;
            File::create(&path)?.sync_all()?;
        } else {
            remove_if_exists(&path)?;
        }
        sync_folder(&self.folder)?;
        self.folder.parent().map_or(Ok(()), sync_folder)
    }
}

/// The names of the files in a folder. Empty if there is no such folder.
fn existing_names(folder: &Path) -> io::Result<Vec<String>> {
    match file_names(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        found => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_moved_listed_restored_and_purged_by_age() {
        let data = tempfile::tempdir().unwrap();
        let blobs = data.path().join("blobs");
        fs::create_dir_all(blobs.join("7f")).unwrap();
        let quarantine = Quarantine::of(data.path());
        assert_eq!(quarantine.list().unwrap(), []);
        let day = |day: i64| Micros(day * 86_400_000_000);
        for (name, at) in [("a-1", 10), ("b-2#1", 12)] {
            fs::write(blobs.join("7f").join(name), b"four").unwrap();
            let names = [name.to_owned(), "gone".to_owned()];
            let moved = quarantine
                .move_blobs(&blobs, "7f", &names, day(at))
                .unwrap();
            assert_eq!(moved, FileTotals { files: 1, bytes: 4 });
        }
        quarantine.store_content(5, b"small", day(12)).unwrap();
        let found = quarantine.list().unwrap();
        let keys: Vec<_> = found.iter().map(|content| &*content.key).collect();
        assert_eq!(keys, ["7f/a-1", "7f/b-2#1", "contents/5"]);
        assert_eq!(found[1].blob(), "7f/b-2");
        quarantine.restore(&found[1], &blobs).unwrap();
        assert_eq!(fs::read(blobs.join("7f/b-2")).unwrap(), b"four");

        assert!(!quarantine.has_older(day(10)).unwrap());
        assert!(quarantine.has_older(day(11)).unwrap());
        let purged = quarantine.purge(day(11)).unwrap();
        assert_eq!(purged, FileTotals { files: 1, bytes: 4 });
        assert_eq!(quarantine.list().unwrap().len(), 1);

        assert!(!quarantine.is_held());
        for held in [true, true, false, false] {
            quarantine.set_held(held).unwrap();
            assert_eq!(quarantine.is_held(), held);
        }
    }
}
