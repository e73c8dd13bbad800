//! How many files the process may have open, and whether that was too many.

use std::{error::Error as _, io};

use crate::Error;

/// What a run opens beside transfers: a state file, a walk through folders, a listing.
#[cfg(unix)]
const OTHERS: usize = 16;

/// What a transfer may have open: a connection to the service, one to the store, and files.
#[cfg(unix)]
const EACH: usize = 6;

/// How many files may be opened beside those that are open; `None` if there is no limit, or none is known.
#[cfg(unix)]
pub(super) fn left() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = usize::try_from(limit?).ok()?;
    let open = std::fs::read_dir("/dev/fd").map_or(0, Iterator::count);
    Some(limit.saturating_sub(open))
}

#[cfg(not(unix))]
pub(super) fn left() -> Option<usize> {
    None
}

/// The number of transfers that can run at the same time, at most as many as asked for.
#[cfg(unix)]
pub(in crate::file) fn transfers_at_once(wanted: usize) -> usize {
    let possible = left().map(|left| left.saturating_sub(OTHERS) / EACH);
    possible
        .map_or(wanted, |possible| wanted.min(possible))
        .max(1)
}

#[cfg(not(unix))]
pub(in crate::file) fn transfers_at_once(wanted: usize) -> usize {
    wanted.max(1)
}

/// Whether something failed since the process or the system has too many files open: that passes.
pub(in crate::file) fn are_too_many(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        let mut io = cause.downcast_ref::<io::Error>();
        while let Some(error) = io {
            if error.raw_os_error().is_some_and(is_too_many) {
                return true;
            }
            // The source of such an error is that of what is in it.
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
    fn it_is_known_by_its_number_however_deep_it_is() {
        let with = |error: io::Error| Error::new(ErrorKind::LocalFile, "failed").with_source(error);
        let number = |errno: rustix::io::Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        let many = || number(rustix::io::Errno::MFILE);
        assert!(are_too_many(&with(many())));
        assert!(are_too_many(&with(io::Error::other(io::Error::other(
            many()
        )))));
        assert!(are_too_many(
            &Error::new(ErrorKind::Connection, "out").with_source(with(many()))
        ));
        assert!(are_too_many(&with(number(rustix::io::Errno::NFILE))));
        assert!(!are_too_many(&with(number(rustix::io::Errno::NOENT))));
        assert!(!are_too_many(&with(io::Error::other(
            "Too many open files"
        ))));
    }
}
