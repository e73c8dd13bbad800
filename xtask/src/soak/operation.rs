//! The operations of the load, and the times that they take.

use std::collections::BTreeMap;
use std::time::Duration;

use super::judgement::quantile;

/// A request whose time is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    GetContext,
    CreateContext,
    RenameContext,
    DeleteContext,
    ListContexts,
    ListFiles,
    Clear,
    UploadUrl,
    UploadSmall,
    UploadLarge,
    UploadMultipart,
    DownloadUrl,
    Download,
    Range,
    DeleteFile,
}

impl Operation {
    pub(super) const ALL: [Self; 15] = [
        Self::GetContext,
        Self::CreateContext,
        Self::RenameContext,
        Self::DeleteContext,
        Self::ListContexts,
        Self::ListFiles,
        Self::Clear,
        Self::UploadUrl,
        Self::UploadSmall,
        Self::UploadLarge,
        Self::UploadMultipart,
        Self::DownloadUrl,
        Self::Download,
        Self::Range,
        Self::DeleteFile,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GetContext => "get a context",
            Self::CreateContext => "create a context",
            Self::RenameContext => "rename a context",
            Self::DeleteContext => "delete a context",
            Self::ListContexts => "list contexts",
            Self::ListFiles => "list files",
            Self::Clear => "clear",
            Self::UploadUrl => "URL of an upload",
            Self::UploadSmall => "upload, small",
            Self::UploadLarge => "upload, large",
            Self::UploadMultipart => "upload, 17 MiB",
            Self::DownloadUrl => "URL of a download",
            Self::Download => "download",
            Self::Range => "range",
            Self::DeleteFile => "delete a file",
        }
    }
}

/// Times of successful requests.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    milliseconds: BTreeMap<Operation, Vec<f64>>,
}

/// The times of an operation in a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Latency {
    pub(super) count: usize,
    /// Milliseconds.
    pub(super) median: f64,
    pub(super) p99: f64,
}

impl Latencies {
    pub(super) fn add(&mut self, operation: Operation, time: Duration) {
        let milliseconds = time.as_secs_f64() * 1e3;
        self.milliseconds
            .entry(operation)
            .or_default()
            .push(milliseconds);
    }

    pub(super) fn summarize(&self) -> BTreeMap<Operation, Latency> {
        let summaries = self.milliseconds.iter().filter_map(|(operation, times)| {
            let latency = Latency {
                count: times.len(),
                median: quantile(times, 0.5)?,
                p99: quantile(times, 0.99)?,
            };
            Some((*operation, latency))
        });
        summaries.collect()
    }
}
