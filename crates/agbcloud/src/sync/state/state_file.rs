//! A file that several processes append to and rewrite.

use std::{
    fs::File,
    io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::format::{MAGIC, StateEntry, complete_size, starts_like_state};
use crate::file::{
    atomic_file::{part_names, remove_abandoned_parts},
    local::folder_of,
};

/// Maximum number of attempts to open the file while other processes rewrite it.
const MAX_OPEN_ATTEMPTS: usize = 16;

/// A file of entries. On Unix a process locks it for each change, and the lock ends with the process. Other systems, and file
/// systems without locks, do not protect against concurrent changes.
pub(super) struct StateFile {
    path: PathBuf,
    file: Option<File>,
}

/// A file as it was read, with its size at that time.
pub(super) struct StateSnapshot {
    pub(super) file: File,
    pub(super) bytes: u64,
}

impl StateFile {
    pub(super) fn new(path: &Path) -> Self {
        let path = path.to_owned();
        Self { path, file: None }
    }

    /// Creates the file if it does not exist, with the folders above it. Blocks.
    pub(super) fn create(&mut self) -> io::Result<()> {
        std::fs::create_dir_all(folder_of(&self.path))?;
        let file = open(&self.path)?;
        self.unlock(file);
        Ok(())
    }

    /// Appends entries, and overwrites an incomplete one. Returns `false` if another process has locked the file.
    pub(super) fn append(&mut self, entries: &[u8]) -> io::Result<bool> {
        let Some(mut file) = self.lock()? else {
            return Ok(false);
        };
        let appended = append_to(&mut file, entries);
        self.unlock(file);
        appended.map(|()| true)
    }

    /// Replaces the entries that were read by these, and keeps those that were appended since. Returns `false` without a change if
    /// another process has locked or replaced the file. Blocks.
    pub(super) fn rewrite(
        &mut self,
        read: StateSnapshot,
        entries: &[StateEntry],
    ) -> io::Result<bool> {
        let folder = folder_of(&self.path);
        remove_abandoned_parts(folder);
        let new = part_names().tempfile_in(folder)?;
        let mut writer = BufWriter::new(new.as_file());
        writer.write_all(MAGIC)?;
        for entry in entries {
            writer.write_all(entry)?;
        }
        writer.flush()?;
        drop(writer);
        new.as_file().sync_all()?;
        // Locked only for the short rest of the work.
        let Some(mut file) = self.lock()? else {
            return Ok(false);
        };
        if !is_same(&file, &read.file)? {
            return Ok(false);
        }
        let appended = complete_size(file.metadata()?.len()).saturating_sub(read.bytes);
        file.seek(SeekFrom::Start(read.bytes))?;
        io::copy(&mut (&file).take(appended), &mut new.as_file())?;
        // The lock is held until the file is replaced. Windows does not replace an open file.
        let held = (!cfg!(windows)).then_some((file, read));
        new.persist(&self.path)?;
        drop(held);
        Ok(true)
    }

    /// Locks the file at the path. Returns `None` if another process has locked it.
    fn lock(&mut self) -> io::Result<Option<File>> {
        for _ in 0..MAX_OPEN_ATTEMPTS {
            let file = match self.file.take() {
                Some(file) => file,
                None => open(&self.path)?,
            };
            if !try_lock(&file)? {
                self.file = Some(file);
                return Ok(None);
            }
            // Another process may have replaced the file before it was locked.
            if is_at(&file, &self.path)? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// Unlocks the file, or closes it if that fails.
    fn unlock(&mut self, file: File) {
        self.file = release(&file).is_ok().then_some(file);
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    match starts_like_state(&mut file)? {
        true => Ok(file),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a state file",
        )),
    }
}

fn append_to(file: &mut File, entries: &[u8]) -> io::Result<()> {
    let bytes = file.metadata()?.len();
    let complete = complete_size(bytes);
    if complete != bytes {
        file.set_len(complete)?;
    }
    match complete {
        0 => file.write_all(&[MAGIC, entries].concat()),
        _ => file.write_all(entries),
    }
}

/// Locks a file. Returns `false` if another process has locked it.
#[cfg(unix)]
fn try_lock(file: &File) -> io::Result<bool> {
    use rustix::{
        fs::{FlockOperation, flock},
        io::Errno,
    };

    // The errors of file systems without locks.
    let unsupported = [Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOLCK, Errno::NOSYS];
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) if unsupported.contains(&error) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

#[cfg(unix)]
fn release(file: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(file, rustix::fs::FlockOperation::Unlock)?)
}

#[cfg(unix)]
fn is_same(one: &File, other: &File) -> io::Result<bool> {
    Ok(identity(&one.metadata()?) == identity(&other.metadata()?))
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match path.metadata() {
        Ok(there) => Ok(identity(&there) == identity(&file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;

    (metadata.dev(), metadata.ino())
}

/// Substitutes for systems without locks.
#[cfg(not(unix))]
mod unlocked {
    use super::{File, Path, io};

    pub(super) fn try_lock(_: &File) -> io::Result<bool> {
        Ok(true)
    }

    /// Fails, so that the file is closed and another process can replace it.
    pub(super) fn release(_: &File) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn is_same(_: &File, _: &File) -> io::Result<bool> {
        Ok(true)
    }

    pub(super) fn is_at(_: &File, _: &Path) -> io::Result<bool> {
        Ok(true)
    }
}
#[cfg(not(unix))]
use unlocked::{is_at, is_same, release, try_lock};
