//! The comparisons that there are.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A comparison. The order is that of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Comparison {
    /// The service beside nginx, axum, MD5 and synced files
    Server,
    /// Transfers beside curl, a plain loop and the official Python SDK
    Transfers,
    /// GetContext by the clients of this repository and a plain loop
    Get,
    /// Decoding and listing pages by the clients of this repository and a plain loop
    Pages,
    /// Streams of pages with prefetch, at 0 and 20 ms of latency
    Streams,
    /// The start of a process until a listing, beside the official Python SDK
    Startup,
    /// Costs of calls with 1 to 1,000,000 files
    Scale,
}

/// How a comparison is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plot {
    /// Bars of speeds relative to a peer.
    Bars,
    /// Lines of costs against sizes.
    Lines,
}

impl Comparison {
    pub(super) const ALL: [Self; 7] = [
        Self::Server,
        Self::Transfers,
        Self::Get,
        Self::Pages,
        Self::Streams,
        Self::Startup,
        Self::Scale,
    ];

    /// The name on the command line and of the plot.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Transfers => "transfers",
            Self::Get => "get",
            Self::Pages => "pages",
            Self::Streams => "streams",
            Self::Startup => "startup",
            Self::Scale => "scale",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Server => "The service beside nginx and axum",
            Self::Transfers => "Transfers beside curl, a plain loop and Python",
            Self::Get => "GetContext by three clients",
            Self::Pages => "Pages of files by three clients",
            Self::Streams => "Streams of pages with prefetch",
            Self::Startup => "From the start of a process to a listing",
            Self::Scale => "Cost of a call by the number of files",
        }
    }

    /// What is measured, in Markdown.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Server => {
                "One `agb serve` with `strict` durability, nginx with one worker for each core, and an axum route that \
                 returns the bytes of a GetContext. All requests come from the same loop of one thread, which sends \
                 requests that are prepared before. nginx neither hashes nor syncs uploads. *MD5 alone* is that of \
                 OpenSSL on one core. *One synced file each* creates, writes and syncs a file from 32 threads."
            }
            Self::Transfers => {
                "Whole commands against one `agb serve` with `strict` durability on the same machine and disk. The plain \
                 loop uses reqwest with 32 concurrent files and verifies nothing; curl and the plain loop do not sync. \
                 Python is the official SDK, with `requests` in eight threads."
            }
            Self::Get => {
                "One client on one thread with one connection. The service runs in the same process with SQLite in \
                 memory. The plain loop uses reqwest and parses responses into a `serde_json::Value`."
            }
            Self::Pages => {
                "As `get`. A folder of 2,000 files is listed; decoding needs no service."
            }
            Self::Streams => {
                "The caller waits 10 ms for each page, as if it processed it. With latency, the service delays each \
                 response. The plain loop requests a page after it has processed the one before."
            }
            Self::Startup => {
                "A new process each time, against an idle `agb serve` with ten contexts. Both listings print the ten names."
            }
            Self::Scale => {
                "Processes of the same `agb serve` with `strict` durability, each with another number of files in one \
                 folder. The calls alternate between them, one after the other over one connection. A value is the \
                 median of a round. Files have 27 bytes, pages at most 100 entries."
            }
        }
    }

    pub(super) fn plot(self) -> Plot {
        match self {
            Self::Scale => Plot::Lines,
            _ => Plot::Bars,
        }
    }

    /// Number of rounds.
    pub(super) fn rounds(self, is_quick: bool) -> u32 {
        match (self, is_quick) {
            (_, true) => 2,
            (Self::Transfers, _) => 3,
            (Self::Startup, _) => 15,
            (Self::Server | Self::Scale, _) => 5,
            (Self::Get | Self::Pages | Self::Streams, _) => 9,
        }
    }

    /// Minutes that it takes on two cores, without compiling.
    pub(super) fn minutes(self, is_quick: bool) -> f64 {
        match (self, is_quick) {
            (Self::Transfers | Self::Startup, true) => 0.5,
            (_, true) => 0.2,
            (Self::Server, _) => 4.0,
            (Self::Transfers, _) => 6.0,
            (Self::Scale, _) => 8.0,
            (Self::Get | Self::Pages, _) => 0.5,
            (Self::Streams | Self::Startup, _) => 1.0,
        }
    }
}
