//! Files that are fetched.

use std::{
    io::{self, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use tempfile::{NamedTempFile, TempPath};
use tokio::{
    fs::File,
    io::{AsyncSeekExt, AsyncWriteExt},
    sync::OnceCell,
};

use super::{BUFFER, PART_PREFIX, PART_SUFFIX, blocking, cannot, sums_of};
use crate::{
    Error, ErrorKind, Result,
    file::{checksum::Sums, download::Sink},
};

/// A file that is being fetched: written under another name beside its place, gone if dropped.
pub(in crate::file) struct NewFile {
    place: Arc<Place>,
    /// Made for what is not small.
    temporary: OnceCell<NamedTempFile>,
    /// All there is, if it is small.
    small: Mutex<Option<Vec<u8>>>,
}

struct Place {
    target: PathBuf,
    overwrite: bool,
    before: Before,
}

/// What was at the place of a new file when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::file) enum Before {
    Unseen,
    Nothing,
    Something,
}

impl NewFile {
    pub(in crate::file) fn at(target: PathBuf, overwrite: bool, before: Before) -> Self {
        let place = Place {
            target,
            overwrite,
            before,
        };
        Self {
            place: Arc::new(place),
            temporary: OnceCell::new(),
            small: Mutex::new(None),
        }
    }

    /// Looks whether it can be there, before it is fetched for nothing.
    pub(in crate::file) async fn check(&self) -> Result<()> {
        let place = self.place.clone();
        blocking(move || place.check()).await
    }

    /// Takes what comes from this byte on.
    pub(in crate::file) fn part(&self, first: u64) -> FilePart<'_> {
        FilePart {
            new: self,
            first,
            pending: Vec::new(),
            file: None,
        }
    }

    /// Sums over all of it, if it is in a file.
    pub(in crate::file) async fn sums(&self, sums: Sums) -> Result<Sums> {
        sums_of(self.temporary().await?.path(), sums).await
    }

    /// Forgets what it has. A write that is still under way does not reach what comes next.
    pub(in crate::file) fn renew(&mut self) {
        *self = Self {
            place: self.place.clone(),
            temporary: OnceCell::new(),
            small: Mutex::new(None),
        };
    }

    async fn temporary(&self) -> Result<&NamedTempFile> {
        let make = || {
            let place = self.place.clone();
            blocking(move || place.temporary())
        };
        self.temporary.get_or_try_init(make).await
    }

    fn small(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.small.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file, of so many bytes. It gets this time as the one at which it was written.
    pub(in crate::file) async fn written(
        self,
        bytes: u64,
        time: Option<SystemTime>,
    ) -> Result<Written> {
        let Self {
            place,
            temporary,
            small,
        } = self;
        let small = small.into_inner().unwrap_or_else(PoisonError::into_inner);
        match temporary.into_inner() {
            None => Ok(Written {
                place,
                content: Content::Memory(small.unwrap_or_default(), time),
            }),
            Some(temporary) => {
                let write = move || place.finish(temporary, small, bytes, time);
                blocking(write).await
            }
        }
    }
}

/// A file that has its content and its time, and neither is durable nor under its name.
pub(in crate::file) struct Written {
    place: Arc<Place>,
    content: Content,
}

enum Content {
    /// All of it, and the time that it gets.
    Memory(Vec<u8>, Option<SystemTime>),
    File(TempPath),
}

impl Written {
    /// Makes it durable, then visible under its name.
    pub(in crate::file) async fn publish(self) -> Result<()> {
        blocking(move || {
            let laid = self.lay()?;
            laid.sync().map_err(|error| laid.failed(error))?;
            laid.appear()
        })
        .await
    }

    /// Bytes that it takes of memory.
    pub(super) fn held(&self) -> usize {
        match &self.content {
            Content::Memory(content, _) => content.len(),
            Content::File(_) => 0,
        }
    }

    /// Puts it into a file under another name. Blocks.
    pub(super) fn lay(self) -> Result<Laid> {
        let Self { place, content } = self;
        let temporary = match content {
            Content::File(temporary) => temporary,
            Content::Memory(content, time) => place.write(&content, time)?,
        };
        Ok(Laid { place, temporary })
    }
}

/// A file under another name than its own.
pub(super) struct Laid {
    place: Arc<Place>,
    temporary: TempPath,
}

impl Laid {
    /// Makes it durable. Blocks.
    pub(super) fn sync(&self) -> io::Result<()> {
        // Windows syncs only what is open for writing.
        let mut options = std::fs::File::options();
        options.read(true).write(cfg!(windows));
        options.open(&self.temporary)?.sync_all()
    }

    /// Puts it where it belongs. Blocks.
    pub(super) fn appear(self) -> Result<()> {
        self.place.publish(self.temporary)
    }

    pub(super) fn failed(&self, error: io::Error) -> Error {
        self.place.failed(error)
    }

    #[cfg(target_os = "linux")]
    pub(super) fn folder(&self) -> &Path {
        let folder = self.temporary.parent();
        folder.unwrap_or(Path::new("."))
    }
}

impl Place {
    fn check(&self) -> Result<()> {
        let target = &self.target;
        if target.is_dir() {
            let message = format!("{} is a folder: name the file in it", target.display());
            return Err(Error::new(ErrorKind::LocalFile, message));
        }
        if !self.overwrite && target.symlink_metadata().is_ok() {
            return Err(self.exists());
        }
        Ok(())
    }

    fn temporary(&self) -> Result<NamedTempFile> {
        let folder = self.target.parent();
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        let mut builder = tempfile::Builder::new();
        builder.prefix(PART_PREFIX).suffix(PART_SUFFIX);
        #[cfg(unix)]
        builder.permissions(self.permissions_while_written());
        builder
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(|error| self.failed(error))
    }

    /// A file with this content, beside the place.
    fn write(&self, content: &[u8], time: Option<SystemTime>) -> Result<TempPath> {
        let temporary = self.temporary()?;
        let written = temporary.as_file().write_all(content);
        let timed = written.and_then(|()| set_time(temporary.as_file(), time));
        timed.map_err(|error| self.failed(error))?;
        Ok(temporary.into_temp_path())
    }

    /// Brings a file to its end that tries have written to.
    fn finish(
        self: Arc<Self>,
        temporary: NamedTempFile,
        small: Option<Vec<u8>>,
        bytes: u64,
        time: Option<SystemTime>,
    ) -> Result<Written> {
        let mut file = temporary.as_file();
        let written = small.map_or(Ok(()), |small| file.write_all(&small));
        // An earlier try may have written more.
        let cut = written.and_then(|()| file.set_len(bytes));
        let timed = cut.and_then(|()| set_time(file, time));
        timed.map_err(|error| self.failed(error))?;
        Ok(Written {
            content: Content::File(temporary.into_temp_path()),
            place: self,
        })
    }

    fn failed(&self, error: io::Error) -> Error {
        cannot("write", &self.target, error)
    }

    fn publish(&self, temporary: TempPath) -> Result<()> {
        if self.overwrite && self.before != Before::Nothing {
            return self.replace(temporary);
        }
        match temporary.persist_noclobber(&self.target) {
            Ok(()) => Ok(()),
            Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => {
                Err(self.failed(error.error))
            }
            // It came after the look.
            Err(error) if self.overwrite => self.replace(error.path),
            Err(_) => Err(self.exists()),
        }
    }

    /// Puts it in the place of what is there, with the permissions of that.
    fn replace(&self, temporary: TempPath) -> Result<()> {
        #[cfg(unix)]
        if let Ok(old) = self.target.metadata() {
            let kept = std::fs::set_permissions(&temporary, old.permissions());
            kept.map_err(|error| self.failed(error))?;
        }
        let persisted = temporary.persist(&self.target);
        persisted.map_err(|error| self.failed(error.error))
    }

    /// Those of any new file, which the process's mask cuts; but nobody may read it who may not read what it replaces.
    #[cfg(unix)]
    fn permissions_while_written(&self) -> std::fs::Permissions {
        use std::os::unix::fs::PermissionsExt;

        let old = match self.before {
            Before::Nothing => None,
            _ => self.target.metadata().ok(),
        };
        let old = old.map_or(0o666, |old| old.permissions().mode());
        std::fs::Permissions::from_mode(0o600 | old & 0o666)
    }

    fn exists(&self) -> Error {
        let message = format!(
            "{} exists: allow overwriting, or choose another name",
            self.target.display()
        );
        Error::new(ErrorKind::Conflict, message)
    }
}

/// A run of bytes of a new file.
pub(in crate::file) struct FilePart<'a> {
    new: &'a NewFile,
    first: u64,
    pending: Vec<u8>,
    /// Once there was more than is held in memory.
    file: Option<File>,
}

