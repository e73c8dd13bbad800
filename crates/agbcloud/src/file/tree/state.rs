//! What was synchronised the last time, remembered in a local file.

use std::{
    collections::{
        HashMap,
        hash_map::Entry::{Occupied, Vacant},
    },
    fs::File,
    io::{self, BufReader, Read as _, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use md5::{Digest, Md5};
use tempfile::NamedTempFile;

use super::index::{Facts, Packed, packed, unpacked};
use crate::{ContextId, Error, ErrorKind, RemotePath, Result, file::local::cannot};

/// How the file begins. It is followed by one entry after the other, a later one in place of an earlier one of the same key.
const MAGIC: &[u8; 8] = b"AGBSYNC1";

/// Bytes of an entry: its key, and six numbers, little-endian.
const ENTRY: usize = 16 + 6 * 8;

/// How far the clock of the service may be ahead of ours.
const SKEW: Duration = Duration::from_secs(1);

/// Entries that are superseded before the file is written anew.
const STALE: usize = 4096;

/// The MD5 of context and path: short, and the same in every process.
type Key = [u8; 16];

/// A file as both sides had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The CRC-64 of its content.
    pub(super) crc64: u64,
    /// Stands for the store's ETag; 0 where that is not known.
    pub(super) etag: u64,
    /// Its size, and when the local one was written.
    pub(super) here: Facts,
    /// Its size, and when the remote one was written, where that is known. Without a size it was [sent] from here.
    pub(super) there: Facts,
}

/// What is known of files, and a file that grows by what is learnt, so that a process can be killed at any time.
pub(super) struct State {
    context: String,
    path: PathBuf,
    /// In the order of their keys.
    entries: Vec<[u8; ENTRY]>,
    file: Mutex<File>,
}

impl State {
    /// Reads what there is; without a file it is nothing. Blocks.
    pub(super) fn open(path: &Path, context: &ContextId) -> Result<Self> {
        let failed = |error| cannot("use", path, error);
        let read = match File::open(path) {
            Ok(file) => read(file).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let Some(read) = read.or_else(|| is_new(path).then(Read::default)) else {
            let message = format!("{} is not the state of a synchronisation", path.display());
            return Err(Error::new(ErrorKind::LocalFile, message));
        };
        let Read { entries, all } = read;
        let file = match all - entries.len() {
            0 if !entries.is_empty() => append_to(path, all),
            0..STALE if all > 0 => append_to(path, all),
            _ => write_anew(path, &entries),
        };
        Ok(Self {
            context: context.to_string(),
            path: path.to_owned(),
            entries,
            file: Mutex::new(file.map_err(failed)?),
        })
    }

    /// What was known of a file when this was opened.
    pub(super) fn get(&self, remote: &RemotePath) -> Option<Known> {
        let key = self.key(remote);
        let found = self.entries.binary_search_by(|entry| entry[..16].cmp(&key));
        decoded(&self.entries[found.ok()?])
    }

    /// Remembers a file, or with `None` that there is none. It writes 64 bytes and does not wait for the disk.
    pub(super) fn put(&self, remote: &RemotePath, known: Option<Known>) -> Result<()> {
        let entry = encoded(self.key(remote), known);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file.write_all(&entry);
        written.map_err(|error| cannot("write", &self.path, error))
    }

    fn key(&self, remote: &RemotePath) -> Key {
        let of = Md5::new().chain_update(&self.context).chain_update([0]);
        of.chain_update(remote.as_str()).finalize().into()
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("State").field(&self.path).finish()
    }
}

/// What stands for an ETag.
pub(super) fn etag_number(etag: Option<&str>) -> u64 {
    etag.map_or(0, |etag| {
        let digest: [u8; 16] = Md5::digest(etag).into();
        number(&digest, 0)
    })
}

fn is_new(path: &Path) -> bool {
    !path.exists() || path.metadata().is_ok_and(|metadata| metadata.len() == 0)
}

/// What is in a file.
#[derive(Default)]
struct Read {
    /// The last entry of each key, in the order of keys.
    entries: Vec<[u8; ENTRY]>,
    /// How many there are with those that were superseded.
    all: usize,
}

/// The entries, an incomplete one at the end left out; `None` if it is no such file.
fn read(file: File) -> io::Result<Option<Read>> {
    let length = file.metadata()?.len().saturating_sub(MAGIC.len() as u64) / ENTRY as u64;
    let mut reader = BufReader::new(file);
    let mut magic = [0; MAGIC.len()];
    match reader.read_exact(&mut magic) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    if magic != *MAGIC {
        return Ok(None);
    }
    let mut entries: Vec<[u8; ENTRY]> = Vec::new();
    let mut places: HashMap<Key, u32> = HashMap::new();
    for _ in 0..length {
        let mut entry = [0; ENTRY];
        reader.read_exact(&mut entry)?;
        let mut key = Key::default();
        key.copy_from_slice(&entry[..16]);
        let next = u32::try_from(entries.len()).map_err(io::Error::other)?;
        match places.entry(key) {
            Vacant(place) => {
                place.insert(next);
                entries.push(entry);
            }
            Occupied(place) => entries[*place.get() as usize] = entry,
        }
    }
    drop(places);
    entries.sort_unstable_by(|a, b| a[..16].cmp(&b[..16]));
    entries.shrink_to_fit();
    Ok(Some(Read {
        entries,
        all: usize::try_from(length).map_err(io::Error::other)?,
    }))
}

/// Cuts off what was written in part.
fn append_to(path: &Path, entries: usize) -> io::Result<File> {
    let file = File::options().append(true).open(path)?;
    file.set_len((MAGIC.len() + entries * ENTRY) as u64)?;
    Ok(file)
}

fn write_anew(path: &Path, entries: &[[u8; ENTRY]]) -> io::Result<File> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let file = NamedTempFile::new_in(folder)?;
    let mut writer = io::BufWriter::new(file.as_file());
    writer.write_all(MAGIC)?;
    for entry in entries {
        writer.write_all(entry)?;
    }
    writer.flush()?;
    drop(writer);
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::options().append(true).open(path)
}

fn encoded(key: Key, known: Option<Known>) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..16].copy_from_slice(&key);
    if let Some(known) = known {
        let (here, there) = (packed(known.here), packed(known.there));
        let numbers = [
            known.crc64,
            known.etag,
            here.0,
            here.1.cast_unsigned(),
            there.0,
            there.1.cast_unsigned(),
        ];
        for (at, number) in numbers.into_iter().enumerate() {
            entry[16 + 8 * at..][..8].copy_from_slice(&number.to_le_bytes());
        }
    }
    entry
}

