//! The limit of open files.

/// Raises it as far as it may be raised, for each connection may have a file open; says so where that is not far
/// enough.
#[cfg(unix)]
pub(super) fn allow(connections: usize) -> Result<(), String> {
    use rustix::process::{Resource, getrlimit, setrlimit};

    // The database, its readers and the listeners have some open as well.
    let wanted = 2 * connections as u64 + 128;
    let mut limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if enough(limit.current) {
        return Ok(());
    }
    limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    let raised = setrlimit(Resource::Nofile, limit).is_ok();
    if raised && enough(limit.current) {
        Ok(())
    } else {
        Err(format!(
            "{connections} connections may need {wanted} open files, and this process may not have as many: raise its limit (ulimit -n), or lower connections in --limits"
        ))
    }
}

#[cfg(not(unix))]
pub(super) fn allow(_: usize) -> Result<(), String> {
    Ok(())
}
