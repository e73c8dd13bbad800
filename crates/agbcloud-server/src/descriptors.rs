//! How many connections the limit of open files leaves room for.

/// A connection may have a file open.
const EACH: usize = 2;
/// For what is opened for a moment: key files, certificates, folders that are synced, a connection that waits for its place.
const SPARE: usize = 12;
/// Connections for which there is always room.
const FEWEST: usize = 4;

/// The most connections for which the process can have files open, beside those that it has open now.
pub(crate) fn connections() -> usize {
    match limit() {
        Some(limit) => fitting(limit, open()),
        None => usize::MAX,
    }
}

fn fitting(limit: usize, open: usize) -> usize {
    (limit.saturating_sub(open + SPARE) / EACH).max(FEWEST)
}

#[cfg(unix)]
fn limit() -> Option<usize> {
    use rustix::process::{Resource, getrlimit};

    let limit = getrlimit(Resource::Nofile).current?;
    usize::try_from(limit).ok()
}

/// Elsewhere there is no such limit.
#[cfg(not(unix))]
fn limit() -> Option<usize> {
    None
}

/// How many files are open now; a guess where the system does not list them.
fn open() -> usize {
    /// What a service in a process of its own has open before its first connection.
    const GUESS: usize = 32;

    std::fs::read_dir("/dev/fd").map_or(GUESS, |files| files.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_room_for_a_file_beside_what_is_open() {
        assert_eq!(fitting(64, 28), 12);
        assert_eq!(fitting(20_000, 28), 9980);
        assert_eq!(fitting(30, 28), FEWEST);
        for limit in 64..2000 {
            assert!(fitting(limit, 28) * EACH + SPARE + 28 <= limit);
        }
    }
}
