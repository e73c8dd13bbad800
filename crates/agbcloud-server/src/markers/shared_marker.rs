//! The marker of a store that several processes share: in the database, and in the store of blobs.

use data_encoding::HEXLOWER;

use super::StoreMismatch;
use super::position::RandomId;

/// Identifies a store, and how old a copy of its database is. Every start increases the number, and so does the passing of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SharedMarker {
    pub(crate) store: RandomId,
    pub(crate) sequence: u64,
}

/// The first line of a marker.
const HEADER: &str = "agb shared store 1";

impl SharedMarker {
    /// The content of the marker in the store of blobs.
    pub(crate) fn to_text(self) -> String {
        let store = HEXLOWER.encode(&self.store);
        format!("{HEADER}\n{store}\n{}\n", self.sequence)
    }

    /// Returns `None` unless this is the result of [`to_text`](Self::to_text).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next()? != HEADER {
            return None;
        }
        let store = HEXLOWER.decode(lines.next()?.as_bytes()).ok()?;
        let sequence = lines.next()?.parse().ok()?;
        let store = store.try_into().ok()?;
        lines.next().is_none().then_some(Self { store, sequence })
    }

    /// Checks whether the store of blobs with the marker `found` belongs to this marker of a database. `confirmed` says whether
    /// the store of blobs had a marker before.
    pub(crate) fn check(
        &self,
        found: Option<&SharedMarker>,
        confirmed: bool,
    ) -> Result<(), StoreMismatch> {
        match found {
            None if confirmed => Err(StoreMismatch::NoMarker),
            None => Ok(()),
            Some(found) if found.store != self.store => Err(StoreMismatch::OtherBlobs),
            Some(found) if found.sequence > self.sequence => Err(StoreMismatch::OlderDatabase),
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_round_trips() {
        let marker = SharedMarker {
            store: [7; 16],
            sequence: 12,
        };
        let text = marker.to_text();
        assert_eq!(SharedMarker::parse(&text), Some(marker));
        for damaged in [
            "",
            "x",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}\n"),
        ] {
            assert_eq!(SharedMarker::parse(damaged), None, "{damaged:?}");
        }
    }

    #[test]
    fn a_newer_or_other_store_of_blobs_is_detected() {
        let at = |store: u8, sequence| SharedMarker {
            store: [store; 16],
            sequence,
        };
        let database = at(1, 5);
        for (found, confirmed, outcome) in [
            (None, false, Ok(())),
            (None, true, Err(StoreMismatch::NoMarker)),
            (Some(at(1, 5)), true, Ok(())),
            (Some(at(1, 1)), true, Ok(())),
            (Some(at(1, 6)), true, Err(StoreMismatch::OlderDatabase)),
            (Some(at(2, 1)), false, Err(StoreMismatch::OtherBlobs)),
        ] {
            assert_eq!(
                database.check(found.as_ref(), confirmed),
                outcome,
                "{found:?}"
            );
        }
    }
}
