//! Local files that are sent, opened without being led elsewhere by a link.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A local folder whose files are sent. What is opened below it lies below it, whatever becomes a symbolic link meanwhile.
#[derive(Debug)]
pub(in crate::file) struct Root {
    path: PathBuf,
    /// Links in the path of the folder itself were followed once.
    #[cfg(unix)]
    folder: std::os::fd::OwnedFd,
}

/// A local file that is sent.
#[derive(Debug, Clone)]
pub(in crate::file) struct LocalFile {
    path: PathBuf,
    /// The folder that it must lie in, and its path below that. Without one, links are followed.
    below: Option<(Arc<Root>, PathBuf)>,
}

impl LocalFile {
    /// A file that may be reached through links.
    pub(in crate::file) fn anywhere(path: PathBuf) -> Self {
        Self { path, below: None }
    }

    /// A file that no link may lead to.
    pub(in crate::file) fn below(root: &Arc<Root>, relative: PathBuf) -> Self {
        Self {
            path: root.path.join(&relative),
            below: Some((root.clone(), relative)),
        }
    }

    pub(in crate::file) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it for reading, without waiting: a pipe would wait for whoever writes into it. Blocks.
    pub(super) fn open(&self) -> io::Result<File> {
        match &self.below {
            Some((root, relative)) => root.open_file(relative),
            None => without_waiting(&self.path),
        }
    }
}

#[cfg(unix)]
fn without_waiting(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn without_waiting(path: &Path) -> io::Result<File> {
    if path.metadata()?.is_file() {
        File::open(path)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

#[cfg(unix)]
impl Root {
    /// Blocks.
    pub(in crate::file) fn open(path: PathBuf) -> io::Result<Self> {
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

    /// `None` where the kernel has no such call or it is not allowed.
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

    /// Goes down folder by folder, each of which must be one and no link.
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

    // To go through a folder takes no right to read it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let access = OFlags::PATH;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let access = OFlags::RDONLY;
    access | OFlags::DIRECTORY | OFlags::CLOEXEC
}

#[cfg(not(unix))]
impl Root {
    /// Blocks.
    pub(in crate::file) fn open(path: PathBuf) -> io::Result<Self> {
        Ok(Self { path })
    }

    /// A link that comes in between is not seen: there is no call that refuses it.
    fn open_file(&self, relative: &Path) -> io::Result<File> {
        let path = self.path.join(relative);
        let above = path.ancestors().take_while(|above| *above != self.path);
        for above in above {
            if above.symlink_metadata()?.is_symlink() {
                return Err(io::Error::other("a symbolic link is in the way"));
            }
        }
        without_waiting(&path)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{io::Read, os::unix::fs::symlink};

    use super::*;

    fn read(file: io::Result<File>) -> Option<String> {
        let mut text = String::new();
        file.ok()?.read_to_string(&mut text).ok()?;
        Some(text)
    }

    #[test]
    fn no_link_leads_out_by_either_way() {
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
        let root = Root::open(above.path().join("root")).unwrap();
        let ways: [fn(&Root, &Path) -> io::Result<File>; 2] =
            [Root::open_file, Root::open_by_segments];
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
        let file = LocalFile::anywhere(folder.join("link/b/c"));
        assert_eq!(read(file.open()).as_deref(), Some("outside"));
    }
}
