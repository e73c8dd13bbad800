//! The state of the last sync, stored in a local file.

mod format;
mod seen_entries;
mod state_file;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use md5::{Digest, Md5};

pub(super) use format::{RemoteTime, SyncedVersion};

use self::{
    format::{
        Scope, StateContent, StateEntry, StateKey, decode, encode, is_in_scope, key_of, read_u64,
        set_scope,
    },
    seen_entries::SeenEntries,
    state_file::{StateFile, StateSnapshot},
};
use crate::{
    ContextId, Error, ErrorKind, FolderPath, RemotePath, Result,
    clock::Time,
    file::local::{LocalIdentity, blocking, cannot},
    lock::lock,
};

/// Number of replaced entries after which the file is rewritten.
const MAX_REPLACED: u64 = 4096;

/// Interval and maximum number of attempts to lock the file. Processes lock it only for moments, unless one was stopped.
const LOCK_INTERVAL: Duration = Duration::from_millis(5);
const MAX_LOCK_ATTEMPTS: u32 = 2000;

/// Number of entries that are written at a time.
const BATCH: usize = 4096;

/// The kind of sync that has ended. Only a two-way sync has copied every file to both sides, so that a file that is missing on
/// one of them was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sync) enum Baseline {
    OneWay,
    TwoWay,
}

/// The versions of files. Each change is appended to the state file, so a process can be killed at any time. Several
/// processes may use the same file.
pub(in crate::sync) struct SyncState {
    context: String,
    path: PathBuf,
    time: Time,
    scope: Scope,
    entries: RwLock<StateEntries>,
    /// The entries of files that at least one side has.
    seen: SeenEntries,
    /// The file as it was read, if it should be rewritten.
    rewritable: Mutex<Option<StateSnapshot>>,
    /// Set when the sync makes its first change. Nothing is written before.
    file: OnceLock<Mutex<StateFile>>,
}

/// The entries that were read, and those that have not been written.
#[derive(Default)]
struct StateEntries {
    /// Sorted by key.
    read: Vec<StateEntry>,
    /// Indexes of the entries that have changed.
    changed: Vec<u32>,
    /// New entries in batches, so that growing does not copy them.
    new: VecDeque<Vec<StateEntry>>,
}

impl SyncState {
    /// Reads the file, which may not exist. Writes nothing. Blocks.
    pub(in crate::sync) fn open(path: &Path, context: &ContextId, time: Time) -> Result<Self> {
        Self::open_with(path, context, time, MAX_REPLACED)
    }

    fn open_with(path: &Path, context: &ContextId, time: Time, max_replaced: u64) -> Result<Self> {
        let (content, rewritable) = match read(path, max_replaced) {
            Ok(Some(read)) => read,
            Ok(None) => {
                let path_text = path.display();
                let message =
                    format!("{path_text} is not a state file, or one of an older version");
                return Err(Error::new(ErrorKind::LocalFile, message).with_local_path(path));
            }
            Err(error) => return Err(cannot("use", path, error)),
        };
        Ok(Self {
            context: context.to_string(),
            path: path.to_owned(),
            time,
            scope: 0,
            seen: SeenEntries::new(content.entries.len()),
            entries: RwLock::new(StateEntries {
                read: content.entries,
                ..StateEntries::default()
            }),
            rewritable: Mutex::new(rewritable),
            file: OnceLock::new(),
        })
    }

    /// Writes the recorded entries, and from now on each entry immediately. Creates the file, or rewrites it if it has many
    /// replaced entries and no other process holds it.
    pub(in crate::sync) async fn begin(self: &Arc<Self>) -> Result<()> {
        let state = self.clone();
        let file = blocking(move || state.open_file()).await?;
        let file = self.file.get_or_init(|| Mutex::new(file));
        loop {
            let unwritten = self.take_unwritten();
            if unwritten.is_empty() {
                return Ok(());
            }
            self.append(file, unwritten.as_flattened()).await?;
        }
    }

