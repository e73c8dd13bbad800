//! What is asked for, where it takes more than an id and a name.

use crate::{ContextId, ContextName, FolderPath, RegionId};

/// Which context is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContextLookup {
    /// The one with this id.
    Id(ContextId),
    /// The one with this name.
    #[non_exhaustive]
    Name {
        /// Its name.
        name: ContextName,
        /// Whether it is made if there is none.
        create: bool,
        /// Where; `None` is the service's default.
        region: Option<RegionId>,
    },
}

/// Which page of contexts is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContextQuery {
    /// Contexts in a page, from 1 to 1000.
    pub page_size: u32,
    /// Where the page starts, as the page before told; `None` is the start.
    pub token: Option<String>,
}

/// Which page of a folder is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileQuery {
    /// The context that the folder is in.
    pub context: ContextId,
    /// The folder.
    pub folder: FolderPath,
    /// Number of the page, from 1.
    pub page: u32,
    /// Entries in a page, from 1 to 1000.
    pub page_size: u32,
}
