//! Files that are sent.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    path::Path,
};

use bytes::Bytes;

use super::{BUFFER, LocalFile, LocalIdentity, blocking, cannot};
use crate::{Error, ErrorDetail, ErrorKind, Result};

/// What a file has.
pub(in crate::file) enum Content {
    /// All of it: it is small.
    Whole(Bytes, LocalIdentity),
    Open(tokio::fs::File, LocalIdentity),
}

/// Opens a file to be sent.
pub(in crate::file) async fn open(file: &LocalFile) -> Result<Content> {
    let file = file.clone();
    blocking(move || open_now(&file)).await
}

/// The same. Blocks.
pub(in crate::file) fn open_now(file: &LocalFile) -> Result<Content> {
    let path = file.path();
    let failed = |error| cannot("read", path, error);
    let mut file = file.open().map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        let message = format!("{} is not a regular file", path.display());
        return Err(Error::new(ErrorKind::LocalFile, message).with_local_path(path));
    }
    let identity = LocalIdentity::of(&metadata);
    if identity.size > BUFFER as u64 {
        return Ok(Content::Open(file.into(), identity));
    }
    let whole = read(&mut file, identity.size).map_err(failed)?;
    let after = LocalIdentity::of(&file.metadata().map_err(failed)?);
    if after.is_same_file(&identity) && whole.len() as u64 == identity.size {
        Ok(Content::Whole(whole.into(), identity))
    } else {
        Err(changed(path))
    }
}

/// Reads to the end, but not much further than it is thought to be.
fn read(file: &mut File, length: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    file.take(length + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// A file that identity otherwise than before was written to meanwhile: what was sent may be a mix. Blocks, as long as
/// looking at a file takes.
pub(in crate::file) fn is_unchanged(file: &LocalFile, before: &LocalIdentity) -> Result<()> {
    let path = file.path();
    let metadata = metadata(file).map_err(|error| cannot("read", path, error))?;
    if LocalIdentity::of(&metadata).is_same_file(before) {
        Ok(())
    } else {
        Err(changed(path))
    }
}

/// What a file looks like now, looked up as it is when it is opened. Blocks.
pub(in crate::file) fn metadata(file: &LocalFile) -> io::Result<Metadata> {
    file.open()?.metadata()
}

fn changed(path: &Path) -> Error {
    let message = format!(
        "{} changed while it was sent: upload it again",
        path.display()
    );
    Error::new(ErrorKind::LocalFile, message)
        .with_detail(ErrorDetail::Changed)
        .with_local_path(path)
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
            match open(&LocalFile::anywhere(path.clone())).await.unwrap() {
                Content::Whole(content, _) => {
                    assert!(length <= BUFFER);
                    assert_eq!(content, vec![7; length]);
                }
                Content::Open(_, identity) => {
                    assert_eq!((length, identity.size), (BUFFER + 1, length as u64));
                }
            }
        }
    }

    #[tokio::test]
    async fn only_a_regular_file_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            open(&LocalFile::anywhere(folder.path().to_owned()))
                .await
                .err()
                .unwrap()
                .kind(),
            ErrorKind::LocalFile
        );
        assert!(
            open(&LocalFile::anywhere(folder.path().join("none")))
                .await
                .is_err()
        );
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
            open(&LocalFile::anywhere(pipe.clone()))
                .await
                .err()
                .unwrap()
                .kind(),
            ErrorKind::LocalFile
        );
    }
}
