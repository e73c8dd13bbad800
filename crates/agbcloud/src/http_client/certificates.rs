//! Root certificates and client certificates.

use std::fmt;

use reqwest::{Certificate, Identity, Url};

use crate::{
    config::{invalid_setting, is_loopback},
    error::Result,
};

/// Which servers must prove their identity with a certificate: for
/// [`ClientBuilder::danger_certificate_verification`](crate::ClientBuilder::danger_certificate_verification).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateVerification {
    /// All servers.
    #[default]
    Always,
    /// All servers, except those whose host is a loopback address or `localhost`.
    ExceptLoopback,
    /// None. Anyone on the network path can read and change everything, the API key included.
    Never,
}

impl CertificateVerification {
    /// Whether the certificate of the server of a URL is verified.
    pub(crate) fn applies_to(self, url: &Url) -> bool {
        match self {
            Self::Always => true,
            Self::ExceptLoopback => !is_loopback(url),
            Self::Never => false,
        }
    }
}

/// A certificate chain and its key, both in PEM.
#[derive(Clone)]
pub(crate) struct ClientCertificate {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl ClientCertificate {
    pub(crate) fn new(chain: Vec<u8>, key: Vec<u8>) -> Self {
        Self { chain, key }
    }

    pub(super) fn parse(&self) -> Result<Identity> {
        self.identity().map_err(|error| {
            let message = "the client certificate or its key is not valid PEM";
            invalid_setting(message).with_source(error)
        })
    }

    #[cfg(feature = "native-tls")]
    fn identity(&self) -> reqwest::Result<Identity> {
        Identity::from_pkcs8_pem(&self.chain, &self.key)
    }

    #[cfg(not(feature = "native-tls"))]
    fn identity(&self) -> reqwest::Result<Identity> {
        Identity::from_pem(&[&self.chain[..], b"\n", &self.key].concat())
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Parses PEM files with one or more certificates each.
pub(super) fn parse_roots(files: &[Vec<u8>]) -> Result<Vec<Certificate>> {
    let mut roots = Vec::new();
    for file in files {
        let parsed = Certificate::from_pem_bundle(file).map_err(|error| {
            invalid_setting("a root certificate is not valid PEM").with_source(error)
        })?;
        if parsed.is_empty() {
            return Err(invalid_setting(
                "a PEM file of root certificates contains no certificate",
            ));
        }
        roots.extend(parsed);
    }
    Ok(roots)
}
