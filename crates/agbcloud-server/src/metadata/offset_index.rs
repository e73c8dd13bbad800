//! Finds the n-th entry of a large folder without reading the entries before it.
//!
//! Pages are numbered, so that a page starts at an offset, and SQL reads all rows before an offset. So the entries of a large
//! folder are divided into blocks, and the blocks into groups. A table contains the first key of each block and group
//! and the number of its entries. To find an offset, a reader adds up the groups, then the blocks of one group, then the entries of
//! one block. The index is changed in the transaction that changes the folder, so that it is correct in every snapshot.
//!
//! A segment (block or group) keeps its start key when the entry with that key is deleted. The first segment starts before all
//! names. Each group starts at the start of a block.

/// Number of entries in a new block. A block is split when it has more than twice as many. Tests use small blocks.
pub(crate) const BLOCK: i64 = if cfg!(test) { 4 } else { 256 };
/// Number of entries in a new group.
pub(crate) const GROUP: i64 = BLOCK * if cfg!(test) { 4 } else { 64 };
/// A folder with more entries is indexed. Its index is deleted at half that number, so that it is not created and deleted
/// repeatedly around the limit.
pub(crate) const MAX_UNINDEXED: i64 = 4 * BLOCK;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Blocks = 1,
    Groups = 2,
}

impl Level {
    /// Number of entries in a new segment.
    pub(crate) fn size(self) -> i64 {
        match self {
            Self::Blocks => BLOCK,
            Self::Groups => GROUP,
        }
    }
}

/// The sort key of an entry: the name, then files before folders.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryKey {
    pub(crate) name: String,
    pub(crate) folder: bool,
}

impl EntryKey {
    pub(crate) fn file(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            folder: false,
        }
    }

    pub(crate) fn folder(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            folder: true,
        }
    }
}

/// A block or group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) start: EntryKey,
    pub(crate) entries: i64,
}

/// Whether a segment that got an entry has too many.
pub(crate) fn should_split(level: Level, segment: &Segment) -> bool {
    segment.entries > 2 * level.size()
}

/// Whether a segment that lost an entry has too few, so that it is merged into the one before it.
pub(crate) fn should_merge(level: Level, segment: &Segment) -> bool {
    segment.entries <= level.size() / 4
}
