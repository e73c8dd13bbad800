//! The number of connections that the limit of open files allows.

/// Descriptors per connection: its socket and one file.
const PER_CONNECTION: usize = 2;
/// Descriptors for files that are open for a moment: key files, certificates, synced folders, and a connection that waits
/// to be admitted.
const SPARE: usize = 12;
/// The minimum number of connections.
const MIN_CONNECTIONS: usize = 4;

/// Returns the maximum number of connections that the process has descriptors for, in addition to its open files.
pub(crate) fn max_connections() -> usize {
    match limit() {
        Some(limit) => connections_within(limit, open()),
        None => usize::MAX,
    }
}

fn connections_within(limit: usize, open: usize) -> usize {
    (limit.saturating_sub(open + SPARE) / PER_CONNECTION).max(MIN_CONNECTIONS)
}

#[cfg(unix)]
fn limit() -> Option<usize> {
    use rustix::process::{Resource, getrlimit};

    let limit = getrlimit(Resource::Nofile).current?;
    usize::try_from(limit).ok()
}

/// Other systems have no such limit.
#[cfg(not(unix))]
fn limit() -> Option<usize> {
    None
}

/// Returns the number of open files. An estimate where the system does not list them.
fn open() -> usize {
    /// The number of open files of a standalone service before its first connection.
    const ESTIMATE: usize = 32;

    std::fs::read_dir("/dev/fd").map_or(ESTIMATE, |files| files.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_may_open_a_file() {
        assert_eq!(connections_within(64, 28), 12);
        assert_eq!(connections_within(20_000, 28), 9980);
        assert_eq!(connections_within(30, 28), MIN_CONNECTIONS);
        for limit in 64..2000 {
            let descriptors = connections_within(limit, 28) * PER_CONNECTION;
            assert!(descriptors + SPARE + 28 <= limit);
        }
    }
}
