//! The local side of a transfer: opening what is sent, and making what is fetched appear whole or not at all.

use std::{
    io::{Read, SeekFrom},
    path::{Path, PathBuf},
    time::SystemTime,
};

use tempfile::NamedTempFile;
use tokio::{
    fs::File,
    io::{AsyncSeekExt, AsyncWriteExt, BufWriter},
};

use super::{checksum::Sums, download::Sink};
use crate::{Error, ErrorKind, Result};

/// How the names of files begin and end that are being fetched.
const PART_PREFIX: &str = ".agb-";
const PART_SUFFIX: &str = ".part";

/// Whether a file is one that is being fetched, or was when the process ended.
pub(super) fn is_part(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(PART_PREFIX) && name.ends_with(PART_SUFFIX))
}

/// Bytes that are written or read at a time.
const BUFFER: usize = 256 * 1024;

/// What tells whether a file was written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Looks {
    pub(super) length: u64,
    modified: Option<SystemTime>,
}

impl Looks {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}

/// Opens a file to be sent.
pub(super) async fn open(path: &Path) -> Result<(File, Looks)> {
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
    Ok((file, Looks::of(&metadata)))
}

/// A file that looks otherwise after it was sent was written to meanwhile: what was sent may be a mix.
pub(super) async fn is_unchanged(path: &Path, before: &Looks) -> Result<()> {
    let metadata = tokio::fs::metadata(path)
        .await
        .map_err(|error| cannot("read", path, error))?;
    if Looks::of(&metadata) == *before {
        return Ok(());
    }
    let message = format!(
        "{} changed while it was sent: upload it again",
        path.display()
    );
    Err(Error::new(ErrorKind::LocalFile, message))
}

/// Lets local paths in their usual types be given for something.
macro_rules! impl_from_paths {
    ($name:ident, |$path:ident| $make:expr) => {
        impl From<std::path::PathBuf> for $name {
            fn from($path: std::path::PathBuf) -> Self {
                $make
            }
        }

        impl From<&std::path::PathBuf> for $name {
            fn from(path: &std::path::PathBuf) -> Self {
                path.clone().into()
            }
        }

        impl From<&std::path::Path> for $name {
            fn from(path: &std::path::Path) -> Self {
                path.to_owned().into()
            }
        }
    };
}
pub(super) use impl_from_paths;

/// A file that is being fetched: written under another name beside its place, gone if dropped.
pub(super) struct NewFile {
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
            builder.prefix(PART_PREFIX).suffix(PART_SUFFIX);
            #[cfg(unix)]
            builder.permissions(permissions(&target));
            let temporary = builder
                .tempfile_in(folder.unwrap_or(Path::new(".")))
                .map_err(|error| cannot("write", &target, error))?;
            Ok(Self {
                temporary,
                target,
                overwrite,
            })
        })
        .await
    }

    /// Takes what comes from this byte on.
    pub(super) async fn part(&self, first: u64) -> Result<FilePart> {
        let handle = self.temporary.reopen();
        let handle = handle.map_err(|error| cannot("write", &self.target, error))?;
        let mut part = FilePart {
            file: BufWriter::with_capacity(BUFFER, File::from_std(handle)),
            first,
            target: self.target.clone(),
        };
        if first > 0 {
            part.restart().await?;
        }
        Ok(part)
    }

    /// Sums over all of it.
    pub(super) async fn sums(&self, sums: Sums) -> Result<Sums> {
        sums_of(self.temporary.path(), sums).await
    }

    /// Makes the file, of so many bytes, durable, then visible under its name. It gets this time as the one at which it
    /// was written.
    pub(super) async fn publish(self, bytes: u64, written: Option<SystemTime>) -> Result<()> {
        let Self {
            temporary,
            target,
            overwrite,
        } = self;
        blocking(move || {
            let failed = |error| cannot("write", &target, error);
            // An earlier try may have written more.
            temporary.as_file().set_len(bytes).map_err(failed)?;
            if let Some(written) = written {
                temporary.as_file().set_modified(written).map_err(failed)?;
            }
            temporary.as_file().sync_all().map_err(failed)?;
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
                Err(error) => Err(failed(error.error)),
            }
        })
        .await
    }
}

/// Sums over the content of a file.
pub(super) async fn sums_of(path: &Path, mut sums: Sums) -> Result<Sums> {
    let path = path.to_owned();
    blocking(move || {
        let failed = |error| cannot("read", &path, error);
        let mut file = std::fs::File::open(&path).map_err(failed)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => return Ok(sums),
                read => sums.add(&buffer[..read]),
            }
        }
    })
    .await
}

/// A run of bytes of a new file.
pub(super) struct FilePart {
    file: BufWriter<File>,
    first: u64,
    target: PathBuf,
}

impl Sink for FilePart {
    async fn take(&mut self, chunk: &[u8]) -> Result<()> {
        let written = self.file.write_all(chunk).await;
        written.map_err(|error| cannot("write", &self.target, error))
    }

    async fn restart(&mut self) -> Result<bool> {
        // This writes what is buffered; it is written over then.
        let sought = self.file.seek(SeekFrom::Start(self.first)).await;
        sought.map_err(|error| cannot("write", &self.target, error))?;
        Ok(true)
    }

    async fn finish(&mut self) -> Result<()> {
        let flushed = self.file.flush().await;
        flushed.map_err(|error| cannot("write", &self.target, error))
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

pub(super) async fn blocking<T: Send + 'static>(
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

pub(super) fn cannot(what: &str, path: &Path, error: std::io::Error) -> Error {
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

        let dropped = NewFile::beside(target.clone(), false).await.unwrap();
        dropped.part(0).await.unwrap().take(b"half").await.unwrap();
        assert!(!target.exists());
        drop(dropped);
        assert_eq!(names(), 0);

        let whole = NewFile::beside(target.clone(), false).await.unwrap();
        for (first, text) in [(2, "ole"), (0, "wh")] {
            let mut part = whole.part(first).await.unwrap();
            part.take(text.as_bytes()).await.unwrap();
            part.finish().await.unwrap();
        }
        whole.publish(5, None).await.unwrap();
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
        let error = early.publish(0, None).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Conflict,
            "one that came meanwhile counts too"
        );
        assert_eq!(std::fs::read(&target).unwrap(), b"old");

        NewFile::beside(target.clone(), true)
            .await
            .unwrap()
            .publish(0, None)
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
        file.publish(0, None).await.unwrap();
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
