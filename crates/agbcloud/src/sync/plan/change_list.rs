//! The changes of a plan in compact form, since a plan may have a million of them.

use std::collections::BTreeMap;

use super::{
    decision::{Compared, PlannedChange},
    remote_files::{PackedFacts, pack, unpack},
};
use crate::sync::change::Change;

/// An ordered list of changes. Each takes 24 bytes and the part of its path that differs from the path before. A change that
/// replaces or deletes a file takes about 170 bytes more.
#[derive(Default)]
pub(in crate::sync) struct ChangeList {
    /// The different ends of the paths, concatenated.
    path_ends: String,
    entries: Vec<PackedChange>,
    /// The compared files, by the index of the change.
    compared: BTreeMap<usize, Box<Compared>>,
    /// The last path.
    last_path: String,
}

#[derive(Clone, Copy)]
struct PackedChange {
    facts: PackedFacts,
    /// Length of the prefix that the path shares with the one before.
    shared: u16,
    /// Length of the rest of the path.
    rest: u32,
    change: Change,
    flags: u8,
}

/// The bits of the flags.
const REPLACES: u8 = 1;
const KEEPS_BOTH: u8 = 2;
const EXECUTABLE: u8 = 4;
const RESTORES: u8 = 8;

impl ChangeList {
    pub(in crate::sync) fn push(&mut self, planned: &PlannedChange) {
        let shared = shared_prefix(&self.last_path, &planned.path);
        let rest = &planned.path[shared.into()..];
        if planned.compared != Compared::default() {
            let compared = Box::new(planned.compared.clone());
            self.compared.insert(self.entries.len(), compared);
        }
        self.path_ends.push_str(rest);
        self.entries.push(PackedChange {
            facts: pack(planned.size, planned.modified),
            shared,
            // Paths are shorter on every system.
            rest: u32::try_from(rest.len()).unwrap_or(u32::MAX),
            change: planned.change,
            flags: [
                (planned.replaces, REPLACES),
                (planned.keeps_both, KEEPS_BOTH),
                (planned.executable, EXECUTABLE),
                (planned.restores, RESTORES),
            ]
            .into_iter()
            .filter_map(|(set, flag)| set.then_some(flag))
            .sum(),
        });
        self.last_path.truncate(shared.into());
        self.last_path.push_str(rest);
    }

    /// Returns each change with its size.
    pub(in crate::sync) fn sizes(&self) -> impl Iterator<Item = (Change, Option<u64>)> {
        let entries = self.entries.iter();
        entries.map(|entry| (entry.change, unpack(entry.facts).0))
    }

    pub(in crate::sync) fn iter(&self) -> impl ExactSizeIterator<Item = PlannedChange> {
        let mut ends = self.path_ends.as_str();
        let mut path = String::new();
        self.entries.iter().enumerate().map(move |(at, entry)| {
            let rest;
            (rest, ends) = ends.split_at(entry.rest as usize);
            path.truncate(entry.shared.into());
            path.push_str(rest);
            let (size, modified) = unpack(entry.facts);
            PlannedChange {
                path: path.clone(),
                change: entry.change,
                size,
                replaces: entry.flags & REPLACES != 0,
                keeps_both: entry.flags & KEEPS_BOTH != 0,
                restores: entry.flags & RESTORES != 0,
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

/// Returns the length of the shared prefix, at a character boundary.
fn shared_prefix(one: &str, other: &str) -> u16 {
    let same = one.bytes().zip(other.bytes()).take(u16::MAX.into());
    let same = same.take_while(|(a, b)| a == b).count();
    let whole = (0..=same).rev().find(|&end| other.is_char_boundary(end));
    whole.and_then(|end| end.try_into().ok()).unwrap_or(0)
}

impl std::fmt::Debug for ChangeList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::transfer::StoreChecksums;

    fn changed(path: &str, change: Change) -> PlannedChange {
        PlannedChange::deletion(path, change, None, Compared::default())
    }

    #[test]
    fn changes_are_unchanged_after_packing() {
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
                    local: None,
                    remote: Some(StoreChecksums::from_listing(Some("\"abc\""), Some(3))),
                },
                ..changed("a/ý", Change::DeleteLocal)
            },
            PlannedChange {
                size: Some(u64::MAX - 1),
                restores: true,
                ..changed("", Change::Download)
            },
        ];
        let mut changes = ChangeList::default();
        for planned in &given {
            changes.push(planned);
        }
        assert_eq!(changes.iter().len(), 3);
        assert!(changes.iter().eq(given));
    }

    #[test]
    fn neighbouring_paths_take_little_memory() {
        assert_eq!(size_of::<PackedChange>(), 24);
        let mut changes = ChangeList::default();
        for n in 1000..2000 {
            let path = format!("a/folder/whose/name/is/long/{n}");
            changes.push(&changed(&path, Change::Upload));
        }
        assert!(
            changes.path_ends.len() < 2000,
            "{}",
            changes.path_ends.len()
        );
    }

    proptest::proptest! {
        #[test]
        fn every_path_is_unchanged_after_packing(paths in proptest::collection::vec("[aäå€😀/]{0,6}", 0..20), long in 0..2_usize) {
            let mut changes = ChangeList::default();
            let paths: Vec<String> = paths.into_iter().map(|path| "x".repeat(long * 70_000) + &path).collect();
            for path in &paths {
                changes.push(&changed(path, Change::Upload));
            }
            proptest::prop_assert!(changes.iter().map(|change| change.path).eq(paths));
        }
    }
}
