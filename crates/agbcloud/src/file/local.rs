//! The local side of a transfer: opening what is sent, and making what is fetched appear whole or not at all.

use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use tokio::{fs::File, io::AsyncWriteExt};

use crate::{Error, ErrorKind, Result};

/// Opens a file to be sent and tells its length.
pub(super) async fn open(path: &Path) -> Result<(File, u64)> {
    let file = File::open(path)
        .await
        .map_err(|error| cannot("read", path, error))?;
    let metadata = file
        .metadata()
        .await
        .map_err(|error| cannot("read", path, error))?;
    if !metadata.is_file() {
        let message = format!("{} is not a regular file", path.display());
        return Err(Error::new(ErrorKind::LocalFile, message));
    }
    Ok((file, metadata.len()))
}

/// A file that has another length after it was sent was written to meanwhile: what was sent may be a mix.
pub(super) async fn still_has(path: &Path, length: u64) -> Result<()> {
    let metadata = tokio::fs::metadata(path)
        .await
        .map_err(|error| cannot("read", path, error))?;
    if metadata.len() == length {
        return Ok(());
    }
    let message = format!(
        "{} changed while it was sent: upload it again",
        path.display()
    );
    Err(Error::new(ErrorKind::LocalFile, message))
}

/// A file that is being fetched: written under another name beside its place, gone if dropped.
pub(super) struct NewFile {
    file: File,
    temporary: NamedTempFile,
    target: PathBuf,
    overwrite: bool,
}

impl NewFile {
    pub(super) async fn beside(target: PathBuf, overwrite: bool) -> Result<Self> {
        blocking(move || {
            if target.is_dir() {
                let message = format!("{} is a folder: name the file in it", target.display());
                return Err(Error::new(ErrorKind::LocalFile, message));
            }
            if !overwrite && target.symlink_metadata().is_ok() {
                return Err(exists(&target));
            }
            let folder = target
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            let mut builder = tempfile::Builder::new();
            builder.prefix(".agb-").suffix(".part");
            #[cfg(unix)]
            builder.permissions(permissions(&target));
            let temporary = builder
                .tempfile_in(folder.unwrap_or(Path::new(".")))
                .map_err(|error| cannot("write", &target, error))?;
            let handle = temporary
                .reopen()
                .map_err(|error| cannot("write", &target, error))?;
            Ok(Self {
                file: File::from_std(handle),
                temporary,
                target,
                overwrite,
            })
        })
        .await
    }

    pub(super) async fn write(&mut self, chunk: &[u8]) -> Result<()> {
        self.file
            .write_all(chunk)
            .await
            .map_err(|error| cannot("write", &self.target, error))
    }

    /// Makes the file durable, then visible under its name.
    pub(super) async fn publish(self) -> Result<()> {
        let Self {
            mut file,
            temporary,
            target,
            overwrite,
        } = self;
        file.flush()
            .await
            .map_err(|error| cannot("write", &target, error))?;
        file.sync_all()
            .await
            .map_err(|error| cannot("write", &target, error))?;
        blocking(move || {
            let persisted = if overwrite {
                temporary.persist(&target)
            } else {
                temporary.persist_noclobber(&target)
            };
            match persisted {
                Ok(_) => Ok(()),
                Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
                    Err(exists(&target))
                }
                Err(error) => Err(cannot("write", &target, error.error)),
            }
        })
        .await
    }
}

/// Permissions of what is fetched: those of the file that it replaces, or else those of any new file, which the
/// process's mask cuts.
#[cfg(unix)]
fn permissions(target: &Path) -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;

    let old = target.metadata().map(|metadata| metadata.permissions());
    old.unwrap_or_else(|_| std::fs::Permissions::from_mode(0o666))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::new(
            ErrorKind::LocalFile,
            "the local file could not be worked on",
        )
        .with_source(error)),
    }
}

fn cannot(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(
        ErrorKind::LocalFile,
        format!("can't {what} {}: {error}", path.display()),
    )
    .with_source(error)
}

fn exists(path: &Path) -> Error {
    let message = format!(
        "{} exists: allow overwriting, or choose another name",
        path.display()
    );
    Error::new(ErrorKind::Conflict, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_new_file_appears_when_published_and_leaves_nothing_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.txt");
        let names = || std::fs::read_dir(folder.path()).unwrap().count();

        let mut dropped = NewFile::beside(target.clone(), false).await.unwrap();
        dropped.write(b"half").await.unwrap();
        assert!(!target.exists());
        drop(dropped);
        assert_eq!(names(), 0);

        let mut whole = NewFile::beside(target.clone(), false).await.unwrap();
        whole.write(b"whole").await.unwrap();
        whole.publish().await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");
        assert_eq!(names(), 1);
    }

    #[tokio::test]
    async fn an_existing_file_is_replaced_only_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.txt");
        let early = NewFile::beside(target.clone(), false).await.unwrap();
        std::fs::write(&target, "old").unwrap();

        let error = NewFile::beside(target.clone(), false).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let error = early.publish().await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Conflict,
            "one that came meanwhile counts too"
        );
        assert_eq!(std::fs::read(&target).unwrap(), b"old");

        NewFile::beside(target.clone(), true)
            .await
            .unwrap()
            .publish()
            .await
            .unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_replaces_a_private_file_is_private() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.txt");
        std::fs::write(&target, "old").unwrap();
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o600)).unwrap();
        let file = NewFile::beside(target.clone(), true).await.unwrap();
        file.publish().await.unwrap();
        assert_eq!(
            target.metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[tokio::test]
    async fn a_folder_is_no_file_to_send() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            open(folder.path()).await.err().unwrap().kind(),
            ErrorKind::LocalFile
        );
        assert!(open(&folder.path().join("none")).await.is_err());
    }
}
