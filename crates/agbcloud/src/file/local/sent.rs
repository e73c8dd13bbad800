//! Files that are sent.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    path::Path,
    time::SystemTime,
};

use bytes::Bytes;

use super::{BUFFER, blocking, cannot};
use crate::{Error, ErrorKind, Result};

/// What tells whether a file was written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::file) struct Looks {
    pub(in crate::file) length: u64,
    modified: Option<SystemTime>,
}

impl Looks {
    fn of(metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}

/// What a file has.
pub(in crate::file) enum Content {
    /// All of it: it is small.
    Whole(Bytes),
    Open(tokio::fs::File, Looks),
}

/// Opens a file to be sent.
pub(in crate::file) async fn open(path: &Path) -> Result<Content> {
    let path = path.to_owned();
    blocking(move || {
        let failed = |error| cannot("read", &path, error);
        // Before it is opened: opening a pipe waits for whoever writes into it.
        let metadata = std::fs::metadata(&path).map_err(failed)?;
        if !metadata.is_file() {
            let message = format!("{} is not a regular file", path.display());
            return Err(Error::new(ErrorKind::LocalFile, message));
        }
        let mut file = File::open(&path).map_err(failed)?;
        let looks = Looks::of(&file.metadata().map_err(failed)?);
        if looks.length > BUFFER as u64 {
            return Ok(Content::Open(file.into(), looks));
        }
        let whole = read(&mut file, looks.length).map_err(failed)?;
        let after = Looks::of(&file.metadata().map_err(failed)?);
        if after == looks && whole.len() as u64 == looks.length {
            Ok(Content::Whole(whole.into()))
        } else {
            Err(changed(&path))
        }
    })
    .await
}

/// Reads to the end, but not much further than it is thought to be.
fn read(file: &mut File, length: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    file.take(length + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// A file that looks otherwise after it was sent was written to meanwhile: what was sent may be a mix.
pub(in crate::file) async fn is_unchanged(path: &Path, before: &Looks) -> Result<()> {
    let metadata = tokio::fs::metadata(path)
        .await
        .map_err(|error| cannot("read", path, error))?;
    if Looks::of(&metadata) == *before {
        Ok(())
    } else {
        Err(changed(path))
    }
}

fn changed(path: &Path) -> Error {
    let message = format!(
        "{} changed while it was sent: upload it again",
        path.display()
    );
    Error::new(ErrorKind::LocalFile, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_files_come_whole_and_large_ones_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for length in [0, 1, BUFFER, BUFFER + 1] {
            std::fs::write(&path, vec![7; length]).unwrap();
            match open(&path).await.unwrap() {
                Content::Whole(content) => {
                    assert!(length <= BUFFER);
                    assert_eq!(content, vec![7; length]);
                }
                Content::Open(_, looks) => {
                    assert_eq!((length, looks.length), (BUFFER + 1, length as u64));
                }
            }
        }
    }

    #[tokio::test]
    async fn only_a_regular_file_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            open(folder.path()).await.err().unwrap().kind(),
            ErrorKind::LocalFile
        );
        assert!(open(&folder.path().join("none")).await.is_err());
    }

    /// It would wait for a writer for ever.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_pipe_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        assert_eq!(
            open(&pipe).await.err().unwrap().kind(),
            ErrorKind::LocalFile
        );
    }
}
