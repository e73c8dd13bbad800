//! What a blob store guarantees and what it lacks.

use std::fmt;
use std::path::PathBuf;

use crate::system::random::NoRandom;

/// What the service needs from a blob store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreCapability {
    /// Writing an object.
    Put,
    /// Reading an object.
    Get,
    /// Reading a part of an object.
    Range,
    /// Reading the size of an object.
    Head,
    /// Listing objects.
    List,
    /// Writing an object in parts, and removing the parts of an upload that is given up.
    Multipart,
    /// Reading, right after a write, what was written.
    ReadAfterWrite,
    /// Deleting objects.
    Delete,
}

impl fmt::Display for StoreCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Put => "write objects",
            Self::Get => "read objects",
            Self::Range => "read parts of objects",
            Self::Head => "return the size of objects",
            Self::List => "list objects",
            Self::Multipart => "write objects in parts",
            Self::ReadAfterWrite => "read what was just written",
            Self::Delete => "delete objects",
        })
    }
}

/// What an S3-compatible store guarantees, as observed at the start of a server.
///
/// The server does not start unless the store can write, read, list and delete objects, read and write parts of them, and
/// reads return what was just written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobStoreReport {
    /// The bucket, its prefix and its endpoint.
    pub store: String,
    /// Whether the store refuses to replace an object if asked to. Only informational: the service does not depend on it.
    pub conditional_put: bool,
    /// By how many seconds the clock of the store is ahead of the local clock. `None` if the store sends no time.
    pub clock_offset: Option<i64>,
    /// Whether URLs of the store are enforced, so that clients may download from it. `None` if that was not checked, because
    /// [`direct_downloads`](crate::ServerBuilder::direct_downloads) is off.
    pub direct_downloads: Option<bool>,
}

impl BlobStoreReport {
    #[cfg(feature = "s3")]
    pub(super) fn new(store: String) -> Self {
        Self {
            store,
            conditional_put: false,
            clock_offset: None,
            direct_downloads: None,
        }
    }
}

impl fmt::Display for BlobStoreReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, .. } = self;
        write!(
            f,
            "blob store {store}: put, get, range, head, list, multipart, delete and read-after-write work"
        )?;
        match self.conditional_put {
            true => write!(f, "; conditional put works")?,
            false => write!(f, "; no conditional put (not needed)")?,
        }
        match self.clock_offset {
            Some(0) => write!(f, "; clocks agree")?,
            Some(seconds) => write!(f, "; its clock differs by {seconds} s")?,
            None => write!(f, "; its clock is unknown")?,
        }
        match self.direct_downloads {
            Some(true) => write!(f, "; direct downloads are enforced"),
            Some(false) => write!(f, "; direct downloads are not enforced"),
            None => Ok(()),
        }
    }
}

/// Why a blob store can't be used. The message contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobStoreError {
    /// The URL is invalid.
    #[error("invalid blobs URL: {0}")]
    InvalidUrl(#[from] InvalidBucketUrl),
    /// The store can't be reached, the bucket is missing, or the credentials are wrong.
    #[error(
        "can't use the blob store {store}: {reason}. Check the endpoint, the bucket and the region, and the credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    Unusable {
        /// The bucket and its endpoint.
        store: String,
        /// The error of the store.
        reason: String,
    },
    /// The store lacks what the service needs.
    #[error("the blob store {store} does not {capability}, which the service needs: {reason}")]
    Lacks {
        /// The bucket and its endpoint.
        store: String,
        /// What the store lacks.
        capability: StoreCapability,
        /// The error of the store.
        reason: String,
    },
    /// [Direct downloads](crate::ServerBuilder::direct_downloads) are not possible.
    #[error("direct downloads are not possible: {0}")]
    DirectDownloads(#[from] DirectDownloadError),
    /// The operating system returned no random bytes.
    #[error("the operating system returned no random bytes")]
    NoRandom,
}

impl From<NoRandom> for BlobStoreError {
    fn from(_: NoRandom) -> Self {
        Self::NoRandom
    }
}

/// Why the URL of a bucket is invalid. The message contains no value of the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBucketUrl {
    /// The URL has another form.
    #[error(
        "expected s3://BUCKET/PREFIX?endpoint=URL, without credentials, which belong into AWS_… variables"
    )]
    Form,
    /// The URL has an unknown parameter.
    #[error("unknown parameter {name:?}: the parameters are {known}")]
    UnknownParameter {
        /// The parameter.
        name: String,
        /// The valid parameters.
        known: &'static str,
    },
    /// The value of a parameter is invalid.
    #[error("invalid parameter {name}: expected {expected}")]
    InvalidParameter {
        /// The parameter.
        name: &'static str,
        /// The valid values.
        expected: &'static str,
    },
    /// The endpoint would transfer contents without encryption.
    #[error("the endpoint is http: use https, or add allow_http=true if the network is private")]
    InsecureEndpoint,
    /// The file with certificates can't be used.
    #[error("can't use the certificates in {}: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

/// Why a store can't be used for direct downloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectDownloadError {
    /// The blobs are not in a bucket.
    #[error("the contents of files are not in a bucket")]
    NoBucket,
    /// The store refuses a URL that it should accept.
    #[error("the store refuses presigned URLs")]
    Refused,
    /// The store ignores the headers in a URL.
    #[error("the store ignores the response headers in presigned URLs")]
    Headers,
    /// A URL for a download works for an upload, too.
    #[error("the store accepts a presigned URL for another method")]
    Method,
    /// A URL works with another header or expiry.
    #[error("the store accepts an altered presigned URL")]
    Signature,
    /// A URL works after it has expired.
    #[error("the store accepts an expired presigned URL")]
    Expiry,
}

/// The headers of a direct download.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DownloadHeaders<'a> {
    pub(crate) disposition: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) cache_control: &'a str,
}
