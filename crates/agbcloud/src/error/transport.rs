//! Failures without a response.

use std::{error::Error as StdError, fmt, io};

use super::{Error, ErrorDetail, ErrorKind};
use crate::text::escape_for_display;

/// The error of a tunnel through a proxy, whose type has no public name.
type TunnelError = <hyper_util::client::legacy::connect::proxy::Tunnel<
    hyper_util::client::legacy::connect::HttpConnector,
> as tower_service::Service<http::Uri>>::Error;

impl Error {
    /// A failure without a response.
    pub(crate) fn from_transport(error: reqwest::Error) -> Self {
        // The URL can contain a signature.
        let error = error.without_url();
        let failure = if error.is_connect() {
            failed_connection(&error).unwrap_or_else(Self::no_connection)
        } else if error.is_timeout() {
            Self::no_response()
        } else if error.is_builder() {
            Self::invalid_argument("can't build the request")
        } else {
            failed_response(&error).unwrap_or_else(Self::connection_closed)
        };
        failure.with_source(error)
    }

    /// The service was not reached, and can't have received the call.
    pub(crate) fn no_connection() -> Self {
        Self::unsent(ErrorKind::Connection, "can't connect")
    }

    /// The connection was closed after the service may have received the call.
    pub(crate) fn connection_closed() -> Self {
        let message = "connection closed before the response was complete";
        Self::new(ErrorKind::Connection, message)
    }

    /// There was no response in time.
    pub(crate) fn no_response() -> Self {
        let message = "no response in time: retry, or increase the timeout (AGB_TIMEOUT_MS)";
        Self::new(ErrorKind::Timeout, message)
    }

    /// The request was not sent, since the rate limit of the client leaves no time for it before the deadline.
    pub(crate) fn rate_limited(rate: Option<f64>) -> Self {
        let mut message =
            "not sent before the deadline: throttling has limited the client".to_owned();
        if let Some(rate) = rate {
            message += &format!(" to {rate:.1} requests/s");
        }
        Self::unsent(ErrorKind::Throttled, message)
    }

    fn unsent(kind: ErrorKind, message: impl Into<String>) -> Self {
        let mut error = Self::new(kind, message);
        error.0.unsent = true;
        error
    }
}

/// A host name that can't be resolved.
#[derive(Debug)]
pub(crate) struct ResolveError {
    pub(crate) host: String,
    pub(crate) cause: io::Error,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't resolve {}", self.host)
    }
}

impl StdError for ResolveError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.cause)
    }
}

/// The failure of a connection whose cause is known.
fn failed_connection(error: &reqwest::Error) -> Option<Error> {
    match cause(error) {
        Some(TunnelError::ProxyAuthRequired) => {
            let kind = ErrorKind::ProxyAuthentication;
            return Some(Error::unsent(kind, kind.summary()));
        }
        Some(TunnelError::ConnectFailed(_)) => {
            let error = Error::unsent(ErrorKind::Connection, "can't connect to the proxy");
            return Some(error.with_detail(ErrorDetail::ProxyUnreachable));
        }
        Some(TunnelError::TunnelUnsuccessful) => {
            let message = "the proxy refuses to connect to the endpoint";
            let error = Error::unsent(ErrorKind::Connection, message);
            return Some(error.with_detail(ErrorDetail::ProxyRefused));
        }
        _ => {}
    }
    if let Some(ResolveError { host, .. }) = cause(error) {
        let message = format!("can't resolve the host name {}", escape_for_display(host));
        let error = Error::unsent(ErrorKind::Connection, message);
        return Some(error.with_detail(ErrorDetail::HostNotFound));
    }
    rejected_handshake(error)
}

/// The failure of a response, where the cause is known. A server of TLS 1.3 rejects a client certificate after the handshake.
fn failed_response(error: &reqwest::Error) -> Option<Error> {
    if cause::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
        let message =
            "the response is not HTTP: use https:// in the endpoint if its port speaks TLS";
        let error = Error::new(ErrorKind::Connection, message);
        return Some(error.with_detail(ErrorDetail::NotHttp));
    }
    let rejected = rejected_handshake(error)?;
    let detail = rejected.detail();
    (detail == Some(ErrorDetail::ClientCertificateRejected)).then_some(rejected)
}