impl FilePart<'_> {
    fn failed(&self, error: io::Error) -> Error {
        self.new.place.failed(error)
    }

    /// The file, at where this part goes on.
    async fn file(&mut self) -> Result<File> {
        if let Some(file) = self.file.take() {
            return Ok(file);
        }
        self.new.small().take();
        let handle = self.new.temporary().await?.reopen();
        let mut file = File::from_std(handle.map_err(|error| self.failed(error))?);
        if self.first > 0 {
            let sought = file.seek(SeekFrom::Start(self.first)).await;
            sought.map_err(|error| self.failed(error))?;
        }
        Ok(file)
    }

    /// Writes what is held in memory.
    async fn write(&mut self) -> Result<()> {
        let mut file = self.file().await?;
        let written = file.write_all(&self.pending).await;
        self.file = Some(file);
        self.pending.clear();
        written.map_err(|error| self.failed(error))
    }
}

impl Sink for FilePart<'_> {
    async fn take(&mut self, chunk: &[u8]) -> Result<()> {
        if self.pending.len() + chunk.len() > BUFFER {
            self.write().await?;
        }
        self.pending.extend_from_slice(chunk);
        Ok(())
    }

    async fn restart(&mut self) -> Result<bool> {
        self.pending.clear();
        if let Some(file) = &mut self.file {
            let sought = file.seek(SeekFrom::Start(self.first)).await;
            sought.map_err(|error| self.failed(error))?;
        }
        Ok(true)
    }

    async fn finish(&mut self) -> Result<()> {
        if self.first == 0 && self.file.is_none() {
            *self.new.small() = Some(std::mem::take(&mut self.pending));
            return Ok(());
        }
        self.write().await?;
        match &mut self.file {
            Some(file) => {
                let flushed = file.flush().await;
                flushed.map_err(|error| self.failed(error))
            }
            None => Ok(()),
        }
    }
}

