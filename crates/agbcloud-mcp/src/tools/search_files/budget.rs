//! What a search may examine in one call, and what it examined.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Examined, matching::MatchingLines};
use crate::limits::{SEARCH_BYTES, SEARCH_ENTRIES, SEARCH_FILES};

/// The limit at which a search stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoppedBy {
    /// The argument limit
    Results,
    /// 128 KiB of results
    AnswerSize,
    /// 20,000 listed entries
    Entries,
    /// 1,000 read files
    Files,
    /// 64 MiB of content
    Bytes,
    /// 20 seconds
    Time,
}

/// What a call of a search examined.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Scanned {
    /// Listed files and folders
    pub(super) entries: u64,
    /// Files whose content was searched
    files_read: u64,
    /// Bytes of their content
    bytes_read: u64,
    /// Files whose content was not searched, since they are larger than 1 MiB
    skipped_large: u64,
    /// Files whose content was not searched, since it is not text
    skipped_binary: u64,
    /// Files and folders that the service refuses to read or list, such as those with names that are not valid
    pub(super) skipped_names: u64,
}

impl Scanned {
    /// Counts a file, and returns its lines.
    pub(super) fn count(&mut self, examined: Examined) -> Option<MatchingLines> {
        let (bytes, lines) = match examined {
            Examined::Lines { bytes, lines } => (bytes, Some(lines)),
            Examined::NoLines { bytes } => (bytes, None),
            Examined::Binary { bytes } => {
                self.skipped_binary += 1;
                (bytes, None)
            }
            Examined::TooLarge => {
                self.skipped_large += 1;
                return None;
            }
            Examined::Gone => return None,
            Examined::Refused => {
                self.skipped_names += 1;
                return None;
            }
        };
        self.files_read += 1;
        self.bytes_read += bytes;
        lines
    }

    pub(super) fn entries_limit(&self) -> Option<StoppedBy> {
        (self.entries >= SEARCH_ENTRIES).then_some(StoppedBy::Entries)
    }

    pub(super) fn reading_limit(&self) -> Option<StoppedBy> {
        match self {
            _ if self.files_read >= SEARCH_FILES => Some(StoppedBy::Files),
            _ if self.bytes_read >= SEARCH_BYTES => Some(StoppedBy::Bytes),
            _ => None,
        }
    }
}
