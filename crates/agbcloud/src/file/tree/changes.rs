//! The changes of a plan, kept small: a million of them are part of what may be in memory.

use std::collections::BTreeMap;

use super::{
    Change, PlannedChange,
    index::{Facts, Packed, packed, unpacked},
    plan::Compared,
};

/// Changes in their order. Each takes 24 bytes, and what its path has not in common with the one before: files that
/// follow each other are neighbours, as a rule. One that replaces or deletes something takes some 250 more.
#[derive(Default)]
pub(super) struct Changes {
    /// The ends of the paths, one behind the other.
    ends: String,
    entries: Vec<Entry>,
    /// What was compared, of those changes that replace or delete something or have a local source.
    compared: BTreeMap<usize, Box<Compared>>,
    /// The latest path.
    latest: String,
}

#[derive(Clone, Copy)]
struct Entry {
    facts: Packed,
    /// Bytes at the start of the path that it has in common with the one before.
    shared: u16,
    /// Bytes after these.
    rest: u32,
    change: Change,
    flags: u8,
}

/// Bits of the flags of an entry.
const REPLACES: u8 = 1;
const KEEPS_BOTH: u8 = 2;
const EXECUTABLE: u8 = 4;

impl Changes {
    pub(super) fn push(&mut self, planned: &PlannedChange) {
        let shared = in_common(&self.latest, &planned.path);
        let rest = &planned.path[shared.into()..];
        if planned.compared != Compared::default() {
            let compared = Box::new(planned.compared.clone());
            self.compared.insert(self.entries.len(), compared);
        }
        self.ends.push_str(rest);
        self.entries.push(Entry {
            facts: packed(Facts {
                size: planned.size,
                modified: planned.modified,
            }),
            shared,
            // No system has paths that are longer.
            rest: u32::try_from(rest.len()).unwrap_or(u32::MAX),
            change: planned.change,
            flags: [
                (planned.replaces, REPLACES),
                (planned.keeps_both, KEEPS_BOTH),
                (planned.executable, EXECUTABLE),
            ]
            .into_iter()
            .filter_map(|(set, flag)| set.then_some(flag))
            .sum(),
        });
        self.latest.truncate(shared.into());
        self.latest.push_str(rest);
    }

    /// What is done with each, and its bytes.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (Change, Option<u64>)> {
        let entries = self.entries.iter();
        entries.map(|entry| (entry.change, unpacked(entry.facts).size))
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = PlannedChange> {
        let mut ends = self.ends.as_str();
        let mut path = String::new();
        self.entries.iter().enumerate().map(move |(at, entry)| {
            let rest;
            (rest, ends) = ends.split_at(entry.rest as usize);
            path.truncate(entry.shared.into());
            path.push_str(rest);
            let Facts { size, modified } = unpacked(entry.facts);
            PlannedChange {
                path: path.clone(),
                change: entry.change,
                size,
                replaces: entry.flags & REPLACES != 0,
                keeps_both: entry.flags & KEEPS_BOTH != 0,
                executable: entry.flags & EXECUTABLE != 0,
                modified,
                compared: self
                    .compared
                    .get(&at)
                    .map(|it| (**it).clone())
                    .unwrap_or_default(),
            }
        })
    }
}

/// Bytes at the start of both, whole characters: at most as many as are counted.
fn in_common(one: &str, other: &str) -> u16 {
    let same = one.bytes().zip(other.bytes()).take(u16::MAX.into());
    let same = same.take_while(|(a, b)| a == b).count();
    let whole = (0..=same).rev().find(|&end| other.is_char_boundary(end));
    whole.and_then(|end| end.try_into().ok()).unwrap_or(0)
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
    use crate::file::checksum::Told;

    fn changed(path: &str, change: Change) -> PlannedChange {
        PlannedChange::deletion(path, change, None, Compared::default())
    }

    #[test]
    fn they_come_back_as_they_were() {
        let then = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5);
        let given = [
            PlannedChange {
                size: Some(0),
                replaces: true,
                ..changed("a/ü", Change::Upload)
            },
            PlannedChange {
                modified: Some(then),
                replaces: true,
                keeps_both: true,
                compared: Compared {
                    here: None,
                    there: Some(Told::listed(Some("\"abc\""), Some(3))),
                },
                ..changed("a/ý", Change::DeleteLocal)
            },
            PlannedChange {
                size: Some(u64::MAX - 1),
                ..changed("", Change::Download)
            },
        ];
        let mut changes = Changes::default();
        for planned in &given {
            changes.push(planned);
        }
        assert_eq!(changes.iter().len(), 3);
        assert!(changes.iter().eq(given));
    }

    #[test]
    fn neighbours_take_little() {
        assert_eq!(size_of::<Entry>(), 24);
        let mut changes = Changes::default();
        for n in 1000..2000 {
            let path = format!("a/folder/whose/name/is/long/{n}");
            changes.push(&changed(&path, Change::Upload));
        }
        assert!(changes.ends.len() < 2000, "{}", changes.ends.len());
    }

    proptest::proptest! {
        #[test]
        fn every_path_comes_back(paths in proptest::collection::vec("[aäå€😀/]{0,6}", 0..20), long in 0..2_usize) {
            let mut changes = Changes::default();
            let paths: Vec<String> = paths.into_iter().map(|path| "x".repeat(long * 70_000) + &path).collect();
            for path in &paths {
                changes.push(&changed(path, Change::Upload));
            }
            proptest::prop_assert!(changes.iter().map(|change| change.path).eq(paths));
        }
    }
}
