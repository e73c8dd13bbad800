//! TLS, with certificates for these tests that are valid for a hundred years.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agbcloud_server::{Limits, Server, StartError, test_store};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::load::TIMEOUT;
use crate::raw;

fn material(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/http/tls")
        .join(name)
}

/// Installs a certificate and its key in the folder, as a renewal does.
fn install(folder: &Path, name: &str) {
    for part in ["certificate.pem", "key.pem"] {
        let new = folder.join("new");
        fs::copy(material(&format!("{name}-{part}")), &new).unwrap();
        #[cfg(unix)]
        set_mode(&new, 0o600);
        fs::rename(new, folder.join(part)).unwrap();
    }
}

#[cfg(unix)]
fn set_mode(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}

/// Returns the response to a client that only trusts this certificate, or `None` if the connection fails.
async fn call(server: &Server, trusted: &str, request: &str) -> Option<String> {
    let mut stream = connect(server, trusted).await?;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // Without a TLS close notification, reading fails after the last byte.
    let _ = stream.read_to_string(&mut answer).await;
    Some(answer)
}

async fn connect(server: &Server, trusted: &str) -> Option<TlsStream<TcpStream>> {
    let pem = fs::read(material(&format!("{trusted}-certificate.pem"))).unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(&pem).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.ok()
}

const LIST: &str = "GET /sdk/ListContexts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\nconnection: close\r\n\r\n";

async fn start(folder: &Path) -> Result<Server, StartError> {
    let tls = test_store::builder().tls(folder.join("certificate.pem"), folder.join("key.pem"));
    tls.start().await
}

#[tokio::test]
async fn calls_and_urls_use_https_only() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), "one");
    let server = start(folder.path()).await.unwrap();
    assert!(server.url().starts_with("https://127.0.0.1:"));
    let head = "HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let create = format!("GET /sdk/GetContext?name=c&allowCreate=true {head}");
    let created = call(&server, "one", &create).await.unwrap();
    assert!(created.starts_with("HTTP/1.1 200"), "{created}");
    let id = created.split("\"id\":\"").nth(1).unwrap();
    let id = id.split('"').next().unwrap();
    let sign = format!("POST /sdk/GetContextFileUploadUrl?contextId={id}&filePath=/f {head}");
    let signed = call(&server, "one", &sign).await.unwrap();
    let url = format!("\"url\":\"{}/objects/v1/", server.url());
    assert!(signed.contains(&url), "{signed}");
    // Plain HTTP gets no response.
    let (status, text) = raw::exchange(&server, LIST.as_bytes()).await;
    assert!(status == 0 && !text.contains("HTTP"), "{text}");
}

#[tokio::test]
async fn a_certificate_is_replaced_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), "one");
    let server = start(folder.path()).await.unwrap();
    assert!(call(&server, "one", LIST).await.is_some());
    assert!(call(&server, "two", LIST).await.is_none());
    install(folder.path(), "two");
    assert!(call(&server, "two", LIST).await.is_some());
    assert!(call(&server, "one", LIST).await.is_none());
    // An incomplete pair is not loaded.
    fs::copy(
        material("one-certificate.pem"),
        folder.path().join("certificate.pem"),
    )
    .unwrap();
    assert!(call(&server, "two", LIST).await.is_some());
    fs::remove_file(folder.path().join("key.pem")).unwrap();
    assert!(call(&server, "two", LIST).await.is_some());
}

#[tokio::test]
async fn a_server_does_not_start_without_a_matching_pair() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("certificate.pem");
    let error = async || {
        let error = start(folder.path()).await.unwrap_err();
        assert!(matches!(error, StartError::Tls { .. }), "{error}");
        error.to_string()
    };
    assert!(error().await.contains("certificate.pem"));
    install(folder.path(), "one");
    fs::copy(material("two-certificate.pem"), &certificate).unwrap();
    assert!(error().await.contains("can't use the certificate"));
    fs::write(&certificate, "no PEM").unwrap();
    assert!(error().await.contains("contains no certificate"));
}

#[tokio::test]
async fn an_incomplete_handshake_blocks_neither_others_nor_the_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), "one");
    let server = start(folder.path()).await.unwrap();
    let mut silent = TcpStream::connect(server.local_addr()).await.unwrap();
    assert!(call(&server, "one", LIST).await.is_some());
    server.shutdown().await;
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_half_closed_connection_gets_its_response() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), "one");
    let tls = test_store::builder()
        .tls(
            folder.path().join("certificate.pem"),
            folder.path().join("key.pem"),
        )
        .fault("latency=200ms".parse().unwrap());
    let server = tls.start().await.unwrap();
    let (create, call) = (
        "GET /sdk/GetContext?name=c&allowCreate=true",
        "HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n",
    );
    let sent = async |request: String| {
        let mut stream = connect(&server, "one").await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    };
    let created = sent(format!("{create} {call}\r\n")).await;
    let id = created.split("\"id\":\"").nth(1).unwrap();
    let id = id.split('"').next().unwrap();
    for (operation, method, body) in [
        ("Upload", "PUT", "x".repeat(100_000)),
        ("Download", "GET", String::new()),
    ] {
        let sign = format!("POST /sdk/GetContextFile{operation}Url?contextId={id}&filePath=/f");
        let signed = sent(format!("{sign} {call}content-length: 0\r\n\r\n")).await;
        let url = signed.split("\"url\":\"").nth(1).unwrap();
        let target = raw::target(url.split('"').next().unwrap());
        let length = body.len();
        let transfer = format!("{method} {target} {call}content-length: {length}\r\n\r\n{body}");
        let answer = sent(transfer).await;
        assert_eq!(answer.ends_with(&"x".repeat(100_000)), method == "GET");
    }
}

#[tokio::test]
async fn incomplete_handshakes_are_evicted() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), "one");
    let mut limits = Limits::default();
    limits.connections = 2;
    limits.head_time = Duration::from_secs(3600);
    let tls = test_store::builder()
        .tls(
            folder.path().join("certificate.pem"),
            folder.path().join("key.pem"),
        )
        .limits(limits);
    let server = tls.start().await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(TcpStream::connect(server.local_addr()).await.unwrap());
    }
    let called = tokio::time::timeout(TIMEOUT, call(&server, "one", LIST)).await;
    assert!(called.expect("the connection is accepted").is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_that_others_can_read_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), "one");
    let key = folder.path().join("key.pem");
    for mode in [0o604, 0o602] {
        set_mode(&key, mode);
        let error = start(folder.path()).await.unwrap_err();
        assert!(matches!(error, StartError::Tls { .. }), "{error}");
        assert!(error.to_string().contains("key.pem"), "{error}");
    }
    set_mode(&key, 0o600);
    let server = start(folder.path()).await.unwrap();
    // Such a pair is not loaded while the server runs, either.
    install(folder.path(), "two");
    set_mode(&key, 0o644);
    let called = tokio::time::timeout(TIMEOUT, call(&server, "one", LIST)).await;
    assert!(called.expect("the connection is accepted").is_some());
    set_mode(&key, 0o600);
    assert!(call(&server, "two", LIST).await.is_some());
}
