//! Markers that detect a database and a folder of blobs of different stores or different times.
//!
//! Both contain the id of the store and a [`CommitPosition`]. The marker of the folder is written after its commit, so that it is
//! never ahead of its database. The database also contains the last marker that is known to be on the disk. A folder marker
//! that is ahead of the database belongs to a newer database, and one behind the confirmed marker belongs to an older folder.

mod marker_file;
mod position;
mod shared_marker;

pub(crate) use self::marker_file::MarkerFile;
pub(crate) use self::position::{CommitPosition, DatabaseMarker, FolderMarker, RandomId, new_id};
pub(crate) use self::shared_marker::SharedMarker;

/// How the database and the blobs, in a folder or a bucket, do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum StoreMismatch {
    /// The database lacks changes that the blobs contain: it is an older copy, or its log was lost.
    #[error("the database is older than the blobs: it is an older copy, or its log was lost")]
    OlderDatabase,
    /// Blobs are missing that the database refers to.
    #[error("the blobs are older than the database: they are an older copy")]
    OlderBlobs,
    /// The blobs belong to another store.
    #[error("the blobs belong to another store")]
    OtherBlobs,
    /// The blobs have no marker, although they had one.
    #[error(
        "the marker \"mark\" of the blobs is missing: they were removed or replaced, or are in another place"
    )]
    NoMarker,
    /// Both were changed since they were last used together.
    #[error("the database and the blobs are copies that were changed separately")]
    Diverged,
}

/// Checks whether a database and a folder of blobs belong together. `database` is `None` for a new database, or one of a version
/// without markers.
pub(crate) fn check_match(
    database: Option<&DatabaseMarker>,
    folder: Option<&FolderMarker>,
) -> Result<(), StoreMismatch> {
    let (database, folder) = match (database, folder) {
        (None, None) => return Ok(()),
        // A folder marker is written after its commit.
        (None, Some(_)) => return Err(StoreMismatch::OlderDatabase),
        (Some(database), None) => {
            return match database.confirmed {
                Some(_) => Err(StoreMismatch::NoMarker),
                None => Ok(()),
            };
        }
        (Some(database), Some(folder)) => (database, folder),
    };
    if database.store != folder.store {
        return Err(StoreMismatch::OtherBlobs);
    }
    let (current, seen) = (database.position, folder.position);
    if seen.sequence > current.sequence {
        return Err(StoreMismatch::OlderDatabase);
    }
    if let Some(confirmed) = database.confirmed
        && seen.sequence < confirmed.sequence
    {
        return Err(StoreMismatch::OlderBlobs);
    }
    let known_run = seen.run == current.run
        || database
            .confirmed
            .is_some_and(|confirmed| seen.run == confirmed.run);
    match known_run {
        true => Ok(()),
        false => Err(StoreMismatch::Diverged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(run: u8, sequence: u64) -> CommitPosition {
        CommitPosition {
            run: [run; 16],
            sequence,
        }
    }

    fn marker(store: u8, position: CommitPosition) -> FolderMarker {
        FolderMarker {
            store: [store; 16],
            position,
            strict: true,
        }
    }

    #[test]
    fn an_older_database_or_folder_is_detected() {
        let database = DatabaseMarker {
            store: [1; 16],
            position: at(2, 20),
            confirmed: Some(at(2, 15)),
        };
        let outcome = |marker: Option<FolderMarker>| check_match(Some(&database), marker.as_ref());
        for sequence in 15..=20 {
            assert_eq!(outcome(Some(marker(1, at(2, sequence)))), Ok(()));
        }
        let mismatches = [
            (Some(marker(1, at(2, 21))), StoreMismatch::OlderDatabase),
            (Some(marker(1, at(3, 25))), StoreMismatch::OlderDatabase),
            (Some(marker(1, at(2, 14))), StoreMismatch::OlderBlobs),
            (Some(marker(1, at(1, 10))), StoreMismatch::OlderBlobs),
            (Some(marker(1, at(9, 17))), StoreMismatch::Diverged),
            (Some(marker(9, at(2, 17))), StoreMismatch::OtherBlobs),
            (None, StoreMismatch::NoMarker),
        ];
        for (marker, mismatch) in mismatches {
            assert_eq!(outcome(marker), Err(mismatch), "{marker:?}");
        }
    }

    #[test]
    fn a_crash_between_the_commit_of_a_start_and_its_marker_is_no_mismatch() {
        let database = DatabaseMarker {
            store: [1; 16],
            position: at(3, 21),
            confirmed: Some(at(2, 15)),
        };
        for sequence in [15, 20] {
            assert_eq!(
                check_match(Some(&database), Some(&marker(1, at(2, sequence)))),
                Ok(())
            );
        }
        let first = DatabaseMarker {
            confirmed: None,
            ..database
        };
        assert_eq!(check_match(Some(&first), None), Ok(()));
        assert_eq!(check_match(None, None), Ok(()));
        assert_eq!(
            check_match(None, Some(&marker(1, at(2, 1)))),
            Err(StoreMismatch::OlderDatabase)
        );
    }
}
