//! The format of the state file.

use std::{
    collections::{
        HashMap,
        hash_map::Entry::{Occupied, Vacant},
    },
    fs::File,
    io::{self, BufReader, Read},
    time::SystemTime,
};

use crate::file::local::{LocalIdentity, from_unix_nanos, to_unix_nanos};

/// The version of a file that both sides had after a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sync) struct SyncedVersion {
    /// The CRC-64 of the content.
    pub(in crate::sync) crc64: u64,
    /// A hash of the store's ETag; 0 if unknown.
    pub(in crate::sync) etag: u64,
    pub(in crate::sync) local: LocalIdentity,
    /// The local times were recent when the version was recorded, so another content may have the same identity.
    pub(in crate::sync) recent: bool,
    pub(in crate::sync) remote: RemoteTime,
}

/// The modification time of a remote file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sync) enum RemoteTime {
    Unknown,
    /// The time in a listing. If it was recent, the file may have changed since without another time.
    Listed {
        modified: SystemTime,
        recent: bool,
    },
    /// The time of the service when it acknowledged the upload. The file has not been listed since.
    Acknowledged(SystemTime),
}

/// The start of the file. Entries follow it, and a later one replaces an earlier one with the same key.
pub(super) const MAGIC: &[u8; 8] = b"AGBSYNC2";

/// Size of an entry in bytes: a key and eight little-endian numbers.
pub(super) const ENTRY_SIZE: usize = 16 + NUMBERS * 8;

const NUMBERS: usize = 8;

/// The offset of the flags, which are the last number.
const FLAGS_AT: usize = ENTRY_SIZE - 8;

/// The file exists.
const PRESENT: u64 = 1;
const RECENT_LOCAL: u64 = 2;
const RECENT_REMOTE: u64 = 4;
const ACKNOWLEDGED: u64 = 8;

/// The upper half of the flags contains a [`Scope`].
const SCOPE_SHIFT: u32 = 32;

/// Identifies the folder and the filters of a two-way sync; 0 for other syncs.
pub(super) type Scope = u32;

pub(super) type StateEntry = [u8; ENTRY_SIZE];

/// The MD5 of the context id and the path.
pub(super) type StateKey = [u8; 16];

/// The content of a state file.
#[derive(Default)]
pub(super) struct StateContent {
    /// The last entry of each key, sorted by key.
    pub(super) entries: Vec<StateEntry>,
    /// Number of entries including the replaced ones.
    pub(super) total: u64,
}

/// Reads the entries of a file, without an incomplete one at the end. Returns `None` if it is not a state file. Other
/// processes may append to it concurrently.
pub(super) fn read(file: &File) -> io::Result<Option<StateContent>> {
    let length = entries_in(file.metadata()?.len());
    let mut reader = BufReader::new(file);
    if !starts_like_state(&mut reader)? {
        return Ok(None);
    }
    let mut entries: Vec<StateEntry> = Vec::new();
    let mut positions: HashMap<StateKey, u32> = HashMap::new();
    for _ in 0..length {
        let mut entry = [0; ENTRY_SIZE];
        reader.read_exact(&mut entry)?;
        let next = u32::try_from(entries.len()).map_err(io::Error::other)?;
        match positions.entry(key_of(&entry)) {
            Vacant(position) => {
                position.insert(next);
                entries.push(entry);
            }
            Occupied(position) => entries[*position.get() as usize] = entry,
        }
    }
    drop(positions);
    entries.sort_unstable_by_key(key_of);
    entries.shrink_to_fit();
    Ok(Some(StateContent {
        entries,
        total: length,
    }))
}

/// Whether a file starts like a state file, or is a prefix of its start. Reads only the start.
pub(super) fn starts_like_state(file: &mut impl Read) -> io::Result<bool> {
    let mut start = Vec::with_capacity(MAGIC.len());
    file.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(MAGIC.starts_with(&start))
}

/// Returns the number of complete entries in a file of this size.
fn entries_in(bytes: u64) -> u64 {
    bytes.saturating_sub(MAGIC.len() as u64) / ENTRY_SIZE as u64
}

/// Returns the size without an incomplete entry; 0 if the start is incomplete.
pub(super) fn complete_size(bytes: u64) -> u64 {
    match bytes < MAGIC.len() as u64 {
        true => 0,
        false => size_of_entries(entries_in(bytes)),
    }
}

/// Returns the size of a file with this number of entries.
pub(super) fn size_of_entries(entries: u64) -> u64 {
    MAGIC.len() as u64 + entries * ENTRY_SIZE as u64
}

pub(super) fn key_of(entry: &StateEntry) -> StateKey {
    let mut key = StateKey::default();
    key.copy_from_slice(&entry[..16]);
    key
}

pub(super) fn encode(key: StateKey, version: Option<SyncedVersion>) -> StateEntry {
    let mut entry = [0; ENTRY_SIZE];
    entry[..16].copy_from_slice(&key);
    if let Some(version) = version {
        let (time, recent, acknowledged) = match version.remote {
            RemoteTime::Unknown => (i64::MIN, false, false),
            RemoteTime::Listed { modified, recent } => (to_unix_nanos(modified), recent, false),
            RemoteTime::Acknowledged(time) => (to_unix_nanos(time), false, true),
        };
        let flag = |set: bool, flag: u64| if set { flag } else { 0 };
        let flags = PRESENT
            | flag(version.recent, RECENT_LOCAL)
            | flag(recent, RECENT_REMOTE)
            | flag(acknowledged, ACKNOWLEDGED);
        let [size, modified, changed, id] = version.local.to_numbers();
        let numbers: [u64; NUMBERS] = [
            version.crc64,
            version.etag,
            size,
            modified,
            changed,
            id,
            time.cast_unsigned(),
            flags,
        ];
        for (at, number) in numbers.into_iter().enumerate() {
            entry[16 + 8 * at..][..8].copy_from_slice(&number.to_le_bytes());
        }
    }
    entry
}

/// Sets the scope of an entry.
pub(super) fn set_scope(entry: &mut StateEntry, scope: Scope) {
    let flags = read_u64(entry, FLAGS_AT) | u64::from(scope) << SCOPE_SHIFT;
    entry[FLAGS_AT..].copy_from_slice(&flags.to_le_bytes());
}

/// Whether the file of an entry exists and was recorded in this scope.
pub(super) fn is_in_scope(entry: &StateEntry, scope: Scope) -> bool {
    let flags = read_u64(entry, FLAGS_AT);
    flags & PRESENT != 0 && flags >> SCOPE_SHIFT == u64::from(scope)
}

/// Returns `None` for a file that does not exist.
pub(super) fn decode(entry: &StateEntry) -> Option<SyncedVersion> {
    let number = |at: usize| read_u64(entry, 16 + 8 * at);
    let flags = number(7);
    let is = |flag: u64| flags & flag != 0;
    let remote = match from_unix_nanos(number(6).cast_signed()) {
        None => RemoteTime::Unknown,
        Some(time) if is(ACKNOWLEDGED) => RemoteTime::Acknowledged(time),
        Some(modified) => RemoteTime::Listed {
            modified,
            recent: is(RECENT_REMOTE),
        },
    };
    is(PRESENT).then(|| SyncedVersion {
        crc64: number(0),
        etag: number(1),
        local: LocalIdentity::from_numbers([number(2), number(3), number(4), number(5)]),
        recent: is(RECENT_LOCAL),
        remote,
    })
}

pub(super) fn read_u64(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
