//! The changes of a plan, kept small: a million of them are part of what may be in memory.

use super::{
    Change, PlannedChange,
    index::{Facts, Packed, packed, unpacked},
};

/// Changes in their order. Each takes 24 bytes and its path.
#[derive(Default)]
pub(super) struct Changes {
    /// One behind the other.
    paths: String,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    facts: Packed,
    /// Bytes of the path.
    path: u32,
    change: Change,
}

impl Changes {
    pub(super) fn push(&mut self, planned: &PlannedChange) {
        self.paths.push_str(&planned.path);
        self.entries.push(Entry {
            facts: packed(Facts {
                size: planned.size,
                modified: planned.modified,
            }),
            // The longest path that a service takes has 1024 bytes.
            path: u32::try_from(planned.path.len()).unwrap_or(u32::MAX),
            change: planned.change,
        });
    }

    /// What is done with each, and its bytes.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (Change, Option<u64>)> {
        let entries = self.entries.iter();
        entries.map(|entry| (entry.change, unpacked(entry.facts).size))
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = PlannedChange> {
        let mut rest = self.paths.as_str();
        self.entries.iter().map(move |entry| {
            let path;
            (path, rest) = rest.split_at(entry.path as usize);
            let Facts { size, modified } = unpacked(entry.facts);
            PlannedChange {
                path: path.to_owned(),
                change: entry.change,
                size,
                modified,
            }
        })
    }
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn they_come_back_as_they_were() {
        let then = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5);
        let given = [
            ("a/ü", Change::Upload, Some(0), None),
            ("b", Change::DeleteLocal, None, Some(then)),
            ("", Change::Download, Some(u64::MAX - 1), Some(then)),
        ];
        let given = given.map(|(path, change, size, modified)| PlannedChange {
            path: path.to_owned(),
            change,
            size,
            modified,
        });
        let mut changes = Changes::default();
        for planned in &given {
            changes.push(planned);
        }
        assert_eq!(changes.iter().len(), 3);
        assert!(changes.iter().eq(given));
    }
}
