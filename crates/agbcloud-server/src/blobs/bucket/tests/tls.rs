//! A store behind TLS, with a certificate of a private authority.

use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

use super::*;

/// A file with certificates for these tests that are valid for many years.
fn material(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/blobs/bucket/tests/certificates")
        .join(name)
}

/// Starts a proxy that accepts TLS.
async fn tls_proxy(to: SocketAddr) -> SocketAddr {
    let certificate = CertificateDer::from_pem_file(material("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(material("server-key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Fails if the client refuses the certificate.
                let Ok(mut client) = acceptor.accept(client).await else {
                    return;
                };
                let mut store = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut store).await;
            });
        }
    });
    address
}

/// Replaces the endpoint by one with TLS that trusts an authority.
fn with_tls(url: &str, address: SocketAddr, authority: Option<&Path>) -> String {
    let url = with_endpoint(url, address).replace("endpoint=http://", "endpoint=https://");
    match authority {
        Some(file) => format!("{url}&ca_file={}", file.display()),
        None => url,
    }
}

#[tokio::test]
async fn the_certificate_of_a_private_authority_is_accepted() {
    let Some(url) = test_url("tls") else { return };
    let address = tls_proxy(endpoint(&url)).await;
    let authority = material("ca.pem");
    let url = with_tls(&url, address, Some(&authority));
    let blobs = Blobs::bucket(&url).await.unwrap();
    let content = pattern(9 << 20);
    let blob = store(&blobs, &content).await.unwrap();
    let (sent, end) = read(&blobs, &blob, &content, 0..content.len() as u64).await;
    assert!(end.is_ok() && sent == content, "{end:?}");
    // Its requests use a client of their own.
    blobs.probe_direct_downloads().await.unwrap();
}

#[tokio::test]
async fn other_certificates_and_plain_http_are_refused() {
    let Some(url) = test_url("tls-refused") else {
        return;
    };
    let address = tls_proxy(endpoint(&url)).await;
    let other = material("other-ca.pem");
    for authority in [None, Some(other.as_path())] {
        let started = Instant::now();
        let refused = Blobs::bucket(&with_tls(&url, address, authority)).await;
        let error = refused.unwrap_err();
        let BlobStoreError::Unusable { reason, .. } = &error else {
            panic!("{error:?}")
        };
        assert!(reason.contains("certificate"), "{reason}");
        assert!(started.elapsed() < Duration::from_secs(15));
    }
    let plain = Blobs::bucket(&with_endpoint(&url, address)).await;
    assert!(matches!(plain, Err(BlobStoreError::Unusable { .. })));
    for useless in [material("server-key.pem"), material("missing.pem")] {
        let refused = Blobs::bucket(&with_tls(&url, address, Some(&useless))).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("can't use the certificates in"), "{error}");
        assert!(!error.contains("PRIVATE"), "{error}");
    }
}
