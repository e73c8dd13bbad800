//! Errors of the SDK as errors of `object_store`.

use agbcloud::{ErrorDetail, ErrorKind};
use object_store::{Error, path::Path};

/// The name of the store in errors.
pub(crate) const STORE: &str = "AgbCloud";

type Source = Box<dyn std::error::Error + Send + Sync>;

/// An error that `object_store` has no other variant for.
pub(crate) fn generic(source: impl Into<Source>) -> Error {
    Error::Generic {
        store: STORE,
        source: source.into(),
    }
}

/// The error of an operation that the wire does not have.
pub(crate) fn not_implemented(operation: &str) -> Error {
    Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: STORE.to_owned(),
    }
}

/// The error of a location that no file of a context can have.
pub(crate) fn invalid_location(error: agbcloud::Error) -> Error {
    generic(error)
}

/// Converts an error about one file. A missing context is not a missing file: to a writer of tables, that would be an
/// empty table.
pub(crate) fn of_file(location: &Path, error: agbcloud::Error) -> Error {
    let path = location.to_string();
    if is_missing_file(&error) {
        let source = error.into();
        return Error::NotFound { path, source };
    }
    if is_precondition(&error) {
        let source = error.into();
        return Error::Precondition { path, source };
    }
    let (kind, status) = (error.kind(), error.status());
    match kind {
        ErrorKind::Unauthorized if status == Some(403) => Error::PermissionDenied {
            path,
            source: error.into(),
        },
        ErrorKind::Unauthorized => Error::Unauthenticated {
            path,
            source: error.into(),
        },
        ErrorKind::UrlRejected => Error::PermissionDenied {
            path,
            source: error.into(),
        },
        _ => generic(error),
    }
}

/// Converts an error about a listing.
pub(crate) fn of_listing(prefix: Option<&Path>, error: agbcloud::Error) -> Error {
    of_file(prefix.unwrap_or(&Path::ROOT), error)
}

pub(crate) fn is_missing_file(error: &agbcloud::Error) -> bool {
    error.kind() == ErrorKind::NotFound && error.detail() != Some(ErrorDetail::ContextNotFound)
}

/// Whether the store evaluated a condition to false.
pub(crate) fn is_precondition(error: &agbcloud::Error) -> bool {
    error.kind() == ErrorKind::Conflict
        && (error.status() == Some(412) || error.is_failed_condition())
}
