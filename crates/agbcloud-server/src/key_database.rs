//! Editing the keys in a database, also while servers use it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::error::StartError;
use crate::key_file::{KeyEntry, KeyFile, KeyFileError, KeyLimits, NewKey};
use crate::metadata::{KeyTable, StoreError, Usage};
use crate::open_storage::open_keys;
use crate::signing::Signer;
use crate::storage::SecretUrl;

/// Number of keys in one query.
const PAGE: u32 = 1000;

/// The API keys and signing keys in the database of several servers.
///
/// Each server sees a change after at most two seconds. From the first key on, all servers of the database accept only its
/// keys, even after all of them are revoked.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::SystemTime;
/// use agbcloud_server::{KeyDatabase, KeyLimits};
///
/// let keys = KeyDatabase::open("postgres://agb@localhost/agb").await?;
/// let key = keys.add("team-a", KeyLimits::default(), SystemTime::now()).await?;
/// println!("{}", key.secret());
/// keys.revoke(key.id()).await?;
/// # Ok(())
/// # }
/// ```
pub struct KeyDatabase {
    table: Arc<dyn KeyTable>,
    signer: Signer,
}

/// Why the keys in a database can't be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyDatabaseError {
    /// The tenant or the id of a key is invalid.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The database failed or does not respond.
    #[error("can't use the keys in the database: {reason}")]
    Database {
        /// The error of the database.
        reason: String,
    },
    /// Other processes changed the signing keys at the same time, repeatedly.
    #[error("the signing keys are being changed by others: try again")]
    Conflict,
}

impl From<StoreError> for KeyDatabaseError {
    fn from(error: StoreError) -> Self {
        Self::Database {
            reason: error.to_string(),
        }
    }
}

impl KeyDatabase {
    /// Connects to a PostgreSQL database by its URL. Creates or migrates the schema if needed.
    ///
    /// # Errors
    ///
    /// If the URL is invalid, or the database can't be used.
    pub async fn open(url: &str) -> Result<Self, StartError> {
        let (table, secret) = open_keys(&SecretUrl::postgres(url)?).await?;
        Ok(Self {
            table,
            signer: Signer::new(&secret),
        })
    }

    /// Generates an API key for a tenant, like [`KeyFile::add`], with these limits.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Tenant`], or if the database fails.
    pub async fn add(
        &self,
        tenant: &str,
        limits: KeyLimits,
        now: SystemTime,
    ) -> Result<NewKey, KeyDatabaseError> {
        let mut keys = KeyFile::default();
        let new = keys.add(tenant, now)?;
        keys.set_limits(new.id(), limits)?;
        for entry in keys.keys() {
            let issuer = self.signer.issuer(&entry.hash());
            self.table.insert(entry, &issuer).await?;
        }
        Ok(new)
    }

    /// Returns all API keys in the order of their ids.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn keys(&self) -> Result<Vec<KeyEntry>, KeyDatabaseError> {
        let mut keys: Vec<KeyEntry> = Vec::new();
        loop {
            let after = keys.last().map_or("", |key| key.id()).to_owned();
            let page = self.table.list(&after, PAGE).await?;
            if page.is_empty() {
                return Ok(keys);
            }
            keys.extend(page);
        }
    }

    /// Returns what a tenant stores.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn usage(&self, tenant: &str) -> Result<Usage, KeyDatabaseError> {
        Ok(self.table.usage(&self.signer.named_tenant(tenant)).await?)
    }

    /// Changes the limits of an API key. Each server sees the change after at most two seconds. `change` runs again after a lost
    /// connection.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::NoKey`], or if the database fails.
    pub async fn change_limits(
        &self,
        id: &str,
        change: impl Fn(&mut KeyLimits) + Send + Sync,
    ) -> Result<(), KeyDatabaseError> {
        match self.table.change_limits(id, &change).await? {
            true => Ok(()),
            false => Err(KeyFileError::NoKey { id: id.to_owned() }.into()),
        }
    }

    /// Removes an API key.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::NoKey`], or if the database fails.
    pub async fn revoke(&self, id: &str) -> Result<(), KeyDatabaseError> {
        match self.table.delete(id).await? {
            true => Ok(()),
            false => Err(KeyFileError::NoKey { id: id.to_owned() }.into()),
        }
    }

    /// Generates a new signing key for presigned URLs, like [`KeyFile::rotate_signing`].
    ///
    /// # Errors
    ///
    /// If the database fails, or others rotate the keys at the same time.
    pub async fn rotate_signing(
        &self,
        overlap: Duration,
        now: SystemTime,
    ) -> Result<(), KeyDatabaseError> {
        for _ in 0..10 {
            let expected = self.table.signing_keys().await?;
            let mut new = expected.clone();
            new.rotate_signing(overlap, now)?;
            if self.table.replace_signing_keys(&expected, &new).await? {
                return Ok(());
            }
        }
        Err(KeyDatabaseError::Conflict)
    }
}

impl fmt::Debug for KeyDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyDatabase").finish_non_exhaustive()
    }
}
