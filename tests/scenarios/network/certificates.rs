//! Root certificates and client certificates.

use std::{net::SocketAddr, sync::Arc};

use agbcloud::{CertificateVerification, ErrorDetail, ErrorKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig, crypto::aws_lc_rs::default_provider,
        server::WebPkiClientVerifier,
    },
};

use super::{builder, material, pem, round_trip, tls_service};
use crate::support::World;

#[tokio::test]
async fn a_root_certificate_is_trusted_for_the_service_and_its_store() {
    let server = tls_service(|server| server).await;
    let untrusting = builder(server.url()).build().unwrap();
    let error = round_trip(&untrusting).await.unwrap_err();
    assert_eq!(error.status(), None, "{error}");
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert_eq!(error.detail(), Some(ErrorDetail::UntrustedCertificate));

    // Next to the certificates of the system, and in one file with others.
    let bundle = [pem("client.pem"), pem("ca.pem")].concat();
    let trusting = builder(server.url()).root_certificates(bundle);
    round_trip(&trusting.build().unwrap()).await.unwrap();
}

#[test]
fn invalid_certificates_are_errors() {
    let builder = || builder("http://127.0.0.1:8780");
    let truncated = pem("ca.pem")[..200].to_vec();
    let empty_block = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for builder in [
        builder().root_certificates("no certificate"),
        builder().root_certificates(truncated),
        builder().root_certificates(empty_block),
        builder().client_certificate(pem("client.pem"), "no key"),
        builder().client_certificate("no certificate", pem("client-key.pem")),
        builder().client_certificate(pem("client.pem"), pem("server-key.pem")),
    ] {
        let shown = format!("{builder:?}");
        assert!(!shown.contains("PRIVATE KEY"), "{shown}");
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}

/// Accepts TLS only from clients with a certificate, and forwards the connections.
async fn require_certificates(listener: TcpListener, target: SocketAddr) {
    let certificate = |name| CertificateDer::from_pem_file(material(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).unwrap();
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let key = PrivateKeyDer::from_pem_file(material("server-key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![certificate("server.pem")], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut client = acceptor.accept(stream).await.ok()?;
            let mut server = TcpStream::connect(target).await.ok()?;
            let copied = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            copied.ok()
        });
    }
}

#[tokio::test]
async fn a_client_certificate_is_sent_to_the_service_and_its_store() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let world = World::with(|server| server.public_url(&url)).await;
    tokio::spawn(require_certificates(listener, world.server.local_addr()));

    let anonymous = builder(&url).root_certificates(pem("ca.pem"));
    let error = round_trip(&anonymous.build().unwrap()).await.unwrap_err();
    assert_eq!(error.status(), None, "{error}");
    // The alert can be lost if the server closes the connection while the client still writes.
    if error.kind() == ErrorKind::Tls {
        let detail = Some(ErrorDetail::ClientCertificateRejected);
        assert_eq!(error.detail(), detail);
    }

    let known = builder(&url)
        .root_certificates(pem("ca.pem"))
        .client_certificate(pem("client.pem"), pem("client-key.pem"));
    round_trip(&known.build().unwrap()).await.unwrap();
}

#[tokio::test]
async fn verification_can_be_disabled_for_loopback_or_all() {
    let server = tls_service(|server| server).await;
    for servers in [
        CertificateVerification::ExceptLoopback,
        CertificateVerification::Never,
    ] {
        let client = builder(server.url()).danger_certificate_verification(servers);
        round_trip(&client.build().unwrap()).await.unwrap();
    }
    let client = builder(server.url())
        .danger_certificate_verification(CertificateVerification::Always)
        .build();
    let error = round_trip(&client.unwrap()).await.unwrap_err();
    assert_eq!(error.detail(), Some(ErrorDetail::UntrustedCertificate));
}
