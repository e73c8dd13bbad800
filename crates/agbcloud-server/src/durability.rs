//! The durability of writes.

/// What an acknowledged write survives. In every mode a write is visible completely or not at all.
///
/// `docs/durability.md` in the repository describes every write, and names the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// A power failure: writes reach the disk before they are acknowledged. The default for a data folder.
    #[default]
    Strict,
    /// The end of the process, but not a power failure: no write waits for the disk. After a power failure the last writes may be
    /// missing, and large files that were just written may be damaged; `fsck` lists them.
    Relaxed,
    /// Nothing: everything is in memory, and the data folder is not touched.
    Memory,
}
