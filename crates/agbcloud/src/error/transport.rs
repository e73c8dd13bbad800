//! Failures without a response.

use std::error::Error as StdError;

#[cfg(feature = "rustls")]
use super::ErrorDetail;
use super::{Error, ErrorKind};

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
            rejected_connection(&error).unwrap_or_else(Self::no_connection)
        } else if error.is_timeout() {
            Self::no_response()
        } else if error.is_builder() {
            Self::invalid_argument("can't build the request")
        } else {
            Self::connection_closed()
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

/// The failure of a connection that would fail again.
fn rejected_connection(error: &reqwest::Error) -> Option<Error> {
    if matches!(cause(error), Some(TunnelError::ProxyAuthRequired)) {
        let kind = ErrorKind::ProxyAuthentication;
        return Some(Error::unsent(kind, kind.summary()));
    }
    rejected_handshake(error)
}

#[cfg(feature = "rustls")]
fn rejected_handshake(error: &reqwest::Error) -> Option<Error> {
    use rustls::{AlertDescription, Error as TlsError};

    let (detail, message) = match cause(error)? {
        TlsError::InvalidMessage(_) => (
            Some(ErrorDetail::NotTls),
            "the port does not speak TLS: use http:// in the endpoint, or the port for https",
        ),
        TlsError::InvalidCertificate(_) => (
            Some(ErrorDetail::UntrustedCertificate),
            "the certificate is not valid for the endpoint, or its issuer is not trusted",
        ),
        TlsError::AlertReceived(AlertDescription::InternalError) => return None,
        _ => (None, ErrorKind::Tls.summary()),
    };
    let error = Error::unsent(ErrorKind::Tls, message);
    Some(match detail {
        Some(detail) => error.with_detail(detail),
        None => error,
    })
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
    async fn a_407_of_a_tunnel_is_permanent() {
        let error = through_proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        assert_eq!(error.kind(), ErrorKind::ProxyAuthentication);
        assert!(!error.is_transient() && !error.was_sent());
        let error = through_proxy("HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
        assert_eq!(error.kind(), ErrorKind::Connection);
        assert!(error.is_transient());
    }
}
