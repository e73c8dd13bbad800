//! An AGB Cloud Context service of your own: the wire of the real one, on a folder of this machine or in memory.
//!
//! Embedded in a test, it starts in milliseconds and needs nothing:
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
//! With a [`data_dir`](ServerBuilder::data_dir) everything stays:
//!
//! - An upload that was acknowledged is on disk, and stays there if the power fails: its bytes are synced
//!   before the transaction that publishes them, or with it if they are few, and that transaction before the answer.
//! - An upload is seen whole or not at all, and a download that is under way goes on with the old bytes.
//! - Presigned URLs and page tokens go on working after a restart, and a clear goes on where it stopped.
//!
//! Each API key is a tenant of its own; what belongs to another does not exist. Without
//! [`api_key`](ServerBuilder::api_key) and [`key_file`](ServerBuilder::key_file) any non-empty key will do, and the
//! server listens on loopback addresses only.
//!
//! For tests of programs that use contexts: any number of servers run in one process and share nothing. Time is set
//! with a [`ManualClock`], a [`Fault`] makes requests fail in the same way in every run, and [`Limits`] make limits
//! small enough to be met:
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
//! // … upload, which fails once; ask for a URL, and let it expire:
//! clock.advance(Duration::from_secs(3601));
//! # Ok(())
//! # }
//! ```

// Tests wait for real work.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod blobs;
mod builder;
mod clear;
mod clock;
mod connections;
#[cfg(feature = "crash-points")]
#[doc(hidden)]
pub mod crash;
#[cfg(not(feature = "crash-points"))]
mod crash;
mod descriptors;
mod durability;
mod error;
mod faults;
mod fsck;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod keys;
mod limits;
mod location;
mod mark;
mod metadata;
mod metrics;
mod names;
mod ownership;
mod pace;
mod permissions;
mod random;
mod server;
mod signing;
mod sums;
mod supervisor;
mod watched;

pub use self::builder::ServerBuilder;
pub use self::clock::{Clock, ManualClock, SystemClock};
pub use self::durability::Durability;
pub use self::error::StartError;
pub use self::faults::{Fault, InvalidFault};
pub use self::fsck::{Finding, FindingKind, FsckMode, FsckReport, QuarantinedContent, fsck};
pub use self::http::{Operation, operations};
pub use self::keys::{KeyEntry, KeyFile, KeyFileError, NewKey};
pub use self::limits::{InvalidLimit, Limits};
pub use self::mark::StoreMismatch;
pub use self::permissions::{Exposed, Protection, check_permissions};
pub use self::server::Server;
pub use self::supervisor::TaskEnded;

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
