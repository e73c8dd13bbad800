//! Files that are sent.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use bytes::Bytes;

use super::{BUFFER, LocalIdentity, blocking, cannot};
use crate::{Error, ErrorKind, Result};

/// What a file has.
pub(in crate::file) enum Content {
    /// All of it: it is small.
    Whole(Bytes, LocalIdentity),
    Open(tokio::fs::File, LocalIdentity),
}

/// Opens a file to be sent; a link to one only if it is to be followed.
pub(in crate::file) async fn open(path: &Path, follow: bool) -> Result<Content> {
    let path = path.to_owned();
    blocking(move || open_now(&path, follow)).await
}

/// The same. Blocks.
pub(in crate::file) fn open_now(path: &Path, follow: bool) -> Result<Content> {
    let failed = |error| cannot("read", path, error);
    let mut file = without_waiting(path, follow).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        let message = format!("{} is not a regular file", path.display());
        return Err(Error::new(ErrorKind::LocalFile, message));
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

/// Opens without waiting: a pipe would wait for whoever writes into it.
#[cfg(unix)]
fn without_waiting(path: &Path, follow: bool) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;

    let flags = match follow {
        true => OFlags::NONBLOCK,
        false => OFlags::NONBLOCK | OFlags::NOFOLLOW,
    };
    let flags = flags.bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn without_waiting(path: &Path, follow: bool) -> io::Result<File> {
    let metadata = match follow {
        true => path.metadata()?,
        false => path.symlink_metadata()?,
    };
    if metadata.is_file() {
        File::open(path)
    } else {
        Err(io::Error::other("it is not a regular file"))
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
pub(in crate::file) fn is_unchanged(path: &Path, before: &LocalIdentity) -> Result<()> {
    let metadata = std::fs::metadata(path).map_err(|error| cannot("read", path, error))?;
    if LocalIdentity::of(&metadata).is_same_file(before) {
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
            match open(&path, true).await.unwrap() {
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
            open(folder.path(), true).await.err().unwrap().kind(),
            ErrorKind::LocalFile
        );
        assert!(open(&folder.path().join("none"), true).await.is_err());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_is_followed_only_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(open(&link, true).await.is_ok());
        assert!(open(&link, false).await.is_err());
        assert!(open(&file, false).await.is_ok());
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
            open(&pipe, true).await.err().unwrap().kind(),
            ErrorKind::LocalFile
        );
    }
}
