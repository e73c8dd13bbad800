//! Whether stdin and stdout are what they are taken for.
//!
//! The runtime of Rust opens `/dev/null` for reading and writing in the place of a standard descriptor that is closed when
//! the program starts, and takes a descriptor of the wrong direction for an empty one. A shell opens `/dev/null` in one
//! direction (`</dev/null`), by which both can be distinguished.

use std::{fs::File, io, path::Path};

use crate::exit::Failure;

/// Stdin, to read all of it. Closed or not readable, it is an error and not empty.
pub(crate) fn stdin() -> Result<File, Failure> {
    let failed = |error| Failure::other("can't read stdin", error);
    let stdin = sys::stdin().map_err(failed)?;
    if stdin.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Failure::usage("stdin is a folder"));
    }
    match sys::is_usable(&stdin, sys::Direction::Read).map_err(failed)? {
        true => Ok(stdin),
        false => Err(Failure::usage("stdin is closed")
            .hint("for an empty file, redirect stdin from /dev/null: '</dev/null'")),
    }
}

/// Whether a path is another name of stdin.
pub(crate) fn is_stdin(path: &Path) -> bool {
    ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"]
        .iter()
        .any(|name| path == Path::new(name))
}

/// Whether a path is another name of stdout.
pub(crate) fn is_stdout(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]
        .iter()
        .any(|name| path == Path::new(name))
}

/// Fails if what is written to stdout goes nowhere without an error.
pub(crate) fn check_stdout() -> Result<(), Failure> {
    let failed = |error| Failure::other("can't write to stdout", error);
    let stdout = sys::stdout().map_err(failed)?;
    match sys::is_usable(&stdout, sys::Direction::Write).map_err(failed)? {
        true => Ok(()),
        false => Err(Failure::new("can't write to stdout: it is closed")
            .hint("to discard the output, open /dev/null for writing alone: '>/dev/null'")),
    }
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

    use super::{File, io};

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) enum Direction {
        Read,
        Write,
    }

    pub(super) fn stdin() -> io::Result<File> {
        Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
    }

    pub(super) fn stdout() -> io::Result<File> {
        Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
    }

    /// Whether bytes can move in this direction, and it is not what the runtime has put in the place of a closed one.
    pub(super) fn is_usable(file: &File, direction: Direction) -> io::Result<bool> {
        let other = match direction {
            Direction::Read => OFlags::WRONLY,
            Direction::Write => OFlags::RDONLY,
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

    use super::{File, io};

    #[derive(Clone, Copy)]
    pub(super) enum Direction {
        Read,
        Write,
    }

    pub(super) fn stdin() -> io::Result<File> {
        Ok(File::from(io::stdin().as_handle().try_clone_to_owned()?))
    }

    pub(super) fn stdout() -> io::Result<File> {
        Ok(File::from(io::stdout().as_handle().try_clone_to_owned()?))
    }

    pub(super) fn is_usable(_: &File, _: Direction) -> io::Result<bool> {
        Ok(true)
    }
}
