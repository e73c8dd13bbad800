//! TLS with certificate and key files that may be replaced while the server runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::server::TlsStream;

use crate::system::permissions::{Protection, check_permissions};
use crate::system::reloading_file::{LoadError, ReloadingFile};

/// Accepts TLS connections with the current certificate.
pub(crate) struct Tls(ReloadingFile<Arc<ServerConfig>>);

impl Tls {
    /// Loads a certificate chain and its key, both in PEM. If only one of the files has been replaced so far, the previous
    /// pair stays in use.
    pub(crate) fn new(certificate: PathBuf, key: PathBuf) -> Result<Self, LoadError> {
        let files = vec![certificate.clone(), key.clone()];
        ReloadingFile::new(files, move || config(&certificate, &key)).map(Self)
    }

    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        let config = self.0.current();
        TlsAcceptor::from(Arc::clone(&*config)).accept(stream).await
    }
}

fn config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, LoadError> {
    let read = |file: &Path| {
        fs::read(file).map_err(|error| format!("can't read {}: {error}", file.display()))
    };
    check_permissions(certificate, Protection::Write)?;
    check_permissions(key, Protection::ReadAndWrite)?;
    let pem = read(certificate)?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| format!("{} contains no certificate in PEM", certificate.display()))?;
    let secret = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| format!("{} contains no private key in PEM", key.display()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| {
            format!(
                "can't use the certificate in {} with the key in {}: {error}",
                certificate.display(),
                key.display()
            )
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
