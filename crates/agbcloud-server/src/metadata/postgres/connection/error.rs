//! What an error of PostgreSQL means for the transaction and for the caller.

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{WasNull, WrongType};

use crate::metadata::StoreError;

/// Why a statement or a transaction failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::metadata::postgres) enum Failure {
    /// The transaction conflicts with another one. It had no effect and can be repeated.
    Conflict,
    /// The connection can't be used any more. The transaction had no effect, unless its commit was sent.
    Lost(&'static str),
    /// No host accepts a connection.
    Unreachable,
    /// The statement violates a uniqueness constraint.
    NotUnique,
    /// The statement failed, or the operation is impossible. Other operations of the transaction can continue.
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<crate::system::random::NoRandom> for Failure {
    fn from(error: crate::system::random::NoRandom) -> Self {
        Self::Store(error.into())
    }
}

impl Failure {
    /// Whether the same transaction may succeed if it is repeated.
    pub(in crate::metadata::postgres) fn is_temporary(&self) -> bool {
        matches!(self, Self::Conflict | Self::Lost(_) | Self::Unreachable)
    }

    /// The error for the caller if the operation is not repeated.
    pub(in crate::metadata::postgres) fn into_store_error(self) -> StoreError {
        match self {
            Self::Conflict => StoreError::Unavailable("transactions conflict"),
            Self::Lost(reason) => StoreError::Unavailable(reason),
            Self::Unreachable => StoreError::Unavailable("can't connect to the database"),
            Self::NotUnique => {
                StoreError::Failed("a row violates a uniqueness constraint".to_owned())
            }
            Self::Store(error) => error,
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(found) = error.as_db_error() else {
            return match is_conversion(&error) {
                true => Self::Store(StoreError::Failed(error.to_string())),
                false => Self::Lost("the connection to the database was lost"),
            };
        };
        let unavailable = |reason| Self::Store(StoreError::Unavailable(reason));
        let code = found.code();
        if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED
        {
            Self::Conflict
        } else if *code == SqlState::UNIQUE_VIOLATION {
            Self::NotUnique
        } else if *code == SqlState::LOCK_NOT_AVAILABLE {
            unavailable("a lock is held for too long")
        } else if *code == SqlState::QUERY_CANCELED {
            unavailable("a statement takes too long")
        } else if *code == SqlState::READ_ONLY_SQL_TRANSACTION
            // A standby can't begin a transaction that writes.
            || *code == SqlState::FEATURE_NOT_SUPPORTED
        {
            Self::Lost("the database server is read-only")
        } else if *code == SqlState::DISK_FULL {
            Self::Store(StoreError::Full)
        } else {
            match code.code().get(..2) {
                // Connection exceptions; or the server is shutting down, starting, or was asked to end the connection.
                Some("08" | "57") => Self::Lost("the database server ended the connection"),
                Some("53") => unavailable("the database server has too few resources"),
                // An administrator may set such limits, too.
                _ if code.code() == "25P03" || code.code() == "25P04" => {
                    Self::Lost("the transaction was idle for too long")
                }
                _ => Self::Store(StoreError::Failed(format!(
                    "PostgreSQL reports {}: {}",
                    code.code(),
                    found.message()
                ))),
            }
        }
    }
}

/// Whether a value of a row has an unexpected type.
fn is_conversion(error: &tokio_postgres::Error) -> bool {
    use std::error::Error;
    error
        .source()
        .is_some_and(|source| source.is::<WrongType>() || source.is::<WasNull>())
}
