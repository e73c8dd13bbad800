#![doc = include_str!("guide.md")]
// Tests take tokio's time, paused.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

#[cfg(feature = "blocking")]
pub mod blocking;
mod clear;
mod client;
#[cfg_attr(not(feature = "test-util"), allow(unreachable_pub))]
mod clock;
mod config;
mod context;
mod display;
mod error;
mod file;
#[cfg(any(doc, doctest))]
pub mod guide;
mod name;
mod page;
mod response;
mod retry;
mod service_clock;
mod task;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
mod timestamp;
mod trace;
#[cfg_attr(not(feature = "test-util"), allow(unreachable_pub))]
mod wire;

pub use clear::{
    Clear, ClearHandle, ClearStatus, ClearStatuses, Cleared, DEFAULT_CLEAR_TIMEOUT,
    DEFAULT_POLL_INTERVAL,
};
pub use client::{Client, Probe};
pub use config::{
    ClientBuilder, DEFAULT_ENDPOINT, DEFAULT_IDLE_TIMEOUT, DEFAULT_TIMEOUT, SettingSource,
    SettingSources,
};
pub use context::{
    Context, ContextItems, ContextPage, ContextPages, ContextState, Contexts, ListContexts,
    LookupByName,
};
pub use display::escape_for_display;
pub use error::{ClearTimedOut, Error, ErrorDetail, ErrorKind, Operation, Result, Side};
pub use file::{
    Change, Compare, ConflictPolicy, DEFAULT_MAX_BYTES_IN_FLIGHT, DEFAULT_MAX_CONCURRENT_FILES,
    DeleteDir, DeleteFile, DeleteLimit, Download, DownloadTarget, Downloaded, FileEntry,
    FileFailure, FileItems, FileKind, FileOutcome, FilePage, FilePages, FileWalk, Files, GlobError,
    KeptCopy, ListFiles, PlannedChange, PresignedUrl, Progress, ReadFile, SkipReason, SkippedEntry,
    Symlinks, SyncDir, SyncPlan, SyncReport, Upload, UploadSource, Uploaded,
};
pub use name::{ContextId, ContextName, FolderPath, RegionId, RemotePath};
pub use page::{Continuation, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE};
pub use response::Response;
pub use retry::{Attempt, RetryPolicy, StoppedBy};
pub use timestamp::Timestamp;

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
