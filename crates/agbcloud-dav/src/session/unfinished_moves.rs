//! Moves of folders that have copied everything, and may not have deleted all of their sources.

use std::{
    collections::{HashSet, VecDeque},
    sync::Mutex,
};

use super::{lock, subtree::below};

/// Maximum number of bytes of all paths. Beyond that, the oldest moves are forgotten.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What these moves have copied. A repeated move finds it at its destination, where it may be the only copy.
#[derive(Debug, Default)]
pub(crate) struct UnfinishedMoves(Mutex<VecDeque<UnfinishedMove>>);

#[derive(Debug)]
struct UnfinishedMove {
    from: String,
    to: String,
    copies: HashSet<String>,
}

impl UnfinishedMove {
    fn bytes(&self) -> usize {
        let copies: usize = self.copies.iter().map(String::len).sum();
        copies + self.from.len() + self.to.len()
    }
}

impl UnfinishedMoves {
    /// Returns the paths that an earlier move of the same folder to the same destination has copied.
    pub(crate) fn copies(&self, from: &str, to: &str) -> HashSet<String> {
        let moves = lock(&self.0);
        let found = moves.iter().find(|one| one.from == from && one.to == to);
        found.map(|one| one.copies.clone()).unwrap_or_default()
    }

    /// Whether an earlier move of the same folder to the same destination is not done.
    pub(crate) fn is_unfinished(&self, from: &str, to: &str) -> bool {
        lock(&self.0)
            .iter()
            .any(|one| one.from == from && one.to == to)
    }

    /// Adds what a move has copied, before it deletes a source.
    pub(crate) fn insert(&self, from: &str, to: &str, copies: impl Iterator<Item = String>) {
        let mut earlier = self.copies(from, to);
        self.finish(from, to);
        earlier.extend(copies);
        let mut moves = lock(&self.0);
        moves.push_back(UnfinishedMove {
            from: from.to_owned(),
            to: to.to_owned(),
            copies: earlier,
        });
        let mut bytes: usize = moves.iter().map(UnfinishedMove::bytes).sum();
        while bytes > MAX_BYTES {
            let Some(oldest) = moves.pop_front() else {
                return;
            };
            bytes -= oldest.bytes();
        }
    }

    /// Removes a move that is done.
    pub(crate) fn finish(&self, from: &str, to: &str) {
        lock(&self.0).retain(|one| one.from != from || one.to != to);
    }

    /// Removes the moves from and to a path and everything below, which is deleted or replaced.
    pub(super) fn remove(&self, path: &str) {
        let range = below(path);
        let is_within = |other: &String| other == path || range.contains(other);
        lock(&self.0).retain(|one| !is_within(&one.from) && !is_within(&one.to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> impl Iterator<Item = String> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        paths.into_iter()
    }

    #[test]
    fn copies_are_known_until_the_move_is_done_or_a_folder_is_deleted() {
        let moves = UnfinishedMoves::default();
        moves.insert("/a", "/b", paths(&["/b/1"]));
        moves.insert("/a", "/b", paths(&["/b/2"]));
        moves.insert("/a", "/c", paths(&["/c/1"]));
        assert_eq!(moves.copies("/a", "/b").len(), 2);
        assert!(moves.copies("/b", "/a").is_empty());
        moves.remove("/b/d");
        moves.finish("/a", "/c");
        assert!(moves.copies("/a", "/c").is_empty());
        assert_eq!(moves.copies("/a", "/b").len(), 2);
        moves.remove("/b");
        assert!(moves.copies("/a", "/b").is_empty());
    }

    #[test]
    fn the_bytes_are_limited() {
        let moves = UnfinishedMoves::default();
        moves.insert("/a", "/b", paths(&[&"x".repeat(MAX_BYTES - 100)]));
        moves.insert("/c", "/d", paths(&[&"x".repeat(100)]));
        assert!(moves.copies("/a", "/b").is_empty());
        assert_eq!(moves.copies("/c", "/d").len(), 1);
        moves.insert("/e", "/f", paths(&[&"x".repeat(MAX_BYTES)]));
        assert!(lock(&moves.0).is_empty());
    }
}
