#![doc = include_str!("guide.md")]

mod clear;
mod client;
mod config;
mod context;
mod error;
mod file;
mod name;
mod page;
mod response;
mod retry;
mod time;
mod wire;

pub use clear::{
    Clear, ClearHandle, ClearStatus, ClearStatuses, ClearTimedOut, Cleared, DEFAULT_CLEAR_TIMEOUT,
    DEFAULT_POLL_INTERVAL,
};
pub use client::Agb;
pub use config::{AgbBuilder, DEFAULT_ENDPOINT, DEFAULT_TIMEOUT};
pub use context::{
    Context, ContextItems, ContextPage, ContextPages, ContextState, Contexts, ListContexts,
    LookupByName,
};
pub use error::{Error, ErrorKind, Operation, Result};
pub use file::{
    DeleteFile, Download, DownloadTarget, Downloaded, FileEntry, FileItems, FileKind, FilePage,
    FilePages, FileWalk, Files, ListFiles, PresignedUrl, Progress, ReadFile, Upload, UploadSource,
    Uploaded,
};
pub use name::{ContextId, ContextName, FolderPath, RegionId, RemotePath};
pub use page::{Continuation, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE};
pub use response::Response;
pub use retry::{Attempt, RetryPolicy, StoppedBy};
pub use time::Timestamp;

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
