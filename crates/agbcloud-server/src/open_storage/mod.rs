//! Opens the storage engines.

#[cfg(feature = "postgres")]
pub(crate) mod postgres;

#[cfg(feature = "postgres")]
pub(crate) use self::postgres::{open_blobs, open_blobs_for_reading};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::blobs::{Blobs, Quarantine};
use crate::data_folder::{BLOBS, BackupLock, DATABASE, DATABASE_WAL, FolderLock};
use crate::durability::Durability;
use crate::error::StartError;
use crate::metadata::sqlite::Sqlite;
use crate::metadata::sqlite::open::Opened;
use crate::metadata::{KeyTable, Metadata};
use crate::signing::Secret;
#[cfg(not(feature = "postgres"))]
use crate::storage::InvalidStorage;
use crate::storage::{Engine, SecretUrl, Storage};
use crate::system::durable_fs::sync_folder;
use crate::system::permissions;
use crate::system::random;

/// The open storage of a server.
pub(crate) struct OpenStorage {
    pub(crate) metadata: Arc<dyn Metadata>,
    pub(crate) blobs: Blobs,
    pub(crate) secret: Secret,
    /// The keys in the database, if several processes can share it.
    pub(crate) keys: Option<Arc<dyn KeyTable>>,
}

/// Opens the storage of a server. With [`Durability::Memory`], a data folder is not used.
pub(crate) async fn open_storage(
    storage: Storage,
    durability: Durability,
) -> Result<OpenStorage, StartError> {
    let new_secret = Secret(random::bytes().map_err(|_| StartError::NoRandom)?);
    match storage.0 {
        Engine::Folder(folder) if durability != Durability::Memory => {
            open_folder(folder, durability, new_secret).await
        }
        Engine::Folder(_) | Engine::Memory => {
            let blobs = Blobs::memory().map_err(|_| StartError::NoRandom)?;
            let (metadata, secret) = Sqlite::memory(new_secret).await.map_err(StartError::from)?;
            Ok(OpenStorage {
                metadata: Arc::new(metadata),
                blobs,
                secret,
                keys: None,
            })
        }
        #[cfg(feature = "postgres")]
        Engine::Postgres { metadata, blobs } => {
            Box::pin(postgres::open(&metadata, &blobs, durability, new_secret)).await
        }
        #[cfg(not(feature = "postgres"))]
        Engine::Postgres { .. } => Err(StartError::InvalidStorage(InvalidStorage::Unsupported {
            engine: "PostgreSQL",
            feature: "postgres",
        })),
    }
}

/// Opens the keys in a database. Also returns the secret of the store.
pub(crate) async fn open_keys(
    metadata: &SecretUrl,
) -> Result<(Arc<dyn KeyTable>, Secret), StartError> {
    #[cfg(feature = "postgres")]
    {
        let new_secret = Secret(random::bytes().map_err(|_| StartError::NoRandom)?);
        Box::pin(postgres::open_keys(metadata, new_secret)).await
    }
    #[cfg(not(feature = "postgres"))]
    {
        let _ = metadata;
        Err(StartError::InvalidStorage(InvalidStorage::Unsupported {
            engine: "PostgreSQL",
            feature: "postgres",
        }))
    }
}

async fn open_folder(
    folder: PathBuf,
    durability: Durability,
    new_secret: Secret,
) -> Result<OpenStorage, StartError> {
    let (lock, folder) = {
        let folder = folder.clone();
        blocking(&folder.clone(), move || {
            Ok((FolderLock::acquire(&folder)?, fs::canonicalize(&folder)?))
        })
        .await?
    };
    let lock = lock.ok_or_else(|| StartError::FolderInUse {
        path: folder.clone(),
    })?;
    permissions::check_data_folder(&folder, &[DATABASE, DATABASE_WAL])?;
    // Opens the database first: it rejects a store of a newer version before anything is changed.
    let Opened {
        store,
        secret,
        previous,
    } = Sqlite::open(folder.join(DATABASE), durability, lock, new_secret)
        .await
        .map_err(StartError::from)?;
    let path = folder.clone();
    // With strict durability, a content has its final name on disk before the commit that acknowledges it.
    let staged_is_unacknowledged = previous.is_some_and(|marker| marker.strict);
    let blobs = blocking(&folder, move || {
        let quarantine = Quarantine::of(&path);
        let backups = BackupLock::of(&path);
        backups.create()?;
        let blobs = Blobs::folder(&path.join(BLOBS), durability)?
            .with_quarantine(quarantine, staged_is_unacknowledged)
            .with_backup_lock(backups);
        // Makes the names of the database and of the blob folder durable.
        sync_folder(&path)?;
        path.parent().map_or(Ok(()), sync_folder)?;
        Ok(blobs)
    })
    .await?;
    Ok(OpenStorage {
        metadata: Arc::new(store),
        blobs,
        secret,
        keys: None,
    })
}

pub(super) async fn blocking<T: Send + 'static>(
    folder: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StartError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)
        .and_then(|result| result)
        .map_err(|source| StartError::Folder {
            path: folder.to_owned(),
            source,
        })
}