/// `None` for one that says that there is no such file.
fn decoded(entry: &[u8; ENTRY]) -> Option<Known> {
    let number = |at: usize| number(entry, 16 + 8 * at);
    let facts =
        |at: usize| -> Facts { unpacked(Packed::from((number(at), number(at + 1).cast_signed()))) };
    entry[16..].iter().any(|byte| *byte != 0).then(|| Known {
        crc64: number(0),
        etag: number(1),
        here: facts(2),
        there: facts(4),
    })
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

impl Known {
    /// Whether a remote file of this time is the one that is remembered.
    pub(super) fn fits(&self, time: SystemTime) -> bool {
        match self.there {
            // It was there when it was acknowledged: one of a later time is another.
            Facts {
                size: None,
                modified: Some(acknowledged),
            } => time <= acknowledged + SKEW,
            there => there.modified == Some(time),
        }
    }
}

/// A remote file that was sent, and acknowledged at this time: its own time is not known.
pub(super) fn sent(acknowledged: SystemTime) -> Facts {
    Facts {
        size: None,
        modified: Some(acknowledged),
    }
}

/// A time that is remembered as it can be: to the nanosecond, since 1970.
pub(super) fn facts(size: u64, modified: Option<SystemTime>) -> Facts {
    Facts {
        size: Some(size),
        modified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(number: u64) -> Known {
        let then = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 7);
        Known {
            crc64: number,
            etag: etag_number(Some("\"abc\"")),
            here: facts(number, Some(then)),
            there: facts(number, None),
        }
    }

    fn open(path: &Path) -> State {
        State::open(path, &ContextId::new("SdkCtx-1").unwrap()).unwrap()
    }

    fn remote(n: usize) -> RemotePath {
        RemotePath::new(format!("/{n}")).unwrap()
    }

    #[test]
    fn what_was_learnt_is_known_the_next_time_wherever_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/state");
        let state = open(&path);
        for n in 0..3 {
            state.put(&remote(n), Some(known(n as u64))).unwrap();
        }
        state.put(&remote(1), Some(known(11))).unwrap();
        state.put(&remote(2), None).unwrap();
        assert_eq!(
            state.get(&remote(0)),
            None,
            "what is learnt counts the next time"
        );
        // The process ends in the middle of an entry.
        let whole = std::fs::read(&path).unwrap();
        state.put(&remote(0), Some(known(99))).unwrap();
        let torn = std::fs::read(&path).unwrap();
        std::fs::write(&path, &torn[..torn.len() - 1]).unwrap();

        let state = open(&path);
        assert_eq!(state.get(&remote(0)), Some(known(0)));
        assert_eq!(state.get(&remote(1)), Some(known(11)));
        assert_eq!(state.get(&remote(2)), None);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        let other = State::open(&path, &ContextId::new("SdkCtx-2").unwrap()).unwrap();
        assert_eq!(other.get(&remote(0)), None);
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let state = open(&path);
        for n in 0..STALE + 10 {
            state.put(&remote(n % 7), Some(known(n as u64))).unwrap();
        }
        let state = open(&path);
        let last = (STALE + 9) / 7 * 7;
        assert_eq!(state.get(&remote(0)), Some(known(last as u64)));
        let length = std::fs::metadata(&path).unwrap().len();
        assert_eq!(length, (MAGIC.len() + 7 * ENTRY) as u64);
    }

    #[test]
    fn another_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        for content in ["x", "remember the milk"] {
            std::fs::write(&path, content).unwrap();
            let error = State::open(&path, &ContextId::new("SdkCtx-1").unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LocalFile);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
    }
}
