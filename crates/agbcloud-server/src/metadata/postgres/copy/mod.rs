//! Copies of a whole store: a snapshot that is read, and a new store that is written.

mod export;
mod import;
mod import_batch;
mod lease;

use std::sync::Arc;

pub(crate) use self::export::Export;
pub(crate) use self::import::{Import, StartedImport, UnfinishedImport};
use self::lease::BackupLease;
pub(in crate::metadata::postgres) use self::lease::NO_BACKUP;
use deadpool::managed::BuildError;

use crate::markers::StoreMismatch;

use super::connection::{ConnectError, Failure, InvalidConfig, Pool, Settings};
use super::open::OpenError;
use super::schema::SchemaError;

/// Lets statements run for longer than those of a service. Their deadline still applies.
const LONG_STATEMENTS: &str =
    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// Why a store can't be copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("it contains a store already")]
    NotEmpty,
    #[error("an import from another source into it did not finish")]
    OtherImport,
    #[error("it contains no store")]
    NoStore,
    #[error(transparent)]
    Mismatch(#[from] StoreMismatch),
}

impl From<Failure> for CopyError {
    fn from(failure: Failure) -> Self {
        Self::Open(failure.into())
    }
}

impl From<InvalidConfig> for CopyError {
    fn from(error: InvalidConfig) -> Self {
        Self::Open(error.into())
    }
}

impl From<BuildError> for CopyError {
    fn from(error: BuildError) -> Self {
        Self::Open(error.into())
    }
}

impl From<ConnectError> for CopyError {
    fn from(error: ConnectError) -> Self {
        Self::Open(error.into())
    }
}

impl From<SchemaError> for CopyError {
    fn from(error: SchemaError) -> Self {
        Self::Open(error.into())
    }
}

/// Connects to a database, without a change to it.
async fn connect(url: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Pool, CopyError> {
    let settings = Arc::new(Settings::parse(url, variable)?);
    let pool = Pool::new(settings)?;
    pool.probe().await?;
    Ok(pool)
}
