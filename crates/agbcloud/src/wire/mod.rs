//! The interface between the SDK and the service: one method per operation of the API. Tests replace it.

mod api;
mod envelope;
mod http;

use crate::model::{ContextId, ContextName, FolderPath, RegionId};

#[cfg(any(test, feature = "test-util"))]
pub use api::MockContextApi;
pub(crate) use api::StubApi;
pub use api::{ContextApi, ResponseFuture};
pub(crate) use envelope::FromEnvelope;
#[cfg(test)]
pub(crate) use envelope::answer;
#[cfg(any(test, feature = "test-util"))]
pub(crate) use envelope::{Envelope, decode_envelope, file_urls, ignore_data, upload_url};
pub(crate) use http::HttpApi;

/// Identifies a context.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContextLookup {
    /// By id.
    Id(ContextId),
    /// By name.
    #[non_exhaustive]
    Name {
        /// The name.
        name: ContextName,
        /// Whether to create the context if it does not exist.
        create: bool,
        /// The region; `None` for the default of the service.
        region: Option<RegionId>,
    },
}

/// Identifies a page of contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContextQuery {
    /// The page size, from 1 to 1000.
    pub page_size: u32,
    /// The token of the page; `None` for the first page.
    pub token: Option<String>,
}

/// Identifies a page of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileQuery {
    /// The context of the folder.
    pub context: ContextId,
    /// The folder.
    pub folder: FolderPath,
    /// The number of the page, from 1.
    pub page: u32,
    /// The page size, from 1 to 1000.
    pub page_size: u32,
}
