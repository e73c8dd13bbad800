#![doc = include_str!("guide.md")]

mod clear;
mod client;
mod config;
mod context;
mod driver;
mod file;
mod iter;
mod offload;

pub use clear::{Clear, ClearHandle, ClearStatuses};
pub use client::Client;
pub use config::ClientBuilder;
pub use context::{ContextItems, ContextPages, Contexts, ListContexts, LookupByName};
pub use file::{
    DeleteDir, DeleteFile, Download, DownloadTarget, FileItems, FilePages, FileWalk, Files,
    ListFiles, ReadFile, SyncDir, SyncPlan, Upload, UploadSource,
};
pub use iter::Iter;

use driver::Driver;
