//! The limit of open files.

/// Raises it as far as it may be raised, for each connection may have a file open. The service takes as many connections
/// as the limit then leaves room for. A limit over 1024 is safe: nothing in this process waits by `select`, and no child
/// process inherits it.
#[cfg(unix)]
pub(super) fn raise(connections: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};

    // The database, its readers and the listeners have some open as well.
    let wanted = (2 * connections as u64).saturating_add(128);
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    // What can't be raised is taken as it is.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(not(unix))]
pub(super) fn raise(_: usize) {}
