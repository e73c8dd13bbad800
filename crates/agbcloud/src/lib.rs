#![doc = include_str!("guide.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    test,
    expect(
        clippy::disallowed_methods,
        reason = "tests use the paused clock of tokio"
    )
)]

#[cfg(feature = "blocking")]
#[cfg_attr(docsrs, doc(cfg(feature = "blocking")))]
pub mod blocking;
mod clear;
mod client;
#[cfg_attr(
    not(feature = "test-util"),
    expect(unreachable_pub, reason = "public with the feature `test-util`")
)]
mod clock;
mod config;
mod context;
mod error;
mod file;
#[cfg(any(doc, doctest))]
pub mod guide;
mod http_client;
mod lock;
mod model;
mod page;
mod redact;
mod retry;
mod service_clock;
mod sync;
mod task;
#[cfg(any(test, feature = "test-util"))]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub mod testing;
mod text;
mod trace;
mod transfer;
#[cfg_attr(
    not(feature = "test-util"),
    expect(unreachable_pub, reason = "public with the feature `test-util`")
)]
mod wire;

pub use clear::{
    Clear, ClearHandle, ClearStatus, ClearStatuses, ClearTimedOut, Cleared, DEFAULT_CLEAR_TIMEOUT,
    DEFAULT_POLL_INTERVAL, ResumeClear, Resumed,
};
pub use client::{Client, ClientBuilder, Probe, Request};
pub use config::{
    DEFAULT_CONNECT_TIMEOUT, DEFAULT_ENDPOINT, DEFAULT_IDLE_TIMEOUT, DEFAULT_POOL_IDLE_TIMEOUT,
    DEFAULT_TIMEOUT, SettingSource, SettingSources,
};
pub use context::{ContextItems, ContextPages, Contexts, ListContexts, LookupByName};
pub use error::{Attempt, Error, ErrorDetail, ErrorKind, Operation, Result, Side, StoppedBy};
pub use file::{
    DeleteFile, Download, DownloadTarget, Downloaded, FileChange, FileItems, FilePages, FileWalk,
    Files, ListFiles, OpenFile, PartialDownload, ReadFile, RemoteFile, Update, Updated, Upload,
    UploadSource, Uploaded,
};
#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "rustls", feature = "native-tls"))))]
pub use http_client::CertificateVerification;
pub use http_client::{OutgoingRequest, RequestTarget};
pub use model::{
    Context, ContextId, ContextName, ContextPage, ContextState, Continuation, FileEntry, FileKind,
    FilePage, FolderPath, PresignedUrl, RegionId, RemotePath, Response, Timestamp,
};
pub use page::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE};
pub use retry::{RetryBudget, RetryPolicy};
pub use sync::{
    Change, Compare, ConflictPolicy, DEFAULT_MAX_BYTES_IN_FLIGHT, DEFAULT_MAX_CONCURRENT_FILES,
    DeleteDir, DeleteLimit, FileFailure, FileOutcome, GlobError, GlobFilter, KeptCopy,
    PlannedChange, SkipReason, SkippedEntry, Symlinks, SyncDir, SyncPlan, SyncProgress, SyncReport,
    TwoWayConflict, TwoWaySync,
};
pub use text::escape_for_display;
pub use transfer::{Progress, UpdateGuard};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
