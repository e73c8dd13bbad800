//! Root certificates and client certificates.

use std::fmt;

use reqwest::{Certificate, Identity};

use crate::{config::invalid_setting, error::Result};

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
        let identity = self.identity().map_err(|error| {
            let message = "the client certificate or its key is not valid PEM";
            invalid_setting(message).with_source(error)
        });
        identity
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
