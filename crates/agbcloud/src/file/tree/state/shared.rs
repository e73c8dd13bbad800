//! A file that several processes append to at the same time, and that each may write anew.

use std::{
    fs::File,
    io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::format::{Entry, MAGIC, begins, whole};
use crate::file::{
    local::{folder_of, parts},
    tree::folders::sweep,
};

/// How often it is looked again where others write the file anew all the time.
const LOOKS: usize = 16;

/// A file of entries. Who changes it has it alone for that moment: on Unix by a lock, which ends with the process. Where the
/// file system has no locks, and on other systems, nothing keeps two processes apart.
pub(super) struct Shared {
    path: PathBuf,
    file: Option<File>,
}

/// A file as it was read: this many bytes were taken in.
pub(super) struct Snapshot {
    pub(super) file: File,
    pub(super) bytes: u64,
}

impl Shared {
    pub(super) fn at(path: &Path) -> Self {
        let path = path.to_owned();
        Self { path, file: None }
    }

    /// Makes the file if there is none, with the folders above it. Blocks.
    pub(super) fn make(&mut self) -> io::Result<()> {
        std::fs::create_dir_all(folder_of(&self.path))?;
        let file = open(&self.path)?;
        self.give_back(file);
        Ok(())
    }

    /// Appends whole entries, in the place of what somebody has written in part; `false` while somebody else has the file.
    /// Does not wait.
    pub(super) fn append(&mut self, entries: &[u8]) -> io::Result<bool> {
        let Some(mut file) = self.take()? else {
            return Ok(false);
        };
        let appended = append_to(&mut file, entries);
        self.give_back(file);
        appended.map(|()| true)
    }

    /// Puts these entries in the place of those that were read, and behind them what was appended since; `false`, and
    /// nothing is done, where somebody else has the file or has done so meanwhile. Blocks.
    pub(super) fn replace(&mut self, read: Snapshot, entries: &[Entry]) -> io::Result<bool> {
        let folder = folder_of(&self.path);
        sweep(folder);
        let new = parts().tempfile_in(folder)?;
        let mut writer = BufWriter::new(new.as_file());
        writer.write_all(MAGIC)?;
        for entry in entries {
            writer.write_all(entry)?;
        }
        writer.flush()?;
        drop(writer);
        new.as_file().sync_all()?;
        // What takes long is done: the others wait for the rest.
        let Some(mut file) = self.take()? else {
            return Ok(false);
        };
        if !is_same(&file, &read.file)? {
            return Ok(false);
        }
        let appended = whole(file.metadata()?.len()).saturating_sub(read.bytes);
        file.seek(SeekFrom::Start(read.bytes))?;
        io::copy(&mut (&file).take(appended), &mut new.as_file())?;
        // The lock is held until the new file is there; but Windows replaces no file that is open.
        let held = (!cfg!(windows)).then_some((file, read));
        new.persist(&self.path)?;
        drop(held);
        Ok(true)
    }

    /// The file that is at the path, alone; `None` while somebody else has it.
    fn take(&mut self) -> io::Result<Option<File>> {
        for _ in 0..LOOKS {
            let file = match self.file.take() {
                Some(file) => file,
                None => open(&self.path)?,
            };
            if !lock(&file)? {
                self.file = Some(file);
                return Ok(None);
            }
            // Who was waiting for the lock may have got that of a file that is no more.
            if is_at(&file, &self.path)? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// Lets others have it. Where that can't be told, closing it does.
    fn give_back(&mut self, file: File) {
        self.file = unlock(&file).is_ok().then_some(file);
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    match begins(&mut file)? {
        true => Ok(file),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is not the state of a synchronisation",
        )),
    }
}

fn append_to(file: &mut File, entries: &[u8]) -> io::Result<()> {
    let bytes = file.metadata()?.len();
    let whole = whole(bytes);
    if whole != bytes {
        file.set_len(whole)?;
    }
    match whole {
        0 => file.write_all(&[MAGIC, entries].concat()),
        _ => file.write_all(entries),
    }
}

/// Whether the file is held alone from here on; `false` while somebody else has it.
#[cfg(unix)]
fn lock(file: &File) -> io::Result<bool> {
    use rustix::{
        fs::{FlockOperation, flock},
        io::Errno,
    };

    // Of file systems that have no locks.
    let none = [Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOLCK, Errno::NOSYS];
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) if none.contains(&error) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

#[cfg(unix)]
fn unlock(file: &File) -> io::Result<()> {
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

/// The same elsewhere, where nothing is locked and a file that is open is not replaced.
#[cfg(not(unix))]
mod unlocked {
    use super::{File, Path, io};

    pub(super) fn lock(_: &File) -> io::Result<bool> {
        Ok(true)
    }

    /// It is not kept open, so that another process can replace it.
    pub(super) fn unlock(_: &File) -> io::Result<()> {
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
use unlocked::{is_at, is_same, lock, unlock};
