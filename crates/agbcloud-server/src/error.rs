//! Why a server does not start, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::limits::InvalidLimit;
use crate::markers::StoreMismatch;
use crate::metadata::sqlite::{DatabaseError, VERSION};
use crate::permissions::Exposed;

/// Why [`ServerBuilder::start`](crate::ServerBuilder::start) did not start a server. The message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another process listens there.
    #[error(
        "{address} is in use by another process: stop that process, or listen on another port (port 0 takes a free one)"
    )]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The operating system does not let the server listen there.
    #[error(
        "can't listen on {address}: give an address of this machine, and a port that this user may use"
    )]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// Without API keys everyone who can reach the server could use it.
    #[error(
        "{address} can be reached from other machines: give at least one API key or a key file, or listen on a loopback address such as 127.0.0.1"
    )]
    KeysRequired {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Whoever asked for failures should be the only one to meet them.
    #[error(
        "{address} can be reached from other machines: faults are for clients under test, so listen on a loopback address such as 127.0.0.1"
    )]
    FaultsBeyondLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// An API key that no client could send.
    #[error("an API key has to be of one or more visible ASCII characters without spaces")]
    InvalidApiKey,
    /// The key file is not there, or not one.
    #[error("{reason}")]
    KeyFile {
        /// What is wrong with it.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The certificate and its key can't be used.
    #[error("TLS: {reason}")]
    Tls {
        /// What is wrong with them.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another server, perhaps of another process, works on the folder.
    #[error("the data folder {} is in use by another server: stop that server, or give another folder", path.display())]
    FolderInUse {
        /// The data folder.
        path: PathBuf,
    },
    /// Others can change the database.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// The folder can't be made, read or written.
    #[error("can't use the data folder {}: give a folder that this user may write", path.display())]
    Folder {
        /// The data folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The store was written by a later version of this crate.
    #[error(
        "the store is of schema version {found} and this binary knows up to {known}: use the newer version that wrote it"
    )]
    NewerSchema {
        /// The version of the store.
        found: i64,
        /// The latest version that this crate can use.
        known: i64,
    },
    /// The database and the folder of blobs do not belong together, so that one of them lacks acknowledged changes. Nothing
    /// was changed.
    #[error(
        "{mismatch}. Nothing was changed. Restore the part that is older or lost; or accept what is there with `agb serve fsck --accept`, which keeps in quarantine what the database does not name"
    )]
    StoreMismatch {
        /// How they differ.
        mismatch: StoreMismatch,
    },
    /// The database does not open.
    #[error(
        "the database can't be used: {reason}. If the file is damaged, restore the data folder from a backup"
    )]
    Database {
        /// What the database said.
        reason: String,
    },
    /// Not a URL that presigned URLs can begin with.
    #[error(
        "the public URL has to look like https://agb.example.com or https://example.com/agb, without user, query and fragment"
    )]
    InvalidPublicUrl,
    /// Presigned URLs can't live that long or short.
    #[error("presigned URLs live 1 to 604800 seconds, not {ttl:?}")]
    InvalidUrlTtl {
        /// The life asked for.
        ttl: Duration,
    },
    /// A limit that no server could live within.
    #[error(transparent)]
    InvalidLimit(#[from] InvalidLimit),
    /// A login region without a name, or no region at all.
    #[error("give at least one login region, each of 1 to 64 visible ASCII characters")]
    InvalidRegion,
    /// The operating system gives no random bytes.
    #[error("the operating system gave no random bytes to make secrets from")]
    NoRandom,
}

impl From<DatabaseError> for StartError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::NewerSchema(found) => Self::NewerSchema {
                found,
                known: VERSION,
            },
            DatabaseError::Mismatch(mismatch) => Self::StoreMismatch { mismatch },
            other => Self::Database {
                reason: other.to_string(),
            },
        }
    }
}
