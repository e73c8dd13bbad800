//! Contents that no row names, kept for some days before they are deleted.
//!
//! That the database does not name a content may be the fault of the database. So a start moves it here, below a folder that
//! is named after the time, and a check can put it back. While damage is reported nothing is deleted: the file `hold`,
//! which a check and the service make and a check removes, says so.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, Utc};

use super::local::{self, make_private_folder, sync_folder};
use crate::clock::Micros;

/// Its name in the data folder.
const NAME: &str = "quarantine";
const HOLD: &str = "hold";
/// The name of the folder of one move.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// The quarantine of a data folder.
#[derive(Debug, Clone)]
pub(crate) struct Quarantine {
    folder: PathBuf,
}

/// A content in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quarantined {
    /// When it was moved.
    pub(crate) since: DateTime<Utc>,
    /// Its key in the folder of blobs; for one that was not finished with `#` and a number.
    pub(crate) key: String,
    pub(crate) bytes: u64,
    path: PathBuf,
}

impl Quarantined {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The key of the blob that it is, or was to become.
    pub(crate) fn blob(&self) -> &str {
        self.key
            .split_once('#')
            .map_or(self.key.as_str(), |(blob, _)| blob)
    }
}

/// How much was moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl Quarantine {
    pub(crate) fn of(data: &Path) -> Self {
        Self {
            folder: data.join(NAME),
        }
    }

    /// Moves files out of one of the folders of blobs. What is not there any more is left out.
    pub(crate) fn take(
        &self,
        blobs: &Path,
        part: &str,
        names: &[String],
        now: Micros,
    ) -> io::Result<Amount> {
        let mut amount = Amount::default();
        if names.is_empty() {
            return Ok(amount);
        }
        let target = self.folder_for(now, part)?;
        let source = blobs.join(part);
        for name in names {
            let from = source.join(name);
            let moved = fs::metadata(&from).and_then(|found| {
                fs::rename(&from, target.join(name))?;
                Ok(found.len())
            });
            match moved {
                Ok(bytes) => {
                    amount.files += 1;
                    amount.bytes += bytes;
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        sync_folder(&target)?;
        sync_folder(&source)?;
        Ok(amount)
    }

    /// Keeps a content that was in the database.
    pub(crate) fn keep(&self, number: i64, bytes: &[u8], now: Micros) -> io::Result<()> {
        let target = self.folder_for(now, "contents")?;
        let path = target.join(number.to_string());
        fs::write(&path, bytes)?;
        File::open(&path)?.sync_all()?;
        sync_folder(&target)
    }

    /// Keeps a copy of the log of a database that does not belong to the folder of blobs: closing the database takes it
    /// away, and what is lost may be in it.
    pub(crate) fn keep_log(&self, log: &Path, now: Micros) -> io::Result<()> {
        match fs::metadata(log) {
            Ok(found) if found.len() > 0 => {}
            _ => return Ok(()),
        }
        let target = self.folder_for(now, "log")?;
        let path = target.join("agb.sqlite3-wal");
        fs::copy(log, &path)?;
        File::open(&path)?.sync_all()?;
        sync_folder(&target)
    }

    /// The folder for what is moved now, durable.
    fn folder_for(&self, now: Micros, part: &str) -> io::Result<PathBuf> {
        let time = DateTime::from_timestamp(now.seconds(), 0).unwrap_or_default();
        let moved = self.folder.join(time.format(TIME).to_string());
        let target = moved.join(part);
        make_private_folder(&target)?;
        for folder in [&moved, &self.folder] {
            sync_folder(folder)?;
        }
        self.folder.parent().map_or(Ok(()), sync_folder)?;
        Ok(target)
    }

    /// All that is in it.
    pub(crate) fn list(&self) -> io::Result<Vec<Quarantined>> {
        let mut found = Vec::new();
        for (since, moved) in self.moves()? {
            for part in names(&moved)? {
                for name in names(&moved.join(&part))? {
                    let path = moved.join(&part).join(&name);
                    found.push(Quarantined {
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

    /// Its folders, by the time that they are named after. Others do not count.
    fn moves(&self) -> io::Result<Vec<(DateTime<Utc>, PathBuf)>> {
        let moves = names(&self.folder)?.into_iter().filter_map(|name| {
            let time = NaiveDateTime::parse_from_str(&name, TIME).ok()?;
            Some((time.and_utc(), self.folder.join(name)))
        });
        Ok(moves.collect())
    }

    /// Moves a content back to where it was. One that is there already stays as it is.
    pub(crate) fn put_back(&self, content: &Quarantined, blobs: &Path) -> io::Result<()> {
        let target = blobs.join(content.blob());
        if target.exists() {
            return Ok(());
        }
        fs::rename(&content.path, &target)?;
        target.parent().map_or(Ok(()), sync_folder)
    }

    /// Deletes what was moved before a time, and returns how much that was.
    pub(crate) fn purge(&self, before: Micros) -> io::Result<Amount> {
        let mut amount = Amount::default();
        for content in self.list()? {
            if content.since.timestamp() < before.seconds() {
                local::remove(&content.path)?;
                amount.files += 1;
                amount.bytes += content.bytes;
            }
        }
        for (_, moved) in self.moves()? {
            for part in names(&moved)? {
                // Only where it is empty.
                let _ = fs::remove_dir(moved.join(part));
            }
            let _ = fs::remove_dir(moved);
        }
        Ok(amount)
    }

    /// Whether something was moved before a time.
    pub(crate) fn has_older(&self, than: Micros) -> io::Result<bool> {
        let moves = self.moves()?;
        Ok(moves
            .iter()
            .any(|(since, _)| since.timestamp() < than.seconds()))
    }

    /// Whether nothing is to be deleted.
    pub(crate) fn is_held(&self) -> bool {
        self.folder.join(HOLD).exists()
    }

    /// From now on nothing is deleted, or something is again.
    pub(crate) fn hold(&self, held: bool) -> io::Result<()> {
        let path = self.folder.join(HOLD);
        if held {
            if path.exists() {
                return Ok(());
            }
            make_private_folder(&self.folder)?;
            File::create(&path)?.sync_all()?;
        } else {
            match fs::remove_file(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                done => done?,
            }
        }
        sync_folder(&self.folder)?;
        self.folder.parent().map_or(Ok(()), sync_folder)
    }
}

/// What is in a folder; nothing if there is none.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    match local::names(folder) {
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
    fn contents_are_moved_listed_put_back_and_deleted_by_age() {
        let data = tempfile::tempdir().unwrap();
        let blobs = data.path().join("blobs");
        fs::create_dir_all(blobs.join("7f")).unwrap();
        let quarantine = Quarantine::of(data.path());
        assert_eq!(quarantine.list().unwrap(), []);
        let day = |day: i64| Micros(day * 86_400_000_000);
        for (name, at) in [("a-1", 10), ("b-2#1", 12)] {
            fs::write(blobs.join("7f").join(name), b"four").unwrap();
            let names = [name.to_owned(), "gone".to_owned()];
            let moved = quarantine.take(&blobs, "7f", &names, day(at)).unwrap();
            assert_eq!(moved, Amount { files: 1, bytes: 4 });
        }
        quarantine.keep(5, b"small", day(12)).unwrap();
        let found = quarantine.list().unwrap();
        let keys: Vec<_> = found.iter().map(|content| &*content.key).collect();
        assert_eq!(keys, ["7f/a-1", "7f/b-2#1", "contents/5"]);
        assert_eq!(found[1].blob(), "7f/b-2");
        quarantine.put_back(&found[1], &blobs).unwrap();
        assert_eq!(fs::read(blobs.join("7f/b-2")).unwrap(), b"four");

        assert!(!quarantine.has_older(day(10)).unwrap());
        assert!(quarantine.has_older(day(11)).unwrap());
        let purged = quarantine.purge(day(11)).unwrap();
        assert_eq!(purged, Amount { files: 1, bytes: 4 });
        assert_eq!(quarantine.list().unwrap().len(), 1);

        assert!(!quarantine.is_held());
        for held in [true, true, false, false] {
            quarantine.hold(held).unwrap();
            assert_eq!(quarantine.is_held(), held);
        }
    }
}
