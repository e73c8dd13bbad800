//! An error as one of the standard library, for functions that return those.

use std::{error::Error as _, io};

use super::{Error, ErrorDetail, ErrorKind};

/// Keeps the whole error: `get_ref` and `into_inner` return it, to downcast it. The kind is the nearest one; that of an error
/// of the local file system is the kind of its cause.
///
/// ```
/// # agbcloud_doctest::run_with_context(async |client, context, files| {
/// use std::io;
///
/// async fn text(files: &agbcloud::Files) -> io::Result<String> {
///     let bytes = files.read("/none.txt").await?;
///     String::from_utf8(bytes.to_vec()).map_err(io::Error::other)
/// }
///
/// let error = text(&files).await.unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::NotFound);
/// let error: agbcloud::Error = error.downcast()?;
/// assert!(error.is_not_found());
/// # Ok(()) });
/// ```
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(io_kind(&error), error)
    }
}

fn io_kind(error: &Error) -> io::ErrorKind {
    match error.kind() {
        ErrorKind::NotFound => io::ErrorKind::NotFound,
        ErrorKind::Unauthorized | ErrorKind::UrlRejected | ErrorKind::InsecureUrl => {
            io::ErrorKind::PermissionDenied
        }
        ErrorKind::InvalidArgument | ErrorKind::Configuration => io::ErrorKind::InvalidInput,
        ErrorKind::InvalidResponse | ErrorKind::RepeatedToken | ErrorKind::Corrupted => {
            io::ErrorKind::InvalidData
        }
        ErrorKind::Timeout | ErrorKind::ClearTimeout => io::ErrorKind::TimedOut,
        ErrorKind::Connection if error.was_sent() => io::ErrorKind::ConnectionAborted,
        ErrorKind::Connection => io::ErrorKind::NotConnected,
        ErrorKind::Throttled => io::ErrorKind::ResourceBusy,
        ErrorKind::Conflict => match error.detail() {
            Some(ErrorDetail::TargetExists) => io::ErrorKind::AlreadyExists,
            Some(ErrorDetail::QuotaExceeded) => io::ErrorKind::QuotaExceeded,
            _ => io::ErrorKind::ResourceBusy,
        },
        ErrorKind::LocalFile | ErrorKind::CallerStream => {
            cause_kind(error).unwrap_or(io::ErrorKind::Other)
        }
        _ => io::ErrorKind::Other,
    }
}

/// The kind of the first error of the operating system among the sources.
fn cause_kind(error: &Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return Some(cause.kind());
        }
        source = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_the_nearest_one() {
        let full = Error::new(ErrorKind::LocalFile, "can't write a.txt")
            .with_source(io::Error::from(io::ErrorKind::StorageFull));
        let exists = Error::new(ErrorKind::Conflict, "").with_detail(ErrorDetail::TargetExists);
        for (error, kind) in [
            (Error::new(ErrorKind::NotFound, ""), io::ErrorKind::NotFound),
            (Error::new(ErrorKind::Timeout, ""), io::ErrorKind::TimedOut),
            (Error::invalid_argument(""), io::ErrorKind::InvalidInput),
            (
                Error::new(ErrorKind::Conflict, "").with_code("TooManyFiles"),
                io::ErrorKind::QuotaExceeded,
            ),
            (exists, io::ErrorKind::AlreadyExists),
            (full, io::ErrorKind::StorageFull),
            (Error::new(ErrorKind::LocalFile, ""), io::ErrorKind::Other),
            (Error::new(ErrorKind::SafetyLimit, ""), io::ErrorKind::Other),
        ] {
            assert_eq!(io::Error::from(error.clone()).kind(), kind, "{error:?}");
        }
    }

    #[test]
    fn the_error_can_be_downcast_and_is_not_repeated() {
        let error = Error::new(ErrorKind::Throttled, "slow down").with_code("Throttling");
        let text = error.to_string();
        let error = io::Error::from(error);
        assert_eq!(error.to_string(), text);
        assert!(error.source().is_none());
        let error: Error = error.downcast().unwrap();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Throttled, Some("Throttling"))
        );
    }
}
