//! Proxies, certificates, headers and connections of the HTTP clients.

mod certificates;
mod connections;
mod environment;
mod headers;
mod proxies;

use std::{fs, path::PathBuf};

use agbcloud::{Client, ClientBuilder, Result, RetryPolicy};
use agbcloud_server::{Server, ServerBuilder, test_store};

use crate::support::KEY;

/// Returns the path of a certificate or key for these tests. The certificates are valid until 2120.
fn material(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios/network/certificates");
    folder.join(name)
}

fn pem(name: &str) -> Vec<u8> {
    fs::read(material(name)).unwrap()
}

/// Starts a service with TLS, whose certificate is valid for 127.0.0.1, localhost and service.test.
async fn tls_service(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    fs::copy(material("server-key.pem"), &key).unwrap();
    // The service rejects a key that others can read.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let builder = test_store::builder()
        .api_key(KEY)
        .tls(material("server.pem"), &key);
    settings(builder).start().await.unwrap()
}

fn builder(endpoint: &str) -> ClientBuilder {
    Client::builder()
        .api_key(KEY)
        .endpoint(endpoint)
        .retry(RetryPolicy::never())
}

/// Uploads a file and downloads it, with requests to the service and to its object store.
async fn round_trip(client: &Client) -> Result<()> {
    let context = client.contexts().get_or_create("one").await?;
    let files = client.contexts().files(&context.id);
    files.upload("/a.txt", &b"hello"[..]).await?;
    assert_eq!(&files.read("/a.txt").await?[..], b"hello");
    Ok(())
}
