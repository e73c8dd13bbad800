//! What was synchronised the last time, remembered in a local file.

mod format;
mod shared;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use md5::{Digest, Md5};

use self::{
    format::{Content, Entry, Key, decoded, encoded, key_of, number},
    shared::{Shared, Snapshot},
};
use crate::{
    ContextId, Error, ErrorKind, FolderPath, RemotePath, Result,
    clock::Time,
    file::local::{LocalIdentity, blocking, cannot},
};

/// Entries that are superseded before the file is written anew.
const STALE: u64 = 4096;

/// How long is waited at a time, and how often, for another process that has the file: it takes it for moments, unless it
/// was stopped in the middle of one.
const BREATH: Duration = Duration::from_millis(5);
const BREATHS: u32 = 2000;

/// Entries that are written in one go.
const AT_ONCE: usize = 4096;

/// A file as both sides had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The CRC-64 of its content.
    pub(super) crc64: u64,
    /// Stands for the store's ETag; 0 where that is not known.
    pub(super) etag: u64,
    /// The local file that had this content.
    pub(super) here: LocalIdentity,
    /// The local file may have other content and the same identity: its times were too recent when it was recorded.
    pub(super) recent: bool,
    /// When the remote file was written.
    pub(super) there: There,
}

/// When a remote file that is remembered was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    Unknown,
    /// A listing showed it. While it was recent, the file may have changed without getting another time.
    Listed {
        modified: SystemTime,
        recent: bool,
    },
    /// It was sent, and acknowledged at this time of the service; no listing has shown its own time yet.
    Acknowledged(SystemTime),
}

/// What is known of files, and a file that grows by what is learnt, so that a process can be killed at any time. Several
/// processes may have the same file.
pub(super) struct State {
    context: String,
    path: PathBuf,
    time: Time,
    known: RwLock<Entries>,
    /// The file that was read, where it should be written anew.
    stale: Mutex<Option<Snapshot>>,
    /// Set when something is done: before that nothing is written.
    file: OnceLock<Mutex<Shared>>,
}

/// What was read, and what was learnt and is not written yet.
#[derive(Default)]
struct Entries {
    /// In the order of their keys.
    read: Vec<Entry>,
    /// Which of these are others now.
    changed: Vec<u32>,
    /// Some at a time, so that a million of them are never copied to make room.
    new: VecDeque<Vec<Entry>>,
}

impl State {
    /// Reads what there is, and writes nothing; without a file it is nothing. Blocks.
    pub(super) fn open(path: &Path, context: &ContextId, time: Time) -> Result<Self> {
        Self::open_with(path, context, time, STALE)
    }

    fn open_with(path: &Path, context: &ContextId, time: Time, stale: u64) -> Result<Self> {
        let (content, stale) = match read(path, stale) {
            Ok(Some(read)) => read,
            Ok(None) => {
                let message = format!(
                    "{} is not the state of a synchronization, or that of an older version: remove it to start without",
                    path.display()
                );
                return Err(Error::new(ErrorKind::LocalFile, message));
            }
            Err(error) => return Err(cannot("use", path, error)),
        };
        Ok(Self {
            context: context.to_string(),
            path: path.to_owned(),
            time,
            known: RwLock::new(Entries {
                read: content.entries,
                ..Entries::default()
            }),
            stale: Mutex::new(stale),
            file: OnceLock::new(),
        })
    }

    /// From now on what is learnt is written at once, and before that what was learnt up to now. Makes the file, or writes
    /// it anew where most of it is superseded and nobody else is just writing.
    pub(super) async fn begin(self: &Arc<Self>) -> Result<()> {
        let state = self.clone();
        let file = blocking(move || state.made()).await?;
        let file = self.file.get_or_init(|| Mutex::new(file));
        loop {
            let learnt = self.take_learnt();
            if learnt.is_empty() {
                return Ok(());
            }
            self.append(file, learnt.as_flattened()).await?;
        }
    }

