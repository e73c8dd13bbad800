//! Checks that stdin and stdout are open.
//!
//! The Rust runtime opens `/dev/null` for reading and writing in place of a standard descriptor that is closed at program
//! start, and treats a descriptor of the wrong direction as empty. A shell opens `/dev/null` in one direction
//! (`</dev/null`), which distinguishes the two.

use std::{fs::File, io, path::Path};

use crate::failure::Failure;

/// Returns stdin as a file. Fails if it is closed or not readable, instead of reading it as empty.
pub(crate) fn stdin() -> Result<File, Failure> {
    let failed = |error| Failure::with_cause("can't read stdin", error);
    let stdin = sys::stdin().map_err(failed)?;
    if stdin.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Failure::usage("stdin is a folder"));
    }
    match sys::is_usable(&stdin, Access::Read).map_err(failed)? {
        true => Ok(stdin),
        false => Err(Failure::usage("stdin is closed")
            .with_hint("redirect stdin from /dev/null for an empty file: '</dev/null'")),
    }
}

/// Whether a path is a name of stdin.
pub(crate) fn is_stdin(path: &Path) -> bool {
    const NAMES: [&str; 4] = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];
    NAMES.iter().any(|name| path == Path::new(name))
}

/// Whether a path is a name of stdout.
pub(crate) fn is_stdout(path: &Path) -> bool {
    const NAMES: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
    NAMES.iter().any(|name| path == Path::new(name))
}

/// Fails if stdout is closed, where writes would be lost without an error.
pub(crate) fn check_stdout() -> Result<(), Failure> {
    let failed = |error| Failure::with_cause("can't write to stdout", error);
    let stdout = sys::stdout().map_err(failed)?;
    match sys::is_usable(&stdout, Access::Write).map_err(failed)? {
        true => Ok(()),
        false => Err(Failure::new("can't write to stdout: it is closed")
            .with_hint("open /dev/null for writing only to discard the output: '>/dev/null'")),
    }
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

#[cfg(unix)]
mod sys {
    use std::{
        fs::metadata,
        os::{
            fd::AsFd,
            unix::fs::{FileTypeExt, MetadataExt},
        },
    };

    use rustix::fs::{OFlags, fcntl_getfl};

    use super::{Access, File, io};

    pub(super) fn stdin() -> io::Result<File> {
        Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
    }

    pub(super) fn stdout() -> io::Result<File> {
        Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
    }

    /// Whether the file is open for this access and does not replace a closed descriptor.
    pub(super) fn is_usable(file: &File, access: Access) -> io::Result<bool> {
        let other = match access {
            Access::Read => OFlags::WRONLY,
            Access::Write => OFlags::RDONLY,
        };
        let flags = fcntl_getfl(file)?;
        let mode = flags & OFlags::ACCMODE;
        if mode == other || flags.contains(OFlags::PATH) {
            return Err(io::Error::from(rustix::io::Errno::BADF));
        }
        Ok(mode != OFlags::RDWR || !is_null(file)?)
    }

    fn is_null(file: &File) -> io::Result<bool> {
        let given = file.metadata()?;
        let is_device = given.file_type().is_char_device();
        Ok(is_device && metadata("/dev/null").is_ok_and(|null| null.rdev() == given.rdev()))
    }
}

#[cfg(windows)]
mod sys {
    use std::os::windows::io::AsHandle;

    use super::{Access, File, io};

    pub(super) fn stdin() -> io::Result<File> {
        Ok(File::from(io::stdin().as_handle().try_clone_to_owned()?))
    }

    pub(super) fn stdout() -> io::Result<File> {
        Ok(File::from(io::stdout().as_handle().try_clone_to_owned()?))
    }

    pub(super) fn is_usable(_: &File, _: Access) -> io::Result<bool> {
        Ok(true)
    }
}
