//! The guide: one chapter for each thing to be done, with snippets that run as tests. The quick start is on the
//! [front page](crate).
//!
//! * [Pages](crate::guide::pages): listing contexts and files, stopping and going on, walking a tree.
//! * [Clear](crate::guide::clear): emptying a context, waiting for it or not, taking it up again.
//! * [Transfers](crate::guide::transfers): upload, download, progress, presigned URLs.
//! * [Folders](crate::guide::folders): many files, both ways: planned, compared, chosen by globs.
//! * [Errors](crate::guide::errors): the one error type, and what to do about each kind.
//! * [Retries](crate::guide::retries): what is tried again, how long, and how to set it.
//! * [Tracing](crate::guide::tracing): the spans and events that the SDK emits.
//! * [Testing](crate::guide::testing): your program without the cloud: a mock, a script, a service in the same process.
//! * [Coming from Python](crate::guide::from_python): every name of the reference beside its Rust form.
//!
//! This module is part of the documentation alone: no program can use it.

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

/// This chapter is the page of the module `testing`, which comes with the feature `test-util`:
/// `cargo doc -p agbcloud --features test-util --open` shows it.
#[cfg(not(feature = "test-util"))]
pub mod testing {}
