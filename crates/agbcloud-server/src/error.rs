//! The error of starting a server.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::blobs::BlobStoreError;
use crate::limits::InvalidLimit;
use crate::markers::StoreMismatch;
use crate::metadata::sqlite::{DatabaseError, VERSION};
use crate::storage::InvalidStorage;
use crate::system::permissions::InsecurePermissions;

/// Why [`ServerBuilder::start`](crate::ServerBuilder::start) failed. The message says how to correct it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another process listens on the address.
    #[error(
        "{address} is in use by another process: stop that process, or listen on another port (port 0 selects a free one)"
    )]
    AddressInUse {
        /// The requested address.
        address: SocketAddr,
    },
    /// The operating system does not let the server listen on the address.
    #[error(
        "can't listen on {address}: use a local address and a port that the current user may use"
    )]
    Listen {
        /// The requested address.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Without API keys, everyone who can reach the server could use it.
    #[error(
        "{address} is reachable from other hosts: configure at least one API key or a key file, or listen on a loopback address such as 127.0.0.1"
    )]
    KeysRequired {
        /// The requested address.
        address: SocketAddr,
    },
    /// Faults are only allowed on loopback addresses.
    #[error(
        "{address} is reachable from other hosts: faults are for testing clients, so listen on a loopback address such as 127.0.0.1"
    )]
    FaultsBeyondLoopback {
        /// The requested address.
        address: SocketAddr,
    },
    /// An API key that no client could send.
    #[error("an API key must consist of visible ASCII characters without spaces")]
    InvalidApiKey,
    /// The key file is missing or invalid.
    #[error("{reason}")]
    KeyFile {
        /// The reason.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The keys in the database can't be read.
    #[error("can't read the keys in the database: {reason}")]
    KeyDatabase {
        /// The error of the database.
        reason: String,
    },
    /// The certificate and its key can't be used.
    #[error("TLS: {reason}")]
    Tls {
        /// The reason.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another server, possibly in another process, uses the data folder.
    #[error("the data folder {} is in use by another server: stop that server, or use another folder", path.display())]
    FolderInUse {
        /// The data folder.
        path: PathBuf,
    },
    /// Other users can write to the database.
    #[error(transparent)]
    InsecurePermissions(#[from] InsecurePermissions),
    /// The data folder can't be created, read or written.
    #[error("can't use the data folder {}: use a folder that the current user may write to", path.display())]
    Folder {
        /// The data folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A later version of this crate wrote the store.
    #[error(
        "the store has schema version {found}, but this version supports at most {known}: use the version that wrote the store"
    )]
    NewerSchema {
        /// The schema version of the store.
        found: i64,
        /// The latest schema version that this crate supports.
        known: i64,
    },
    /// The database and the blob folder do not belong together, so one of them lacks acknowledged changes. Nothing was
    /// changed.
    #[error(
        "{mismatch}. Nothing was changed. Check the paths and URLs; restore the part that is older or lost; or accept the current state with `agb serve fsck --accept`, which moves contents that the database does not reference to the quarantine"
    )]
    StoreMismatch {
        /// How they differ.
        mismatch: StoreMismatch,
    },
    /// The database can't be opened.
    #[error(
        "can't open the database: {reason}. If the file is damaged, restore the data folder from a backup"
    )]
    Database {
        /// The error of the database.
        reason: String,
    },
    /// The PostgreSQL database can't be used.
    #[error("can't use the PostgreSQL database: {reason}")]
    Postgres {
        /// The error of the settings, the connection or the server. Contains no password.
        reason: String,
    },
    /// The store of blobs can't be used.
    #[error("can't use the store of blobs: {reason}")]
    Blobs {
        /// The error of the store.
        reason: String,
    },
    /// A restore or a migration into the store did not finish, so that it is incomplete.
    #[error(
        "a restore or a migration into the store did not finish: repeat it to continue, or delete the store"
    )]
    UnfinishedImport,
    /// The public URL can't be the prefix of presigned URLs.
    #[error(
        "the public URL must have the form https://agb.example.com or https://example.com/agb, without user, query and fragment"
    )]
    InvalidPublicUrl,
    /// The lifetime of presigned URLs is out of range.
    #[error("the lifetime of presigned URLs must be 1 to 604800 seconds, not {ttl:?}")]
    InvalidUrlTtl {
        /// The requested lifetime.
        ttl: Duration,
    },
    /// The storage URLs are invalid, or this build does not support their engines.
    #[error(transparent)]
    InvalidStorage(#[from] InvalidStorage),
    /// The blob store can't be used, or lacks what the service needs.
    #[error(transparent)]
    BlobStore(#[from] BlobStoreError),
    /// A limit is out of range.
    #[error(transparent)]
    InvalidLimit(#[from] InvalidLimit),
    /// A login region is invalid, or there is none.
    #[error("configure at least one login region; a region has 1 to 64 visible ASCII characters")]
    InvalidRegion,
    /// The operating system returned no random bytes.
    #[error("the operating system returned no random bytes to generate secrets from")]
    NoRandom,
}

impl From<DatabaseError> for StartError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::NewerSchema(found) => Self::NewerSchema {
                found,
                known: VERSION,
            },
            DatabaseError::Importing => Self::UnfinishedImport,
            DatabaseError::Mismatch(mismatch) => Self::StoreMismatch { mismatch },
            other => Self::Database {
                reason: other.to_string(),
            },
        }
    }
}
