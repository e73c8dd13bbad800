//! The limit on open files.

use std::{error::Error as _, io};

use crate::Error;

/// Files that a sync opens beside its transfers: a state file, local folders, a listing.
const RESERVED: usize = 16;

/// Files and connections that a transfer opens.
const PER_TRANSFER: usize = 6;

/// Returns how many more files the process may open; `None` if there is no known limit.
#[cfg(unix)]
pub(crate) fn remaining() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = usize::try_from(limit?).ok()?;
    let open = std::fs::read_dir("/dev/fd").map_or(0, Iterator::count);
    Some(limit.saturating_sub(open))
}

#[cfg(not(unix))]
pub(crate) fn remaining() -> Option<usize> {
    None
}

/// Reduces a number of concurrent transfers to what the limit on open files allows.
pub(crate) fn limit_concurrent_transfers(wanted: usize) -> usize {
    let possible = remaining().map(|remaining| remaining.saturating_sub(RESERVED) / PER_TRANSFER);
    possible
        .map_or(wanted, |possible| wanted.min(possible))
        .max(1)
}

/// Whether the cause of an error is that the process or the system has too many open files, which is temporary.
pub(crate) fn is_too_many_open_files(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        let mut io = cause.downcast_ref::<io::Error>();
        while let Some(error) = io {
            if error.raw_os_error().is_some_and(is_too_many) {
                return true;
            }
            // The `source` of an I/O error skips the error that it wraps.
            io = error.get_ref().and_then(|inner| inner.downcast_ref());
        }
        source = cause.source();
    }
    false
}

#[cfg(unix)]
fn is_too_many(code: i32) -> bool {
    use rustix::io::Errno;

    [Errno::MFILE, Errno::NFILE]
        .iter()
        .any(|errno| errno.raw_os_error() == code)
}

#[cfg(windows)]
fn is_too_many(code: i32) -> bool {
    const ERROR_TOO_MANY_OPEN_FILES: i32 = 4;
    code == ERROR_TOO_MANY_OPEN_FILES
}

#[cfg(not(any(unix, windows)))]
fn is_too_many(_: i32) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn too_many_open_files_is_detected_at_any_depth() {
        let with = |error: io::Error| Error::new(ErrorKind::LocalFile, "failed").with_source(error);
        let number = |errno: rustix::io::Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        let many = || number(rustix::io::Errno::MFILE);
        assert!(is_too_many_open_files(&with(many())));
        assert!(is_too_many_open_files(&with(io::Error::other(
            io::Error::other(many())
        ))));
        assert!(is_too_many_open_files(
            &Error::new(ErrorKind::Connection, "out").with_source(with(many()))
        ));
        assert!(is_too_many_open_files(&with(number(
            rustix::io::Errno::NFILE
        ))));
        assert!(!is_too_many_open_files(&with(number(
            rustix::io::Errno::NOENT
        ))));
        assert!(!is_too_many_open_files(&with(io::Error::other(
            "Too many open files"
        ))));
    }
}