    fn take_learnt(&self) -> Vec<Entry> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.take_learnt()
    }

    fn made(&self) -> Result<Shared> {
        let mut file = Shared::at(&self.path);
        let made = file.make();
        made.map_err(|error| cannot("use", &self.path, error))?;
        let mut stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stale) = stale.take() {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            match file.replace(stale, &known.read) {
                Ok(true) => known.changed.clear(),
                // It can be done the next time.
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, "the state is not written anew"),
            }
        }
        Ok(file)
    }

    /// What was known of a file when this was opened, or has been learnt of it before anything was done.
    pub(super) fn get(&self, remote: &RemotePath) -> Option<Known> {
        self.get_by(&self.key(remote))
    }

    fn get_by(&self, key: &Key) -> Option<Known> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let place = known.place(key)?;
        decoded(&known.read[place])
    }

    /// Remembers a file, or with `None` that there is none. Once something [is done](Self::begin), it writes 80 bytes and
    /// does not wait for the disk.
    ///
    /// # Errors
    ///
    /// That the file can't be written, or that another process has it for ten seconds, which should take it for moments.
    pub(super) async fn put(&self, remote: &RemotePath, known: Option<Known>) -> Result<()> {
        self.put_by(self.key(remote), known).await
    }

    async fn put_by(&self, key: Key, known: Option<Known>) -> Result<()> {
        let entry = encoded(key, known);
        match self.file.get() {
            Some(file) => self.append(file, &entry).await,
            None => {
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                known.learn(entry);
                Ok(())
            }
        }
    }

    async fn append(&self, file: &Mutex<Shared>, entries: &[u8]) -> Result<()> {
        for _ in 0..BREATHS {
            let appended = {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.append(entries)
            };
            if appended.map_err(|error| cannot("write", &self.path, error))? {
                return Ok(());
            }
            self.time.sleep(BREATH).await;
        }
        let message = format!(
            "can't write {}: another process has held it for {} seconds: end that process, or use another file",
            self.path.display(),
            (BREATH * BREATHS).as_secs()
        );
        Err(Error::new(ErrorKind::LocalFile, message))
    }

    /// Whether a synchronization of this folder came to its end before: since then a file that is not remembered is one that
    /// others have added.
    pub(super) fn has_baseline(&self, folder: &FolderPath) -> bool {
        self.get_by(&self.key_of_folder(folder)).is_some()
    }

    /// Remembers that a synchronization of this folder came to its end.
    pub(super) async fn complete(&self, folder: &FolderPath) -> Result<()> {
        let key = self.key_of_folder(folder);
        if self.get_by(&key).is_some() {
            return Ok(());
        }
        let nothing = Known {
            crc64: 0,
            etag: 0,
            here: LocalIdentity::from_numbers([0; 4]),
            recent: false,
            there: There::Unknown,
        };
        self.put_by(key, Some(nothing)).await
    }

    fn key(&self, remote: &RemotePath) -> Key {
        self.key_of(remote.as_str())
    }

    /// No file has a path that ends with a slash.
    fn key_of_folder(&self, folder: &FolderPath) -> Key {
        let folder = folder.as_str().trim_end_matches('/');
        self.key_of(&format!("{folder}/"))
    }

    fn key_of(&self, path: &str) -> Key {
        let of = Md5::new().chain_update(&self.context).chain_update([0]);
        of.chain_update(path).finalize().into()
    }
}

impl Entries {
    /// Where the entry of a key is among those that were read.
    fn place(&self, key: &Key) -> Option<usize> {
        let found = self.read.binary_search_by_key(key, key_of);
        found.ok()
    }

    fn learn(&mut self, entry: Entry) {
        match self.place(&key_of(&entry)) {
            Some(place) => {
                self.read[place] = entry;
                self.changed.extend(u32::try_from(place));
            }
            None => match self.new.back_mut() {
                Some(some) if some.len() < AT_ONCE => some.push(entry),
                _ => self.new.push_back(vec![entry]),
            },
        }
    }

    /// Some of what was learnt; nothing if that is all.
    fn take_learnt(&mut self) -> Vec<Entry> {
        if let Some(new) = self.new.pop_front() {
            return new;
        }
        let left = self.changed.len().saturating_sub(AT_ONCE);
        let changed = self.changed.drain(left..);
        changed.map(|place| self.read[place as usize]).collect()
    }
}

/// What is in a file, and where more than so many entries are superseded the file itself; `None` if it is no such file.
fn read(path: &Path, stale: u64) -> io::Result<Option<(Content, Option<Snapshot>)>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Some((Content::default(), None)));
        }
        Err(error) => return Err(error),
    };
    let Some(content) = format::read(&file)? else {
        return Ok(None);
    };
    let superseded = content.all - content.entries.len() as u64;
    let bytes = format::bytes_of(content.all);
    let snapshot = (superseded >= stale).then_some(Snapshot { file, bytes });
    Ok(Some((content, snapshot)))
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("State").field(&self.path).finish()
    }
}

/// What stands for an ETag, quoted or not, and one that is an MD5 in capitals or not.
pub(super) fn etag_number(etag: Option<&str>) -> u64 {
    etag.map_or(0, |etag| {
        let tag = etag.trim_matches('"');
        let is_md5 = tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digest: [u8; 16] = match is_md5 {
            true => Md5::digest(tag.to_ascii_lowercase()).into(),
            false => Md5::digest(tag).into(),
        };
        number(&digest, 0)
    })
}
