//! The manifest, and the first line of the records.

use std::path::Path;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::archive::error::ArchiveError;
use crate::archive::report::CopyReport;
use crate::metadata::record::StoreIdentity;
use crate::signing::Secret;

const FORMAT: &str = "agb-archive";
pub(super) const VERSION: u64 = 1;
/// Maximum size of a manifest in bytes.
pub(super) const MAX_BYTES: u64 = 64 * 1024;

/// What an archive contains. Written last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: String,
    version: u64,
    /// When the backup was finished, in RFC 3339.
    pub(super) created: String,
    /// The id of the store.
    pub(super) store: String,
    /// The number of API keys.
    pub(super) keys: u64,
    pub(super) contexts: u64,
    pub(super) folders: u64,
    pub(super) files: u64,
    /// The size of all contents.
    pub(super) bytes: u64,
    /// The number of files in `blobs`.
    pub(super) blobs: u64,
    /// The size and the SHA-256 of `records.jsonl`.
    pub(super) records_bytes: u64,
    pub(super) records_sha256: String,
}

/// The part of a manifest that all versions have.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u64,
}

impl Manifest {
    pub(super) fn new(
        store: &StoreIdentity,
        report: &CopyReport,
        created: String,
        blobs: u64,
        records_bytes: u64,
        records_sha256: String,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            created,
            store: HEXLOWER.encode(&store.id),
            keys: report.keys,
            contexts: report.contexts,
            folders: report.folders,
            files: report.files,
            bytes: report.bytes,
            blobs,
            records_bytes,
            records_sha256,
        }
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, ArchiveError> {
        let mut json = serde_json::to_vec_pretty(self).map_err(ArchiveError::failed)?;
        json.push(b'\n');
        Ok(json)
    }

    pub(super) fn parse(bytes: &[u8], archive: &Path) -> Result<Self, ArchiveError> {
        let invalid = |detail: String| ArchiveError::Invalid {
            path: archive.to_owned(),
            detail,
        };
        let damaged = |error| invalid(format!("its manifest can't be read: {error}"));
        let header: Header = serde_json::from_slice(bytes).map_err(damaged)?;
        if header.format != FORMAT {
            return Err(invalid("its manifest is not that of an archive".to_owned()));
        }
        if header.version != VERSION {
            return Err(ArchiveError::Version {
                path: archive.to_owned(),
                found: header.version,
                known: VERSION,
            });
        }
        serde_json::from_slice(bytes).map_err(damaged)
    }
}

/// The first line of the records.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum StoreLine {
    /// The id and the secret of the store, in hexadecimal.
    Store { id: String, secret: String },
}

impl StoreLine {
    pub(super) fn of(store: &StoreIdentity) -> Self {
        Self::Store {
            id: HEXLOWER.encode(&store.id),
            secret: HEXLOWER.encode(&store.secret.0),
        }
    }

    /// `None` if the id or the secret is invalid.
    pub(super) fn identity(&self) -> Option<StoreIdentity> {
        let Self::Store { id, secret } = self;
        let decode = |text: &str| HEXLOWER.decode(text.as_bytes()).ok();
        Some(StoreIdentity {
            id: decode(id)?.try_into().ok()?,
            secret: Secret(decode(secret)?.try_into().ok()?),
        })
    }
}
