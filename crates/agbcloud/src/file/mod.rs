//! Operations on single files of a context.

pub(crate) mod atomic_file;
mod delete;
mod download;
mod file_entry;
mod files;
mod list;
pub(crate) mod local;
pub(crate) mod transfer;
mod transfer_url;
mod upload;

pub use delete::DeleteFile;
pub use download::{Download, DownloadTarget, Downloaded, ReadFile};
pub(crate) use download::{DownloadRequest, store_checksums};
pub use file_entry::{FileEntry, FileKind};
pub use files::Files;
pub use list::{FileItems, FilePage, FilePages, FileWalk, ListFiles};
pub(crate) use transfer::Store;
pub use transfer::{PresignedUrl, Progress};
pub use upload::{Upload, UploadSource, Uploaded};
