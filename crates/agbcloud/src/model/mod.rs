//! The values that calls take and return.

mod context;
mod continuation;
#[cfg(test)]
mod continuation_tests;
mod continuation_text;
mod file;
mod name;
mod presigned_url;
mod response;
mod timestamp;

pub use context::{Context, ContextPage, ContextState};
pub use continuation::Continuation;
pub(crate) use continuation::{ContextPosition, FilePosition};
pub use file::{FileEntry, FileKind, FilePage};
pub(crate) use name::checked;
pub use name::{ContextId, ContextName, FolderPath, RegionId, RemotePath};
pub use presigned_url::PresignedUrl;
pub use response::Response;
pub use timestamp::Timestamp;
