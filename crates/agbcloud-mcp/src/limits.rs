//! The limits of answers and calls. `docs/agents.md` lists them.

use std::time::Duration;

pub(crate) const KIB: usize = 1024;
pub(crate) const MIB: usize = 1024 * KIB;

/// Calls that run at the same time. Further calls wait.
pub(crate) const CONCURRENT_CALLS: usize = 16;
/// Calls that wait, and the bytes of their arguments. Further calls fail.
pub(crate) const WAITING_CALLS: usize = 256;
pub(crate) const WAITING_BYTES: usize = 64 * MIB;
/// Default duration of a call, without the time that it waits for others.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of the entries in an answer, as JSON.
pub(crate) const ANSWER_BYTES: usize = 128 * KIB;

/// Contexts in an answer.
pub(crate) const DEFAULT_CONTEXTS: u32 = 50;
pub(crate) const MAX_CONTEXTS: u32 = 500;

/// Entries of a folder in an answer.
pub(crate) const DEFAULT_ENTRIES: u32 = 100;
pub(crate) const MAX_ENTRIES: u32 = 1000;

/// Bytes of a file in an answer.
pub(crate) const DEFAULT_READ_BYTES: u32 = 64 * KIB as u32;
pub(crate) const MAX_READ_BYTES: u32 = 256 * KIB as u32;
/// Bytes that are read to find a line by its number.
pub(crate) const MAX_LINE_SCAN_BYTES: u64 = 64 * MIB as u64;

/// Bytes of a resource.
pub(crate) const MAX_RESOURCE_BYTES: u64 = MIB as u64;

/// Bytes of a written file, and of a file that is edited, before and after.
pub(crate) const MAX_WRITE_BYTES: usize = 4 * MIB;

/// Characters of the message of a failure, which can contain an argument.
pub(crate) const MAX_FAILURE_CHARS: usize = 600;

/// Bytes of a message from a client.
pub(crate) const MAX_MESSAGE_BYTES: usize = 16 * MIB;

/// Results of a search in an answer.
pub(crate) const DEFAULT_RESULTS: u32 = 50;
pub(crate) const MAX_RESULTS: u32 = 200;
/// Entries that one call of a search lists.
pub(crate) const SEARCH_ENTRIES: u64 = 20_000;
/// Files that one call of a search reads, and their bytes.
pub(crate) const SEARCH_FILES: u64 = 1000;
pub(crate) const SEARCH_BYTES: u64 = 64 * MIB as u64;
/// Larger files are not searched.
pub(crate) const SEARCH_FILE_BYTES: u64 = MIB as u64;
/// Files that a search reads at the same time.
pub(crate) const SEARCH_CONCURRENCY: usize = 8;
/// Duration of one call of a search.
pub(crate) const SEARCH_TIME: Duration = Duration::from_secs(20);
/// Lines of one file, and characters of one line, in the results of a search.
pub(crate) const SEARCH_LINES: usize = 10;
pub(crate) const SEARCH_LINE_CHARS: usize = 240;

/// Characters of a search text and of a glob.
pub(crate) const MAX_PATTERN_CHARS: usize = 1000;

/// Folders of one folder that a [`Tree`](crate::tree::Tree) remembers, twice.
pub(crate) const TREE_FOLDERS: usize = 10_000;

/// Resources on a page.
pub(crate) const RESOURCES_PAGE: usize = 100;
/// Entries that a completion examines.
pub(crate) const COMPLETION_ENTRIES: usize = 1000;

/// How long `clear_context` waits for the end.
pub(crate) const CLEAR_WAIT: Duration = Duration::from_secs(30);

/// Cursors that the server remembers, and their bytes.
pub(crate) const MAX_CURSORS: usize = 1000;
pub(crate) const MAX_CURSOR_BYTES: usize = 16 * MIB;

/// Sessions and connections of the HTTP transport.
pub(crate) const MAX_SESSIONS: usize = 256;
pub(crate) const MAX_CONNECTIONS: usize = 256;
/// Time for the head of a request, also on an idle connection.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for open requests when the server stops.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