fn set_time(file: &std::fs::File, time: Option<SystemTime>) -> io::Result<()> {
    time.map_or(Ok(()), |time| file.set_modified(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn write(file: &NewFile, parts: &[(u64, &[u8])]) {
        for (first, bytes) in parts {
            let mut part = file.part(*first);
            part.take(bytes).await.unwrap();
            part.finish().await.unwrap();
        }
    }

    async fn publish(file: NewFile, bytes: u64) -> Result<()> {
        file.written(bytes, None).await?.publish().await
    }

    #[tokio::test]
    async fn a_new_file_appears_when_published_and_leaves_nothing_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.txt");
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        let large = vec![7; BUFFER + 1];

        for content in [&b"half"[..], &large] {
            let dropped = NewFile::at(target.clone(), false, Before::Unseen);
            write(&dropped, &[(0, content)]).await;
            assert!(!target.exists());
            drop(dropped);
            assert_eq!(names(), 0);
        }

        let whole = NewFile::at(target.clone(), false, Before::Unseen);
        write(&whole, &[(2, b"ole"), (0, b"wh")]).await;
        publish(whole, 5).await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");
        assert_eq!(names(), 1);
    }

    #[tokio::test]
    async fn what_a_try_has_left_is_no_part_of_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.txt");
        let (large, larger) = (vec![1; 3 * BUFFER], vec![2; BUFFER + 7]);
        for (tries, last) in [
            (vec![&large[..], b"short"], &b"short"[..]),
            (vec![b"short", &large], &large),
            (vec![&large, &larger], &larger),
            (vec![&large, b""], b""),
        ] {
            let file = NewFile::at(target.clone(), true, Before::Unseen);
            for content in tries {
                write(&file, &[(0, content)]).await;
            }
            publish(file, last.len() as u64).await.unwrap();
            assert!(std::fs::read(&target).unwrap() == last);
        }
        let file = NewFile::at(target.clone(), true, Before::Unseen);
        let mut part = file.part(0);
        part.take(&large).await.unwrap();
        assert!(part.restart().await.unwrap());
        part.take(b"again").await.unwrap();
        part.finish().await.unwrap();
        publish(file, 5).await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"again");
    }

    #[tokio::test]
    async fn an_existing_file_is_replaced_only_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.txt");
        let early = NewFile::at(target.clone(), false, Before::Unseen);
        early.check().await.unwrap();
        write(&early, &[(0, b"")]).await;
        std::fs::write(&target, "old").unwrap();

        let error = NewFile::at(target.clone(), false, Before::Unseen)
            .check()
            .await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Conflict);
        let error = publish(early, 0).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Conflict,
            "one that came meanwhile counts too"
        );
        assert_eq!(std::fs::read(&target).unwrap(), b"old");

        let told = NewFile::at(target.clone(), true, Before::Unseen);
        told.check().await.unwrap();
        write(&told, &[(0, b"new")]).await;
        publish(told, 3).await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
    }

    #[tokio::test]
    async fn a_folder_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for overwrite in [false, true] {
            let file = NewFile::at(folder.path().to_owned(), overwrite, Before::Unseen);
            let error = file.check().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LocalFile);
            write(&file, &[(0, b"x")]).await;
            assert!(publish(file, 1).await.is_err());
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_replaces_a_file_has_its_permissions() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.txt");
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        for permissions in [0o600, 0o444, 0o664, 0o755, 0o400] {
            let _ = std::fs::remove_file(&target);
            std::fs::write(&target, "old").unwrap();
            let set = std::fs::Permissions::from_mode(permissions);
            std::fs::set_permissions(&target, set).unwrap();
            for length in [3, BUFFER + 1] {
                let file = NewFile::at(target.clone(), true, Before::Unseen);
                write(&file, &[(0, &vec![7; length])]).await;
                let laid = file
                    .written(length as u64, None)
                    .await
                    .unwrap()
                    .lay()
                    .unwrap();
                let shown = mode(&laid.temporary) & !0o600;
                assert_eq!(shown & !permissions, 0, "{permissions:o}");
                laid.appear().unwrap();
                assert_eq!(mode(&target), permissions);
            }
        }
    }
}
