//! What the markers contain.

use crate::system::random::{self, NoRandom};

/// A random id of a store, or of one run of the service.
pub(crate) type RandomId = [u8; 16];

pub(crate) fn new_id() -> Result<RandomId, NoRandom> {
    random::bytes()
}

/// A commit: the run of the service, and the number of the commit, counted over all runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CommitPosition {
    pub(crate) run: RandomId,
    pub(crate) sequence: u64,
}

/// The marker of the folder of blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FolderMarker {
    pub(crate) store: RandomId,
    pub(crate) position: CommitPosition,
    /// Whether the run synced each upload before its commit.
    pub(crate) strict: bool,
}

/// The marker of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DatabaseMarker {
    pub(crate) store: RandomId,
    pub(crate) position: CommitPosition,
    /// The last folder marker that is known to be on the disk; `None` before the first one.
    pub(crate) confirmed: Option<CommitPosition>,
}

/// Length of the positions of a [`DatabaseMarker`].
const POSITIONS: usize = 48;

impl DatabaseMarker {
    /// The position and the confirmed position, as the database stores them.
    pub(crate) fn positions(self) -> [u8; POSITIONS] {
        let mut bytes = [0; POSITIONS];
        let confirmed = self.confirmed.unwrap_or(CommitPosition {
            run: [0; 16],
            sequence: 0,
        });
        bytes[..16].copy_from_slice(&self.position.run);
        bytes[16..24].copy_from_slice(&self.position.sequence.to_le_bytes());
        bytes[24..40].copy_from_slice(&confirmed.run);
        bytes[40..].copy_from_slice(&confirmed.sequence.to_le_bytes());
        bytes
    }

    /// Returns `None` unless these are the bytes of an id and of [`positions`](Self::positions).
    pub(crate) fn from_bytes(store: &[u8], positions: &[u8]) -> Option<Self> {
        let position = |bytes: &[u8]| {
            Some(CommitPosition {
                run: bytes.get(..16)?.try_into().ok()?,
                sequence: u64::from_le_bytes(bytes.get(16..24)?.try_into().ok()?),
            })
        };
        if positions.len() != POSITIONS {
            return None;
        }
        Some(Self {
            store: store.try_into().ok()?,
            position: position(&positions[..24])?,
            confirmed: position(&positions[24..]).filter(|confirmed| confirmed.run != [0; 16]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_marker_round_trips() {
        let at = |run: u8, sequence: u64| CommitPosition {
            run: [run; 16],
            sequence,
        };
        for confirmed in [None, Some(at(2, u64::MAX))] {
            let marker = DatabaseMarker {
                store: [1; 16],
                position: at(3, 7),
                confirmed,
            };
            let bytes = marker.positions();
            let decoded = DatabaseMarker::from_bytes(&marker.store, &bytes);
            assert_eq!(decoded, Some(marker));
            assert_eq!(DatabaseMarker::from_bytes(&marker.store, &bytes[1..]), None);
            assert_eq!(DatabaseMarker::from_bytes(&[1; 15], &bytes), None);
        }
    }
}
