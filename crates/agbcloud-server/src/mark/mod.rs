//! Marks by which the database and the folder of blobs recognise each other.
//!
//! Both keep the id of the store and a *position*: the run of the service and the number of its last commit. The mark of
//! the folder is written after the commit that it stands for, so it is never ahead of its database; the database remembers
//! the last mark that is known to be on the disk. A mark that is ahead of the database belongs to a newer database, and
//! one behind what the database remembers belongs to an older folder.

mod file;

use serde::Serialize;

pub(crate) use self::file::MarkFile;
use crate::random::{self, NoRandom};

/// A random id: of a store, or of one run of the service.
pub(crate) type Id = [u8; 16];

pub(crate) fn new_id() -> Result<Id, NoRandom> {
    random::bytes()
}

/// A state of the store: commits are numbered through all runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) run: Id,
    pub(crate) sequence: u64,
}

/// What the folder of blobs says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) store: Id,
    pub(crate) position: Position,
    /// Whether each upload of that run was on the disk before its commit.
    pub(crate) strict: bool,
}

/// What the database says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) store: Id,
    pub(crate) position: Position,
    /// The last mark that is known to be on the disk; none before the first.
    pub(crate) confirmed: Option<Position>,
}

/// Length of the position in the database.
const STATE: usize = 48;

impl State {
    /// The position and the confirmed mark, as the database stores them.
    pub(crate) fn to_bytes(self) -> [u8; STATE] {
        let mut bytes = [0; STATE];
        let confirmed = self.confirmed.unwrap_or(Position {
            run: [0; 16],
            sequence: 0,
        });
        bytes[..16].copy_from_slice(&self.position.run);
        bytes[16..24].copy_from_slice(&self.position.sequence.to_le_bytes());
        bytes[24..40].copy_from_slice(&confirmed.run);
        bytes[40..].copy_from_slice(&confirmed.sequence.to_le_bytes());
        bytes
    }

    /// None if these are not the bytes of a state.
    pub(crate) fn from_bytes(store: &[u8], bytes: &[u8]) -> Option<Self> {
        let position = |bytes: &[u8]| {
            Some(Position {
                run: bytes.get(..16)?.try_into().ok()?,
                sequence: u64::from_le_bytes(bytes.get(16..24)?.try_into().ok()?),
            })
        };
        if bytes.len() != STATE {
            return None;
        }
        Some(Self {
            store: store.try_into().ok()?,
            position: position(&bytes[..24])?,
            confirmed: position(&bytes[24..]).filter(|confirmed| confirmed.run != [0; 16]),
        })
    }
}

/// How the database and the folder of blobs do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StoreMismatch {
    /// The database lacks changes that the folder of blobs was part of: it is an older copy, or its log was lost.
    #[error(
        "the database is older than the folder of blobs: it is an older copy, or its log (agb.sqlite3-wal) was lost"
    )]
    OlderDatabase,
    /// The folder of blobs lacks changes that the database knows to be in it.
    #[error("the folder of blobs is older than the database: it is an older copy")]
    OlderBlobs,
    /// The folder of blobs belongs to another store.
    #[error("the folder of blobs belongs to another store")]
    OtherBlobs,
    /// The folder of blobs has no mark, although the database knows that it had one.
    #[error("the folder of blobs has lost its mark (blobs/mark): it was removed or replaced")]
    NoMark,
    /// Both were changed since they were last together.
    #[error("the database and the folder of blobs are copies that were changed separately")]
    Diverged,
}

/// Whether the two belong together. `state` is none for a database from before there were marks, or a new one.
pub(crate) fn compare(state: Option<&State>, mark: Option<&Mark>) -> Result<(), StoreMismatch> {
    let (state, mark) = match (state, mark) {
        (None, None) => return Ok(()),
        // No mark is written before the commit that it stands for.
        (None, Some(_)) => return Err(StoreMismatch::OlderDatabase),
        (Some(state), None) => {
            return match state.confirmed {
                Some(_) => Err(StoreMismatch::NoMark),
                None => Ok(()),
            };
        }
        (Some(state), Some(mark)) => (state, mark),
    };
    if state.store != mark.store {
        return Err(StoreMismatch::OtherBlobs);
    }
    let (now, seen) = (state.position, mark.position);
    if seen.sequence > now.sequence {
        return Err(StoreMismatch::OlderDatabase);
    }
    if let Some(confirmed) = state.confirmed
        && seen.sequence < confirmed.sequence
    {
        return Err(StoreMismatch::OlderBlobs);
    }
    let known = seen.run == now.run || state.confirmed.is_some_and(|last| seen.run == last.run);
    match known {
        true => Ok(()),
        false => Err(StoreMismatch::Diverged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(run: u8, sequence: u64) -> Position {
        Position {
            run: [run; 16],
            sequence,
        }
    }

    fn mark(store: u8, position: Position) -> Mark {
        Mark {
            store: [store; 16],
            position,
            strict: true,
        }
    }

    #[test]
    fn an_older_side_is_recognised_in_both_directions() {
        let state = State {
            store: [1; 16],
            position: at(2, 20),
            confirmed: Some(at(2, 15)),
        };
        let outcome = |mark: Option<Mark>| compare(Some(&state), mark.as_ref());
        for sequence in 15..=20 {
            assert_eq!(outcome(Some(mark(1, at(2, sequence)))), Ok(()));
        }
        let mismatches = [
            (Some(mark(1, at(2, 21))), StoreMismatch::OlderDatabase),
            (Some(mark(1, at(3, 25))), StoreMismatch::OlderDatabase),
            (Some(mark(1, at(2, 14))), StoreMismatch::OlderBlobs),
            (Some(mark(1, at(1, 10))), StoreMismatch::OlderBlobs),
            (Some(mark(1, at(9, 17))), StoreMismatch::Diverged),
            (Some(mark(9, at(2, 17))), StoreMismatch::OtherBlobs),
            (None, StoreMismatch::NoMark),
        ];
        for (mark, mismatch) in mismatches {
            assert_eq!(outcome(mark), Err(mismatch), "{mark:?}");
        }
    }

    #[test]
    fn a_crash_between_the_commit_of_a_start_and_its_mark_is_no_mismatch() {
        let state = State {
            store: [1; 16],
            position: at(3, 21),
            confirmed: Some(at(2, 15)),
        };
        for sequence in [15, 20] {
            assert_eq!(
                compare(Some(&state), Some(&mark(1, at(2, sequence)))),
                Ok(())
            );
        }
        let first = State {
            confirmed: None,
            ..state
        };
        assert_eq!(compare(Some(&first), None), Ok(()));
        assert_eq!(compare(None, None), Ok(()));
        assert_eq!(
            compare(None, Some(&mark(1, at(2, 1)))),
            Err(StoreMismatch::OlderDatabase)
        );
    }

    #[test]
    fn a_state_comes_back_from_its_bytes() {
        for confirmed in [None, Some(at(2, u64::MAX))] {
            let state = State {
                store: [1; 16],
                position: at(3, 7),
                confirmed,
            };
            let bytes = state.to_bytes();
            assert_eq!(State::from_bytes(&state.store, &bytes), Some(state));
            assert_eq!(State::from_bytes(&state.store, &bytes[1..]), None);
            assert_eq!(State::from_bytes(&[1; 15], &bytes), None);
        }
    }
}
