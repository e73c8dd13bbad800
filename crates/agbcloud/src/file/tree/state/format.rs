//! How what is remembered is written.

use std::{
    collections::{
        HashMap,
        hash_map::Entry::{Occupied, Vacant},
    },
    fs::File,
    io::{self, BufReader, Read},
};

use super::{Known, There};
use crate::file::local::{LocalIdentity, nanos_of, time_of};

/// How the file begins. It is followed by one entry after the other, a later one in place of an earlier one of the same key.
pub(super) const MAGIC: &[u8; 8] = b"AGBSYNC2";

/// Bytes of an entry: its key, and eight numbers, little-endian.
pub(super) const ENTRY: usize = 16 + NUMBERS * 8;

const NUMBERS: usize = 8;

/// The entry is that of a file, and not of one that is gone.
const PRESENT: u64 = 1;
const RECENT_HERE: u64 = 2;
const RECENT_THERE: u64 = 4;
const ACKNOWLEDGED: u64 = 8;

pub(super) type Entry = [u8; ENTRY];

/// The MD5 of context and path: short, and the same in every process.
pub(super) type Key = [u8; 16];

/// What is in a file.
#[derive(Default)]
pub(super) struct Content {
    /// The last entry of each key, in the order of keys.
    pub(super) entries: Vec<Entry>,
    /// How many there are with those that were superseded.
    pub(super) all: u64,
}

/// The entries of a file, an incomplete one at the end left out; `None` if it is no such file. Others may be appending.
pub(super) fn read(file: &File) -> io::Result<Option<Content>> {
    let length = entries_in(file.metadata()?.len());
    let mut reader = BufReader::new(file);
    if !begins(&mut reader)? {
        return Ok(None);
    }
    let mut entries: Vec<Entry> = Vec::new();
    let mut places: HashMap<Key, u32> = HashMap::new();
    for _ in 0..length {
        let mut entry = [0; ENTRY];
        reader.read_exact(&mut entry)?;
        let next = u32::try_from(entries.len()).map_err(io::Error::other)?;
        match places.entry(key_of(&entry)) {
            Vacant(place) => {
                place.insert(next);
                entries.push(entry);
            }
            Occupied(place) => entries[*place.get() as usize] = entry,
        }
    }
    drop(places);
    entries.sort_unstable_by_key(key_of);
    entries.shrink_to_fit();
    Ok(Some(Content {
        entries,
        all: length,
    }))
}

/// Whether a file begins as one of these does, or would if it were written to its end. Reads just that.
pub(super) fn begins(file: &mut impl Read) -> io::Result<bool> {
    let mut start = Vec::with_capacity(MAGIC.len());
    file.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(MAGIC.starts_with(&start))
}

/// Whole entries in a file of so many bytes.
fn entries_in(bytes: u64) -> u64 {
    bytes.saturating_sub(MAGIC.len() as u64) / ENTRY as u64
}

/// Bytes of a file of so many bytes that are its start and whole entries; 0 if it has not even the start.
pub(super) fn whole(bytes: u64) -> u64 {
    match bytes < MAGIC.len() as u64 {
        true => 0,
        false => bytes_of(entries_in(bytes)),
    }
}

/// Bytes of a file of so many entries.
pub(super) fn bytes_of(entries: u64) -> u64 {
    MAGIC.len() as u64 + entries * ENTRY as u64
}

pub(super) fn key_of(entry: &Entry) -> Key {
    let mut key = Key::default();
    key.copy_from_slice(&entry[..16]);
    key
}

pub(super) fn encoded(key: Key, known: Option<Known>) -> Entry {
    let mut entry = [0; ENTRY];
    entry[..16].copy_from_slice(&key);
    if let Some(known) = known {
        let (time, recent, acknowledged) = match known.there {
            There::Unknown => (i64::MIN, false, false),
            There::Listed { modified, recent } => (nanos_of(modified), recent, false),
            There::Acknowledged(time) => (nanos_of(time), false, true),
        };
        let flag = |set: bool, flag: u64| if set { flag } else { 0 };
        let flags = PRESENT
            | flag(known.recent, RECENT_HERE)
            | flag(recent, RECENT_THERE)
            | flag(acknowledged, ACKNOWLEDGED);
        let [size, modified, changed, id] = known.here.to_numbers();
        let numbers: [u64; NUMBERS] = [
            known.crc64,
            known.etag,
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

/// `None` for one that says that there is no such file.
pub(super) fn decoded(entry: &Entry) -> Option<Known> {
    let number = |at: usize| number(entry, 16 + 8 * at);
    let flags = number(7);
    let is = |flag: u64| flags & flag != 0;
    let there = match time_of(number(6).cast_signed()) {
        None => There::Unknown,
        Some(time) if is(ACKNOWLEDGED) => There::Acknowledged(time),
        Some(modified) => There::Listed {
            modified,
            recent: is(RECENT_THERE),
        },
    };
    is(PRESENT).then(|| Known {
        crc64: number(0),
        etag: number(1),
        here: LocalIdentity::from_numbers([number(2), number(3), number(4), number(5)]),
        recent: is(RECENT_HERE),
        there,
    })
}

pub(super) fn number(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
