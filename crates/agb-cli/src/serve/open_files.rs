//! Raises the limit of open files.

/// Raises the limit for the given number of connections, each of which may open a file. The service limits its connections
/// to the result. A limit over 1024 is safe, since the process does not use `select` and starts no child processes.
#[cfg(unix)]
pub(super) fn raise(connections: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};

    // For the database, its readers and the listeners.
    let wanted = (2 * connections as u64).saturating_add(128);
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    // The service works with a lower limit too.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(not(unix))]
pub(super) fn raise(_: usize) {}
