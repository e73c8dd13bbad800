//! Local files that are uploaded.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{BUFFER, LocalIdentity, LocalReader, blocking, cannot};
use crate::{Error, ErrorDetail, ErrorKind, Result};

/// A local folder whose files are uploaded. Opening a file below it follows no symbolic link.
#[derive(Debug)]
pub(crate) struct SourceFolder {
    path: PathBuf,
    /// The folder itself may be reached through links.
    #[cfg(unix)]
    folder: std::os::fd::OwnedFd,
}

/// A local file that is uploaded.
#[derive(Debug, Clone)]
pub(crate) struct LocalFile {
    path: PathBuf,
    /// The folder that the file must be in, and its path below that. `None` follows symbolic links.
    within: Option<(Arc<SourceFolder>, PathBuf)>,
}

/// The content of an open file.
pub(crate) enum LocalContent {
    /// The whole content of a small file.
    InMemory(Bytes, LocalIdentity),
    Streamed(LocalReader, LocalIdentity),
}

impl LocalFile {
    pub(crate) fn following_links(path: PathBuf) -> Self {
        Self { path, within: None }
    }

    pub(crate) fn within(folder: &Arc<SourceFolder>, relative: PathBuf) -> Self {
        Self {
            path: folder.path.join(&relative),
            within: Some((folder.clone(), relative)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file for reading. A pipe does not block until there is a writer. Blocks.
    fn open_handle(&self) -> io::Result<File> {
        match &self.within {
            Some((folder, relative)) => folder.open_file(relative),
            None => open_nonblocking(&self.path),
        }
    }

    pub(crate) async fn open(&self) -> Result<LocalContent> {
        let file = self.clone();
        blocking(move || file.open_blocking()).await
    }

    /// Blocks.
    pub(crate) fn open_blocking(&self) -> Result<LocalContent> {
        let failed = |error| cannot("read", &self.path, error);
        let mut file = self.open_handle().map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            let message = format!("{} is not a regular file", self.path.display());
            return Err(Error::new(ErrorKind::LocalFile, message).with_local_path(&self.path));
        }
        let identity = LocalIdentity::of(&metadata);
        if identity.size > BUFFER as u64 {
            return Ok(LocalContent::Streamed(
                LocalReader::new(file, identity.size),
                identity,
            ));
        }
        let content = read_at_most(&mut file, identity.size + 1).map_err(failed)?;
        let after = LocalIdentity::of(&file.metadata().map_err(failed)?);
        if after.is_same_file(&identity) && content.len() as u64 == identity.size {
            Ok(LocalContent::InMemory(content.into(), identity))
        } else {
            Err(self.changed())
        }
    }

    /// Fails if the file has changed since it was opened: what was sent may be a mix of two versions. Blocks.
    pub(crate) fn check_unchanged(&self, before: &LocalIdentity) -> Result<()> {
        let metadata = self.metadata();
        let metadata = metadata.map_err(|error| cannot("read", &self.path, error))?;
        match LocalIdentity::of(&metadata).is_same_file(before) {
            true => Ok(()),
            false => Err(self.changed()),
        }
    }

    /// Blocks.
    fn metadata(&self) -> io::Result<Metadata> {
        self.open_handle()?.metadata()
    }

    /// Returns the current identity; `None` if the file can't be read.
    pub(crate) async fn identity(&self) -> Option<LocalIdentity> {
        let file = self.clone();
        let metadata = blocking(move || Ok(file.metadata().ok())).await;
        metadata.ok()?.as_ref().map(LocalIdentity::of)
    }

    /// The error of a file that has changed during its upload.
    pub(crate) fn changed(&self) -> Error {
        let path = self.path.display();
        let message = format!("{path} changed during the upload");
        Error::new(ErrorKind::LocalFile, message)
            .with_detail(ErrorDetail::Changed)
            .with_local_path(&self.path)
    }
}

fn read_at_most(file: &mut File, bytes: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    file.take(bytes).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(unix)]
fn open_nonblocking(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open_nonblocking(path: &Path) -> io::Result<File> {
    if path.metadata()?.is_file() {
        File::open(path)
    } else {
        Err(io::Error::other("not a regular file"))
    }
}

#[cfg(unix)]
impl SourceFolder {
    /// Blocks.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let folder = rustix::fs::open(&path, folder_flags(), rustix::fs::Mode::empty())?;
        Ok(Self { path, folder })
    }

    fn open_file(&self, relative: &Path) -> io::Result<File> {
        #[cfg(target_os = "linux")]
        if let Some(opened) = self.open_in_one_call(relative) {
            return opened;
        }
        self.open_by_segments(relative)
    }

    /// `None` if the kernel does not support or permit the call.
    #[cfg(target_os = "linux")]
    fn open_in_one_call(&self, relative: &Path) -> Option<io::Result<File>> {
        use rustix::{
            fs::{Mode, ResolveFlags, openat2},
            io::Errno,
        };

        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match openat2(&self.folder, relative, file_flags(), Mode::empty(), resolve) {
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::AGAIN) => None,
            opened => Some(opened.map(File::from).map_err(io::Error::from)),
        }
    }

    /// Opens folder by folder, none of which may be a link.
    fn open_by_segments(&self, relative: &Path) -> io::Result<File> {
        use std::{os::fd::AsFd, path::Component};

        use rustix::fs::{Mode, openat};

        let mut folder = None;
        let mut segments = relative.components().peekable();
        while let Some(segment) = segments.next() {
            let Component::Normal(name) = segment else {
                break;
            };
            let at = folder.as_ref().map_or(self.folder.as_fd(), AsFd::as_fd);
            if segments.peek().is_none() {
                return Ok(openat(at, name, file_flags(), Mode::empty())?.into());
            }
            let flags = folder_flags() | rustix::fs::OFlags::NOFOLLOW;
            folder = Some(openat(at, name, flags, Mode::empty())?);
        }
        Err(io::ErrorKind::InvalidInput.into())
    }
}

#[cfg(unix)]
fn file_flags() -> rustix::fs::OFlags {
    use rustix::fs::OFlags;

    OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

#[cfg(unix)]
fn folder_flags() -> rustix::fs::OFlags {
    use rustix::fs::OFlags;

    // Opening a folder as a path does not require read permission.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let access = OFlags::PATH;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let access = OFlags::RDONLY;
    access | OFlags::DIRECTORY | OFlags::CLOEXEC
}

#[cfg(not(unix))]
impl SourceFolder {
    /// Blocks.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        Ok(Self { path })
    }

    /// Does not detect a link that is created between the check and the opening.
    fn open_file(&self, relative: &Path) -> io::Result<File> {
        let path = self.path.join(relative);
        let above = path.ancestors().take_while(|above| *above != self.path);
        for above in above {
            if above.symlink_metadata()?.is_symlink() {
                return Err(io::Error::other("a folder above it is a symbolic link"));
            }
        }
        open_nonblocking(&path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local_file(path: &Path) -> LocalFile {
        LocalFile::following_links(path.to_owned())
    }

    #[tokio::test]
    async fn small_files_are_read_and_large_ones_are_streamed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for length in [0, 1, BUFFER, BUFFER + 1] {
            std::fs::write(&path, vec![7; length]).unwrap();
            match local_file(&path).open().await.unwrap() {
                LocalContent::InMemory(content, _) => {
                    assert!(length <= BUFFER);
                    assert_eq!(content, vec![7; length]);
                }
                LocalContent::Streamed(_, identity) => {
                    assert_eq!((length, identity.size), (BUFFER + 1, length as u64));
                }
            }
        }
    }

    #[tokio::test]
    async fn only_a_regular_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path(), &folder.path().join("none")] {
            let error = local_file(path).open().await.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::LocalFile);
        }
    }

    /// Opening a pipe would wait for a writer.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_pipe_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let error = local_file(&pipe).open().await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::LocalFile);
    }

    #[cfg(unix)]
    fn read(file: io::Result<File>) -> Option<String> {
        let mut text = String::new();
        file.ok()?.read_to_string(&mut text).ok()?;
        Some(text)
    }

    #[cfg(unix)]
    #[test]
    fn no_link_is_followed_within_a_folder() {
        use std::os::unix::fs::symlink;

        let (above, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = above.path().join("folder");
        std::fs::create_dir_all(folder.join("a/b")).unwrap();
        std::fs::write(folder.join("a/b/c"), "inside").unwrap();
        std::fs::create_dir(outside.path().join("b")).unwrap();
        std::fs::write(outside.path().join("b/c"), "outside").unwrap();
        symlink(outside.path(), folder.join("link")).unwrap();
        symlink("a", folder.join("within")).unwrap();
        symlink("c", folder.join("a/b/file-link")).unwrap();
        // The folder itself may be reached through a link.
        symlink(&folder, above.path().join("root")).unwrap();
        let root = SourceFolder::open(above.path().join("root")).unwrap();
        let ways: [fn(&SourceFolder, &Path) -> io::Result<File>; 2] =
            [SourceFolder::open_file, SourceFolder::open_by_segments];
        for way in ways {
            let content = |path: &str| read(way(&root, Path::new(path)));
            assert_eq!(content("a/b/c").as_deref(), Some("inside"));
            for path in [
                "link/b/c",
                "within/b/c",
                "a/b/file-link",
                "../folder/a/b/c",
                "a/../../folder/a/b/c",
                "/etc/passwd",
                "",
            ] {
                assert_eq!(content(path), None, "{path}");
            }
        }
        let file = LocalFile::following_links(folder.join("link/b/c"));
        assert_eq!(read(file.open_handle()).as_deref(), Some("outside"));
    }
}
