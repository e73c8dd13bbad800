//! Operations on single files of a context.

pub(crate) mod atomic_file;
mod delete;
mod download;
mod download_sink;
mod file_urls;
mod files;
pub(crate) mod group_sync;
mod list;
pub(crate) mod local;
mod transfer_url;
mod update;
mod upload;

pub use delete::DeleteFile;
pub use download::{
    Download, DownloadTarget, Downloaded, OpenFile, PartialDownload, ReadFile, RemoteFile,
};
pub(crate) use download::{DownloadRequest, store_checksums};
pub(crate) use file_urls::batches;
pub use files::Files;
pub use list::{FileItems, FilePages, FileWalk, ListFiles};
pub use update::{FileChange, Update, Updated};
pub use upload::{Upload, UploadSource, Uploaded};
