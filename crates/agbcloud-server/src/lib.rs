//! A self-hosted AGB Cloud Context service: compatible with the wire format of the cloud, stores data in a local folder or
//! in memory.
//!
//! Embedded in a test, it starts within milliseconds and requires no setup:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use agbcloud_server::Server;
//!
//! let server = Server::builder().memory().start().await?;
//! let url = format!("{}/sdk/GetContext?name=my-project&allowCreate=true", server.url());
//! let answer = reqwest::Client::new().get(url).bearer_auth("any-key").send().await?;
//! assert_eq!(answer.status(), 200);
//! assert!(answer.text().await?.contains(r#""name":"my-project""#));
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! With a [`data_dir`](ServerBuilder::data_dir) all data is durable:
//!
//! - An acknowledged upload survives a power failure: its content is synced before the transaction that publishes it (a
//!   small content is part of that transaction), and the transaction before the response.
//! - An upload becomes visible atomically. A download in progress continues with the previous content.
//! - Presigned URLs and page tokens stay valid across restarts, and an interrupted clear continues.
//!
//! Each API key is a separate tenant. The contexts of other tenants are invisible. Without
//! [`api_key`](ServerBuilder::api_key) and [`key_file`](ServerBuilder::key_file), every non-empty key is accepted, and the
//! server only listens on loopback addresses.
//!
//! For testing programs that use contexts, a process can run any number of independent servers. A test sets the time with
//! a [`ManualClock`], injects reproducible failures with a [`Fault`], and lowers [`Limits`] to reach them:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use std::time::Duration;
//! use agbcloud_server::{Limits, ManualClock, Server};
//!
//! let clock = ManualClock::starting_now();
//! let mut limits = Limits::default();
//! limits.object_bytes = 1000;
//! let server = Server::builder()
//!     .clock(Arc::new(clock.clone()))
//!     .limits(limits)
//!     .fault("status=503,op=upload,times=1".parse()?)
//!     .start()
//!     .await?;
//! // … the first upload fails. Let all URLs expire:
//! clock.advance(Duration::from_secs(3601));
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]
// Without an engine, some of what the engines share has no user.
#![cfg_attr(
    not(all(feature = "postgres", feature = "s3")),
    allow(dead_code, reason = "only an engine that this build lacks uses it")
)]
#![cfg_attr(
    test,
    expect(clippy::disallowed_methods, reason = "some tests wait in real time")
)]

mod archive;
#[cfg(feature = "bench-points")]
#[doc(hidden)]
pub mod bench_points;
mod blobs;
mod builder;
mod checksums;
mod connections;
#[cfg(feature = "crash-points")]
#[doc(hidden)]
pub mod crash;
#[cfg(not(feature = "crash-points"))]
mod crash;
mod data_folder;
mod durability;
mod error;
mod faults;
mod fsck;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod key_database;
mod key_file;
mod keys;
mod limits;
mod markers;
mod metadata;
mod metrics;
mod names;
mod open_storage;
mod operations;
mod server;
mod signing;
mod start;
mod storage;
mod stored_usage;
mod system;
mod tasks;
#[cfg(feature = "test-store")]
#[doc(hidden)]
pub mod test_store;

pub use self::archive::{
    ArchiveError, CopyOptions, CopyPhase, CopyProgress, CopyReport, backup, migrate, restore,
};
pub use self::blobs::{
    BlobStoreError, BlobStoreReport, DirectDownloadError, InvalidBucketUrl, StoreCapability,
};
pub use self::builder::ServerBuilder;
pub use self::durability::Durability;
pub use self::error::StartError;
pub use self::faults::{Fault, InvalidFault};
pub use self::fsck::{
    Finding, FindingKind, FsckMode, FsckReport, QuarantinedContent, fsck, fsck_storage,
};
pub use self::key_database::{KeyDatabase, KeyDatabaseError};
pub use self::key_file::{KeyEntry, KeyFile, KeyFileError, KeyLimits, NewKey};
pub use self::limits::{InvalidLimit, Limits};
pub use self::markers::StoreMismatch;
pub use self::metadata::Usage;
pub use self::operations::{Operation, operations};
pub use self::server::Server;
pub use self::storage::{InvalidStorage, Storage};
pub use self::stored_usage::{StoredUsage, parse_bytes};
pub use self::system::clock::{Clock, ManualClock, SystemClock};
pub use self::system::permissions::{InsecurePermissions, Protection, check_permissions};
pub use self::tasks::TaskEnded;

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