#[cfg(feature = "rustls")]
fn rejected_handshake(error: &reqwest::Error) -> Option<Error> {
    use rustls::{AlertDescription, Error as TlsError};

    let (detail, message) = match cause(error)? {
        TlsError::InvalidMessage(_) => (
            Some(ErrorDetail::NotTls),
            "the port does not speak TLS: use http:// in the endpoint, or the port for https",
        ),
        TlsError::InvalidCertificate(problem) => {
            let (detail, message) = certificate_problem(problem);
            (Some(detail), message)
        }
        TlsError::AlertReceived(AlertDescription::InternalError) => return None,
        TlsError::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA,
        ) => (
            Some(ErrorDetail::ClientCertificateRejected),
            "the server requires a client certificate, or does not accept this one",
        ),
        _ => (None, ErrorKind::Tls.summary()),
    };
    let error = Error::unsent(ErrorKind::Tls, message);
    Some(match detail {
        Some(detail) => error.with_detail(detail),
        None => error,
    })
}

#[cfg(feature = "rustls")]
fn certificate_problem(problem: &rustls::CertificateError) -> (ErrorDetail, &'static str) {
    use rustls::CertificateError::*;

    match problem {
        // Another certificate authority with the same name as the trusted one has signed it.
        UnknownIssuer | BadSignature => (
            ErrorDetail::UntrustedCertificate,
            "the issuer of the certificate is not trusted: it is self-signed, or of a private certificate authority",
        ),
        Expired | ExpiredContext { .. } => (
            ErrorDetail::ExpiredCertificate,
            "the certificate of the endpoint has expired",
        ),
        NotValidYet | NotValidYetContext { .. } => (
            ErrorDetail::FutureCertificate,
            "the certificate of the endpoint is not valid yet",
        ),
        NotValidForName | NotValidForNameContext { .. } => (
            ErrorDetail::OtherHostCertificate,
            "the certificate is valid for other host names than that of the endpoint",
        ),
        Other(rustls::OtherError(other))
            if matches!(other.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) =>
        {
            (
                ErrorDetail::CaCertificate,
                "the server uses the certificate of a certificate authority as its own",
            )
        }
        _ => (
            ErrorDetail::InvalidCertificate,
            "the certificate of the endpoint is not valid",
        ),
    }
}

#[cfg(not(feature = "rustls"))]
fn rejected_handshake(_: &reqwest::Error) -> Option<Error> {
    None
}

/// The cause of this type, also in an I/O error, whose `source` omits it.
fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let inner = error.downcast_ref().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
#[cfg(feature = "rustls")]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// The error of a request over https through a proxy that responds like this to CONNECT.
    async fn through_proxy(response: &'static str) -> Error {
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", proxy.local_addr().unwrap());
        let respond = async {
            let (mut stream, _) = proxy.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(response.as_bytes()).await.unwrap();
        };
        let client = reqwest::Client::builder().proxy(reqwest::Proxy::all(url).unwrap());
        let client = client.tls_certs_only([]).build().unwrap();
        let request = client.get("https://service.test/").send();
        let (result, ()) = tokio::join!(request, respond);
        Error::from_transport(result.unwrap_err())
    }

    #[tokio::test]
    async fn a_port_that_speaks_tls_is_permanent_for_http() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", server.local_addr().unwrap());
        let respond = async {
            let (mut stream, _) = server.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            // An alert: unexpected message.
            stream.write_all(&[0x15, 3, 3, 0, 2, 2, 10]).await.unwrap();
        };
        let client = reqwest::Client::builder().no_proxy();
        let client = client.tls_certs_only([]).build().unwrap();
        let (result, ()) = tokio::join!(client.get(url).send(), respond);
        let error = Error::from_transport(result.unwrap_err());
        assert_eq!(error.detail(), Some(ErrorDetail::NotHttp), "{error:?}");
        assert!(!error.is_transient());
    }

    #[tokio::test]
    async fn a_407_of_a_tunnel_is_permanent() {
        let error = through_proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        assert_eq!(error.kind(), ErrorKind::ProxyAuthentication);
        assert!(!error.is_transient() && !error.was_sent());
        let error = through_proxy("HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
        assert_eq!(error.kind(), ErrorKind::Connection);
        assert_eq!(error.detail(), Some(ErrorDetail::ProxyRefused));
        assert!(error.is_transient());
    }
}
