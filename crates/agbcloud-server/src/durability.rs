//! What an acknowledged write survives.

/// What an acknowledged write survives. In each mode it is seen whole or not at all.
///
/// `docs/durability.md` in the repository says it for every write, and names the tests that hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// A power failure: it is on the disk before it is acknowledged. The default for a data folder.
    #[default]
    Strict,
    /// The end of the process, however sudden, but not of the machine: nothing waits for the disk. After a power
    /// failure the last writes may be missing, and large files that were just written may be damaged; `fsck` tells
    /// which.
    Relaxed,
    /// Nothing: everything is in memory, and a data folder that was given is not touched.
    Memory,
}
