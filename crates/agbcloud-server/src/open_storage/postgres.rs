//! Opens a PostgreSQL database and its store of blobs, which other processes may use at the same time.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{OpenStorage, blocking};
use crate::blobs::{BlobError, Blobs};
use crate::durability::Durability;
use crate::error::StartError;
use crate::metadata::KeyTable;
use crate::metadata::postgres::{OpenError, Opened, Postgres};
use crate::signing::Secret;
use crate::storage::{BlobsUrl, InvalidStorage, SecretUrl};

impl From<OpenError> for StartError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NewerSchema(found) => Self::NewerSchema {
                found,
                known: OpenError::KNOWN_SCHEMA,
            },
            OpenError::UnfinishedImport => Self::UnfinishedImport,
            other => Self::Postgres {
                reason: other.to_string(),
            },
        }
    }
}

/// Opens the database first: it rejects a newer store before anything is changed. Then compares the markers, and advances both.
pub(super) async fn open(
    metadata: &SecretUrl,
    blobs: &BlobsUrl,
    durability: Durability,
    new_secret: Secret,
) -> Result<OpenStorage, StartError> {
    if durability == Durability::Memory {
        return Err(InvalidStorage::Combination.into());
    }
    let variable = |name: &str| std::env::var(name).ok();
    let Opened {
        store,
        secret,
        marker,
        confirmed,
    } = Postgres::open(metadata.expose(), variable, durability, new_secret).await?;
    let blobs = open_blobs(blobs, durability).await?;
    let failed = |error: BlobError| StartError::Blobs {
        reason: error.to_string(),
    };
    let found = blobs.shared_marker().await.map_err(failed)?;
    marker
        .check(found.as_ref(), confirmed)
        .map_err(|mismatch| StartError::StoreMismatch { mismatch })?;
    let marker = store.start_marker().await.map_err(OpenError::from)?;
    blobs.write_shared_marker(marker).await.map_err(failed)?;
    store.confirm_marker().await.map_err(OpenError::from)?;
    let store = Arc::new(store);
    Ok(OpenStorage {
        metadata: store.clone(),
        blobs,
        secret,
        keys: Some(store),
    })
}

/// Opens the store of blobs.
pub(crate) async fn open_blobs(
    blobs: &BlobsUrl,
    durability: Durability,
) -> Result<Blobs, StartError> {
    match blobs {
        BlobsUrl::Folder(folder) => open_blob_folder(folder, durability).await,
        #[cfg(feature = "s3")]
        BlobsUrl::Bucket(url) => Ok(Blobs::bucket(url.expose()).await?),
        #[cfg(not(feature = "s3"))]
        BlobsUrl::Bucket(_) => Err(StartError::InvalidStorage(InvalidStorage::Unsupported {
            engine: "S3",
            feature: "s3",
        })),
    }
}

/// Opens the store of blobs, and writes nothing to it.
pub(crate) fn open_blobs_for_reading(blobs: &BlobsUrl) -> Result<Blobs, StartError> {
    match blobs {
        BlobsUrl::Folder(folder) => {
            let blobs = std::path::absolute(folder).and_then(|path| Blobs::existing(&path));
            blobs.map_err(|source| StartError::Folder {
                path: folder.clone(),
                source,
            })
        }
        #[cfg(feature = "s3")]
        BlobsUrl::Bucket(url) => Ok(Blobs::unprobed_bucket(url.expose())?),
        #[cfg(not(feature = "s3"))]
        BlobsUrl::Bucket(_) => Err(StartError::InvalidStorage(InvalidStorage::Unsupported {
            engine: "S3",
            feature: "s3",
        })),
    }
}

/// Opens the keys in the database, and returns the secret of the store.
pub(super) async fn open_keys(
    metadata: &SecretUrl,
    new_secret: Secret,
) -> Result<(Arc<dyn KeyTable>, Secret), StartError> {
    let variable = |name: &str| std::env::var(name).ok();
    let opened =
        Postgres::open(metadata.expose(), variable, Durability::Strict, new_secret).await?;
    Ok((Arc::new(opened.store), opened.secret))
}

/// Opens a folder that all processes share.
async fn open_blob_folder(folder: &Path, durability: Durability) -> Result<Blobs, StartError> {
    let path = folder.to_owned();
    blocking(folder, move || {
        let path = std::path::absolute(path)?;
        Blobs::folder(&path, durability).map_err(io::Error::other)
    })
    .await
}
