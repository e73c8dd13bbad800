//! What an error is about, for programs.

use super::ErrorKind;

/// What exactly is missing, exists already or exceeds a limit: from [`Error::detail`](crate::Error::detail).
///
/// ```
/// use agbcloud::{Error, ErrorDetail};
///
/// fn hint(error: &Error) -> Option<&'static str> {
///     Some(match error.detail()? {
///         ErrorDetail::NoApiKey => "set AGB_API_KEY",
///         ErrorDetail::ContextNotFound => "list contexts with `agb context list`",
///         ErrorDetail::EmptySource { .. } => "check the source folder",
///         _ => return None,
///     })
/// }
/// # assert_eq!(hint(&agbcloud::ContextId::new("").unwrap_err()), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorDetail {
    /// No source of settings has an API key.
    NoApiKey,
    /// The context does not exist, or belongs to another API key.
    ContextNotFound,
    /// The remote file or folder does not exist.
    FileNotFound,
    /// The endpoint does not have the operation.
    OperationNotFound,
    /// The endpoint is https, and its port does not speak TLS.
    NotTls,
    /// The endpoint is http, and the response is not HTTP. The port probably speaks TLS.
    NotHttp,
    /// The issuer of the certificate is not trusted: it is self-signed, or of a private certificate authority.
    /// [`root_certificates`](crate::ClientBuilder::root_certificates) trusts it.
    UntrustedCertificate,
    /// The server uses the certificate of a certificate authority as its own, which is not allowed. Such a certificate is often
    /// the result of `openssl req -x509` without `basicConstraints=CA:FALSE`.
    CaCertificate,
    /// The certificate has expired.
    ExpiredCertificate,
    /// The certificate is not valid yet. The local clock may be wrong.
    FutureCertificate,
    /// The certificate is valid for other host names than that of the endpoint.
    OtherHostCertificate,
    /// The certificate is invalid for another reason: see the source of the error.
    InvalidCertificate,
    /// The server requires a [client certificate](crate::ClientBuilder::client_certificate), or does not accept the one that was
    /// sent.
    ClientCertificateRejected,
    /// The host name of the endpoint or of the proxy can't be resolved: the message names it.
    HostNotFound,
    /// The proxy can't be reached.
    ProxyUnreachable,
    /// The proxy responded to `CONNECT` with another status than 200 or 407.
    ProxyRefused,
    /// The context is being cleared.
    ContextClearing,
    /// The upload would exceed a quota of the context or the tenant: the message names the limit, its value and the usage.
    /// Delete files, or ask the operator of the service for a higher limit.
    QuotaExceeded,
    /// The local target of a download exists, and overwriting is not allowed.
    TargetExists,
    /// A file and a folder have the same name, which a context can contain and a local folder can't. If
    /// [`path`](crate::Error::path) is set, it is the one that was not copied: a folder with a slash at its end.
    FileAndFolder,
    /// The file changed while it was transferred, or since it was compared.
    Changed,
    /// The response to a conditional write was lost or had a wrong checksum, and the file has changed since, so that it may or
    /// may not contain the write. Read the file before you repeat the [update](crate::Files::update).
    OutcomeUnknown,
    /// The object store ignores the conditions that an [update](crate::Files::update) needs.
    UpdateUnguarded,
    /// A sync would delete more files than its [`DeleteLimit`](crate::DeleteLimit) allows.
    DeleteLimit {
        /// Files that would be deleted.
        deleted: u64,
        /// Files on the side that is written to.
        total: u64,
    },
    /// The source of a sync has no files, and files would be deleted.
    EmptySource {
        /// Files that would be deleted.
        deleted: u64,
    },
    /// The file is larger than the caller allows.
    SizeLimit {
        /// The limit, in bytes.
        bytes: u64,
    },
}

/// Where the failure is: from [`Error::side`](crate::Error::side).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The local file system.
    Local,
    /// The service or the object store.
    Remote,
}

impl ErrorDetail {
    /// What a code of the service or the object store means in an error of this kind.
    pub(super) fn of_code(kind: ErrorKind, code: &str) -> Option<Self> {
        match kind {
            ErrorKind::WrongEndpoint => Some(Self::OperationNotFound),
            ErrorKind::NotFound if names_file(code) => Some(Self::FileNotFound),
            ErrorKind::NotFound if names_context(code) => Some(Self::ContextNotFound),
            ErrorKind::Conflict if names_context(code) && code.ends_with("Clearing") => {
                Some(Self::ContextClearing)
            }
            ErrorKind::Conflict if matches!(code, "QuotaExceeded" | "TooManyFiles") => {
                Some(Self::QuotaExceeded)
            }
            _ => None,
        }
    }
}

/// Whether the code is about a file: of the service, or of an object store.
pub(super) fn names_file(code: &str) -> bool {
    code.starts_with("InvalidFile") || code == "NoSuchKey"
}

/// Whether the code is about a context.
pub(super) fn names_context(code: &str) -> bool {
    code.starts_with("InvalidContext") || (code.contains("Context") && code.ends_with("NotFound"))
}

impl Side {
    /// The side that an error of this kind is on, where the kind alone decides.
    pub(super) fn of_kind(kind: ErrorKind) -> Option<Self> {
        match kind {
            ErrorKind::LocalFile | ErrorKind::CallerStream => Some(Self::Local),
            ErrorKind::Configuration
            | ErrorKind::InvalidArgument
            | ErrorKind::SafetyLimit
            | ErrorKind::Corrupted => None,
            _ => Some(Self::Remote),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_name_what_is_missing() {
        use ErrorDetail::*;
        for (kind, code, detail) in [
            (
                ErrorKind::NotFound,
                "InvalidContext.NotFound",
                Some(ContextNotFound),
            ),
            (
                ErrorKind::NotFound,
                "ContextNotFound",
                Some(ContextNotFound),
            ),
            (
                ErrorKind::NotFound,
                "InvalidFile.NotFound",
                Some(FileNotFound),
            ),
            (ErrorKind::NotFound, "NoSuchKey", Some(FileNotFound)),
            (ErrorKind::NotFound, "X.NotFound", None),
            (ErrorKind::WrongEndpoint, "", Some(OperationNotFound)),
            (
                ErrorKind::Conflict,
                "InvalidContext.Clearing",
                Some(ContextClearing),
            ),
            (ErrorKind::Conflict, "InvalidContextName.Duplicate", None),
            (ErrorKind::Conflict, "QuotaExceeded", Some(QuotaExceeded)),
            (ErrorKind::Conflict, "TooManyFiles", Some(QuotaExceeded)),
            (ErrorKind::Rejected, "QuotaExceeded", None),
        ] {
            assert_eq!(ErrorDetail::of_code(kind, code), detail, "{code}");
        }
    }
}
