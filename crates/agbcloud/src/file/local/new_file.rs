//! Files that are fetched.

use std::{
    io::{self, SeekFrom},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use tokio::{
    fs::File,
    io::{AsyncSeekExt, AsyncWriteExt},
    sync::OnceCell,
};

use super::{
    BUFFER,
    ahead::Ahead,
    blocking,
    temporary::Temporary,
    written::{Before, Place, Written},
};
use crate::{
    Error, Result,
    file::{checksum::Sums, download::Sink},
};

/// A file that is being fetched: written without a name or under another one beside its place, gone if dropped.
pub(in crate::file) struct NewFile {
    place: Arc<Place>,
    /// Made for what is not small.
    temporary: OnceCell<Temporary>,
    /// All there is, if it is small.
    small: Mutex<Option<Vec<u8>>>,
    /// If it is to be on the disk before it is in its place.
    ahead: Option<Ahead>,
}

impl NewFile {
    pub(in crate::file) fn at(target: PathBuf, overwrite: bool, before: Before) -> Self {
        Self::in_place(Place {
            target,
            overwrite,
            before,
            root: None,
        })
    }

    /// One that was planned, below a folder that it must not get out of by a link.
    pub(in crate::file) fn below(root: PathBuf, target: PathBuf, before: Before) -> Self {
        Self::in_place(Place {
            target,
            overwrite: true,
            before,
            root: Some(root),
        })
    }

    fn in_place(place: Place) -> Self {
        Self {
            place: Arc::new(place),
            temporary: OnceCell::new(),
            small: Mutex::new(None),
            ahead: None,
        }
    }

    /// Whether it will be synced to the disk, so that it is well begun with that before the end.
    pub(in crate::file) fn durable(mut self, durable: bool) -> Self {
        self.ahead = durable.then(Ahead::default);
        self
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
        self.temporary().await?.sums(sums).await
    }

    /// Forgets what it has. A write that is still under way does not reach what comes next.
    pub(in crate::file) fn renew(&mut self) {
        *self = Self {
            place: self.place.clone(),
            temporary: OnceCell::new(),
            small: Mutex::new(None),
            // The disk may be busy with the one before.
            ahead: self.ahead.as_ref().map(|_| Ahead::default()),
        };
    }

    async fn temporary(&self) -> Result<&Temporary> {
        let make = || {
            let place = self.place.clone();
            blocking(move || Temporary::shared(&place))
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
            ahead,
        } = self;
        if let Some(ahead) = ahead {
            ahead.end().await.map_err(|error| place.failed(error))?;
        }
        let small = small.into_inner().unwrap_or_else(PoisonError::into_inner);
        match temporary.into_inner() {
            None => Ok(Written::small(place, small.unwrap_or_default(), time)),
            Some(temporary) => {
                let write = move || place.finish(temporary, small, bytes, time);
                blocking(write).await
            }
        }
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
        let bytes = self.pending.len() as u64;
        self.pending.clear();
        written.map_err(|error| self.failed(error))?;
        let NewFile {
            ahead, temporary, ..
        } = self.new;
        match (ahead, temporary.get()) {
            (Some(ahead), Some(temporary)) => {
                let begun = ahead.wrote(bytes, temporary.as_file()).await;
                begun.map_err(|error| self.failed(error))
            }
            _ => Ok(()),
        }
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{ErrorKind, file::local::PART_SUFFIX};

    async fn write(file: &NewFile, parts: &[(u64, &[u8])]) {
        for (first, bytes) in parts {
            let mut part = file.part(*first);
            part.take(bytes).await.unwrap();
            part.finish().await.unwrap();
        }
    }

    async fn publish(file: NewFile, bytes: u64) -> Result<()> {
        file.written(bytes, None).await?.publish(true).await
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
    async fn an_error_names_the_file_that_was_asked_for_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("none/a.txt");
        for length in [1, BUFFER + 1] {
            let file = NewFile::at(target.clone(), true, Before::Unseen);
            let mut part = file.part(0);
            let taken = part.take(&vec![7; length]).await;
            let ended = taken.and(part.finish().await);
            drop(part);
            let error = match ended {
                Ok(()) => publish(file, length as u64).await.unwrap_err(),
                Err(error) => error,
            };
            let text = error.to_string();
            assert!(text.contains("none/a.txt") && !text.contains(PART_SUFFIX));
            let source = std::error::Error::source(&error).unwrap();
            assert!(!source.to_string().contains(PART_SUFFIX));
        }
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
    async fn a_link_that_is_put_in_the_way_meanwhile_leads_nothing_out() {
        use std::os::unix::fs::symlink;

        let (above, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // The folder itself may be had by a link.
        let (folder, root) = (above.path().join("folder"), above.path().join("root"));
        std::fs::create_dir_all(folder.join("a/b")).unwrap();
        symlink(&folder, &root).unwrap();
        for length in [3, BUFFER + 1] {
            for linked in [false, true] {
                let target = root.join("a/b/c");
                let file = NewFile::below(root.clone(), target.clone(), Before::Nothing);
                write(&file, &[(0, &vec![7; length])]).await;
                if linked {
                    std::fs::rename(folder.join("a"), folder.join("old")).unwrap();
                    std::fs::create_dir_all(outside.path().join("b")).unwrap();
                    symlink(outside.path(), folder.join("a")).unwrap();
                }
                let published = publish(file, length as u64).await;
                assert_eq!(published.is_ok(), !linked);
                assert_eq!(target.exists(), !linked);
            }
            let names = std::fs::read_dir(outside.path().join("b")).unwrap();
            assert_eq!(names.count(), 0, "nothing is left there");
            std::fs::remove_file(folder.join("a")).unwrap();
            std::fs::rename(folder.join("old"), folder.join("a")).unwrap();
            std::fs::remove_file(folder.join("a/b/c")).unwrap();
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
                let written = laid.file.as_file().metadata().unwrap();
                let shown = written.permissions().mode() & 0o777 & !0o600;
                assert_eq!(shown & !permissions, 0, "{permissions:o}");
                laid.appear().unwrap();
                assert_eq!(mode(&target), permissions);
            }
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_is_no_file_stays_and_no_content_runs_with_the_rights_of_another() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("program");
        std::fs::write(&target, "old").unwrap();
        let set = std::fs::Permissions::from_mode(0o4755);
        std::fs::set_permissions(&target, set).unwrap();
        let file = NewFile::at(target.clone(), true, Before::Unseen);
        write(&file, &[(0, b"new")]).await;
        publish(file, 3).await.unwrap();
        assert_eq!(
            target.metadata().unwrap().permissions().mode() & 0o7777,
            0o755
        );

        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let file = NewFile::at(socket.clone(), true, Before::Unseen);
        assert_eq!(file.check().await.unwrap_err().kind(), ErrorKind::LocalFile);
        write(&file, &[(0, b"new")]).await;
        assert!(publish(file, 3).await.is_err());
        assert!(!socket.metadata().unwrap().is_file());
    }
}
