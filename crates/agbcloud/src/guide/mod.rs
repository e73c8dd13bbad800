//! The guide: one chapter for each task. All snippets run as tests. The quick start is on the [front page](crate).
//!
//! * [Pages](crate::guide::pages): list contexts and files, stop and resume, walk a tree.
//! * [Clear](crate::guide::clear): delete all files of a context, with or without waiting.
//! * [Transfers](crate::guide::transfers): upload, download, presigned URLs, progress, interrupted transfers.
//! * [Folders](crate::guide::folders): mirror a folder in either direction.
//! * [Errors](crate::guide::errors): the error type, and what to do about each kind.
//! * [Retries](crate::guide::retries): which calls are retried, for how long, and how to configure it.
//! * [Network](crate::guide::network): proxies, certificates, connections and headers.
//! * [Tracing](crate::guide::tracing): the spans and events that the SDK emits.
//! * [Testing](crate::guide::testing): test your program with a mock, a script or an embedded service.
//! * [Migrating from Python](crate::guide::from_python): each name of the Python SDK and its Rust equivalent.
//!
//! This module exists only in the documentation.

// For the links of the chapters.
use crate::*;

#[doc = include_str!("clear.md")]
pub mod clear {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("folders.md")]
pub mod folders {}

#[doc = include_str!("from_python.md")]
pub mod from_python {}

#[doc = include_str!("network.md")]
pub mod network {}

#[doc = include_str!("pages.md")]
pub mod pages {}

#[doc = include_str!("retries.md")]
pub mod retries {}

#[doc = include_str!("tracing.md")]
pub mod tracing {}

#[doc = include_str!("transfers.md")]
pub mod transfers {}

#[cfg(feature = "test-util")]
pub use crate::testing;

/// This chapter is the page of the module `testing`, which requires the feature `test-util`:
/// `cargo doc -p agbcloud --features test-util --open` shows it.
#[cfg(not(feature = "test-util"))]
pub mod testing {}