    fn take_unwritten(&self) -> Vec<StateEntry> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.take_unwritten()
    }

    fn open_file(&self) -> Result<StateFile> {
        let mut file = StateFile::new(&self.path);
        let created = file.create();
        created.map_err(|error| cannot("use", &self.path, error))?;
        if let Some(snapshot) = lock(&self.rewritable).take() {
            let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
            match file.rewrite(snapshot, &entries.read) {
                Ok(true) => entries.changed.clear(),
                // The next sync can rewrite it.
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, "can't rewrite the state file"),
            }
        }
        Ok(file)
    }

    /// Uses the state for a two-way sync of a folder with these filters.
    pub(in crate::sync) fn for_two_way(mut self, folder: &FolderPath, filters: &[String]) -> Self {
        let mut digest = Md5::new();
        digest.update(folder.as_str());
        for filter in filters {
            digest.update([0]);
            digest.update(filter);
        }
        let digest: [u8; 16] = digest.finalize().into();
        self.scope = Scope::from_le_bytes([digest[0] | 1, digest[1], digest[2], digest[3]]);
        self
    }

    /// Removes the entries of this scope that were not requested since the state was opened: neither side has their files. A
    /// file that is added again with the same content is a new one.
    pub(in crate::sync) fn forget_unseen(&self) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let unseen = entries.read.iter().enumerate();
        let unseen = unseen.filter(|(position, entry)| {
            is_in_scope(entry, self.scope) && !self.seen.contains(*position)
        });
        let unseen: Vec<_> = unseen
            .map(|(_, entry)| encode(key_of(entry), None))
            .collect();
        for entry in unseen {
            entries.set(entry);
        }
    }

    /// Returns the version of a file when the state was opened, or as recorded before the first change.
    pub(in crate::sync) fn get(&self, remote: &RemotePath) -> Option<SyncedVersion> {
        self.get_entry(&self.key(remote))
    }

    fn get_entry(&self, key: &StateKey) -> Option<SyncedVersion> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let position = entries.position(key)?;
        self.seen.insert(position);
        decode(&entries.read[position])
    }

    /// Records the version of a file, or `None` for a file that does not exist. After [`begin`](Self::begin), writes 80
    /// bytes without a sync to the disk.
    ///
    /// # Errors
    ///
    /// The file can't be written, or another process holds its lock for ten seconds.
    pub(in crate::sync) async fn put(
        &self,
        remote: &RemotePath,
        version: Option<SyncedVersion>,
    ) -> Result<()> {
        self.put_entry(self.key(remote), version).await
    }

    async fn put_entry(&self, key: StateKey, version: Option<SyncedVersion>) -> Result<()> {
        let mut entry = encode(key, version);
        if version.is_some() {
            set_scope(&mut entry, self.scope);
        }
        match self.file.get() {
            Some(file) => self.append(file, &entry).await,
            None => {
                let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
                entries.set(entry);
                Ok(())
            }
        }
    }

    async fn append(&self, file: &Mutex<StateFile>, entries: &[u8]) -> Result<()> {
        for _ in 0..MAX_LOCK_ATTEMPTS {
            let appended = {
                let mut file = lock(file);
                file.append(entries)
            };
            if appended.map_err(|error| cannot("write", &self.path, error))? {
                return Ok(());
            }
            self.time.sleep(LOCK_INTERVAL).await;
        }
        let message = format!(
            "can't write {}: another process has locked it for {} seconds",
            self.path.display(),
            (LOCK_INTERVAL * MAX_LOCK_ATTEMPTS).as_secs()
        );
        Err(Error::new(ErrorKind::LocalFile, message).with_local_path(&self.path))
    }

    /// Whether a sync of this folder has ended. If it has, another client has added a file without an entry.
    pub(in crate::sync) fn has_baseline(&self, folder: &FolderPath, baseline: Baseline) -> bool {
        let key = self.key_of_folder(folder, baseline);
        self.get_entry(&key).is_some()
    }

    /// Records that a sync of this folder has ended.
    pub(in crate::sync) async fn complete(
        &self,
        folder: &FolderPath,
        baseline: Baseline,
    ) -> Result<()> {
        let key = self.key_of_folder(folder, baseline);
        if self.get_entry(&key).is_some() {
            return Ok(());
        }
        let marker = SyncedVersion {
            crc64: 0,
            etag: 0,
            local: LocalIdentity::from_numbers([0; 4]),
            recent: false,
            remote: RemoteTime::Unknown,
        };
        self.put_entry(key, Some(marker)).await
    }

    fn key(&self, remote: &RemotePath) -> StateKey {
        self.key_of(remote.as_str())
    }

    /// Ends with slashes, unlike the path of a file.
    fn key_of_folder(&self, folder: &FolderPath, baseline: Baseline) -> StateKey {
        let folder = folder.as_str().trim_end_matches('/');
        self.key_of(&match baseline {
            Baseline::OneWay => format!("{folder}/"),
            Baseline::TwoWay => format!("{folder}//"),
        })
    }

    fn key_of(&self, path: &str) -> StateKey {
        let digest = Md5::new().chain_update(&self.context).chain_update([0]);
        digest.chain_update(path).finalize().into()
    }
}

impl StateEntries {
    /// Returns the index of the entry of a key.
    fn position(&self, key: &StateKey) -> Option<usize> {
        let found = self.read.binary_search_by_key(key, key_of);
        found.ok()
    }

    fn set(&mut self, entry: StateEntry) {
        match self.position(&key_of(&entry)) {
            Some(position) => {
                self.read[position] = entry;
                self.changed.extend(u32::try_from(position));
            }
            None => match self.new.back_mut() {
                Some(batch) if batch.len() < BATCH => batch.push(entry),
                _ => self.new.push_back(vec![entry]),
            },
        }
    }

    /// Removes and returns a batch of entries that have not been written; an empty one at the end.
    fn take_unwritten(&mut self) -> Vec<StateEntry> {
        if let Some(new) = self.new.pop_front() {
            return new;
        }
        let left = self.changed.len().saturating_sub(BATCH);
        let changed = self.changed.drain(left..);
        changed
            .map(|position| self.read[position as usize])
            .collect()
    }
}

/// Reads the file, and returns it too if it has many replaced entries. Returns `None` if it is not a state file.
fn read(
    path: &Path,
    max_replaced: u64,
) -> io::Result<Option<(StateContent, Option<StateSnapshot>)>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Some((StateContent::default(), None)));
        }
        Err(error) => return Err(error),
    };
    let Some(content) = format::read(&file)? else {
        return Ok(None);
    };
    let replaced = content.total - content.entries.len() as u64;
    let bytes = format::size_of_entries(content.total);
    let snapshot = (replaced >= max_replaced).then_some(StateSnapshot { file, bytes });
    Ok(Some((content, snapshot)))
}

impl std::fmt::Debug for SyncState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SyncState").field(&self.path).finish()
    }
}

/// Returns a hash of an ETag without its quotes; case-insensitive for an MD5.
pub(in crate::sync) fn etag_number(etag: Option<&str>) -> u64 {
    etag.map_or(0, |etag| {
        let tag = etag.trim_matches('"');
        let is_md5 = tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digest: [u8; 16] = match is_md5 {
            true => Md5::digest(tag.to_ascii_lowercase()).into(),
            false => Md5::digest(tag).into(),
        };
        read_u64(&digest, 0)
    })
}
