//! API keys and signing keys in a file that changes while the server runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agbcloud_server::{Clock, KeyFile, ManualClock, NewKey, StartError, test_store};
use tempfile::TempDir;

use crate::client::{Client, start_with, xml_code};

const NOW: SystemTime = UNIX_EPOCH;

fn add(path: &Path, tenant: &str) -> NewKey {
    KeyFile::edit(path, |keys| keys.add(tenant, NOW)).unwrap()
}

fn revoke(path: &Path, key: &NewKey) {
    KeyFile::edit(path, |keys| keys.revoke(key.id())).unwrap();
}

fn key_file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    (folder, path)
}

async fn status(client: &Client) -> u16 {
    client.call("ListContexts", "").await.status.as_u16()
}

#[tokio::test]
async fn a_tenant_keeps_its_contexts_when_its_keys_change() {
    let (_folder, path) = key_file();
    let first = add(&path, "team-a");
    let other = add(&path, "team-b");
    let (_server, client) = start_with(test_store::builder().key_file(&path)).await;
    let with = |key: &NewKey| client.with_key(key.secret());
    let id = with(&first).create("kept").await;
    assert_eq!(status(&with(&other)).await, 200);
    with(&other)
        .fails("GetContext", &[("id", &id)], 404, "InvalidContext.NotFound")
        .await;

    let second = add(&path, "team-a");
    assert_eq!(with(&second).state(&id).await, "available");
    assert_eq!(with(&first).state(&id).await, "available");
    revoke(&path, &first);
    assert_eq!(status(&with(&first)).await, 401);
    assert_eq!(with(&second).state(&id).await, "available");
    revoke(&path, &second);
    assert_eq!(status(&with(&second)).await, 401);
    let third = add(&path, "team-a");
    assert_eq!(with(&third).state(&id).await, "available");
    // Neither the name of a tenant nor a hash is a key.
    for wrong in ["team-a", third.id()] {
        assert_eq!(status(&client.with_key(wrong)).await, 401);
    }
}

#[tokio::test]
async fn a_file_without_keys_accepts_no_key() {
    let (_folder, path) = key_file();
    let key = add(&path, "team-a");
    revoke(&path, &key);
    let builder = test_store::builder()
        .key_file(&path)
        .listen("0.0.0.0:0".parse().unwrap());
    let server = builder.start().await.unwrap();
    let url = format!("http://127.0.0.1:{}", server.local_addr().port());
    let client = Client::new(&url, "any-key");
    assert_eq!(status(&client).await, 401);
    let key = add(&path, "team-a");
    assert_eq!(status(&client.with_key(key.secret())).await, 200);
}

#[tokio::test]
async fn keys_of_the_file_are_accepted_in_addition_to_fixed_keys() {
    let (_folder, path) = key_file();
    let key = add(&path, "akm-given");
    let builder = test_store::builder().key_file(&path).api_key("akm-given");
    let (_server, client) = start_with(builder).await;
    let given = client.with_key("akm-given");
    let id = given.create("mine").await;
    // A tenant whose name is a key differs from the tenant of that key.
    let named = client.with_key(key.secret());
    named
        .fails("GetContext", &[("id", &id)], 404, "InvalidContext.NotFound")
        .await;
    assert_eq!(status(&client.with_key("another")).await, 401);
}

#[tokio::test]
async fn an_invalid_file_keeps_the_previous_keys() {
    let (_folder, path) = key_file();
    let key = add(&path, "team-a");
    let (_server, client) = start_with(test_store::builder().key_file(&path)).await;
    let client = client.with_key(key.secret());
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, "not a key file").unwrap();
    assert_eq!(status(&client).await, 200);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(status(&client).await, 200);
    std::fs::write(&path, good).unwrap();
    revoke(&path, &key);
    assert_eq!(status(&client).await, 401);
}

#[tokio::test]
async fn a_server_does_not_start_with_a_missing_or_invalid_file() {
    let (_folder, path) = key_file();
    let missing = test_store::builder()
        .key_file(&path)
        .start()
        .await
        .unwrap_err();
    assert!(matches!(missing, StartError::KeyFile { .. }), "{missing}");
    std::fs::write(&path, "akm-secret").unwrap();
    let error = test_store::builder()
        .key_file(&path)
        .start()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("line 1"), "{error}");
    assert!(!error.to_string().contains("akm-secret"), "{error}");
}

#[tokio::test]
async fn urls_are_valid_until_their_signing_key_expires() {
    if test_store::is_skipped_in_memory() {
        return;
    }
    let (folder, path) = key_file();
    let clock = ManualClock::starting_now();
    let key = add(&path, "team-a");
    let builder = || {
        test_store::builder_in(folder.path().join("data"))
            .key_file(&path)
            .clock(Arc::new(clock.clone()))
    };
    let (server, client) = start_with(builder()).await;
    let client = client.with_key(key.secret());
    let id = client.create("c").await;
    client.upload(&id, "/f", "x").await;
    let rotate = || {
        let overlap = Duration::from_secs(600);
        KeyFile::edit(&path, |keys| keys.rotate_signing(overlap, clock.now())).unwrap();
    };
    let fetch = async |client: &Client, url: &str| {
        let port = client.url.rsplit(':').next().unwrap();
        let target = crate::raw::target(url);
        let url = format!("http://127.0.0.1:{port}{target}");
        client.http.get(url).send().await.unwrap()
    };
    let mut urls = vec![client.download_url(&id, "/f").await];
    for _ in 0..2 {
        rotate();
        urls.push(client.download_url(&id, "/f").await);
    }
    let signers: Vec<_> = urls
        .iter()
        .map(|url| url.split("&key=").nth(1).unwrap().split('&').next())
        .collect();
    assert!(signers[0] != signers[1] && signers[1] != signers[2]);
    for url in &urls {
        assert_eq!(fetch(&client, url).await.status(), 200, "{url}");
    }
    clock.advance(Duration::from_secs(601));
    let rejected = (403, "SignatureDoesNotMatch".to_owned());
    for old in &urls[..2] {
        assert_eq!(xml_code(fetch(&client, old).await).await, rejected);
    }
    assert_eq!(fetch(&client, &urls[2]).await.status(), 200);

    // Also after a restart.
    server.shutdown().await;
    let (_server, again) = start_with(builder()).await;
    assert_eq!(fetch(&again, &urls[2]).await.status(), 200);
    assert_eq!(xml_code(fetch(&again, &urls[0]).await).await, rejected);
}

/// Fetches a URL that a server on another port may have signed.
async fn fetch(client: &Client, method: reqwest::Method, url: &str) -> reqwest::Response {
    let target = crate::raw::target(url);
    let request = client.request(&method, target);
    let body = if method == reqwest::Method::PUT {
        "y"
    } else {
        ""
    };
    request.body(body).send().await.unwrap()
}

#[tokio::test]
async fn only_urls_of_a_revoked_key_are_rejected() {
    if test_store::is_skipped_in_memory() {
        return;
    }
    let (folder, path) = key_file();
    let (first, second) = (add(&path, "team-a"), add(&path, "team-a"));
    let builder = || test_store::builder_in(folder.path().join("data")).key_file(&path);
    let (server, client) = start_with(builder()).await;
    let (first_client, second_client) = (
        client.with_key(first.secret()),
        client.with_key(second.secret()),
    );
    let id = first_client.create("c").await;
    first_client.upload(&id, "/f", "x").await;
    let urls = async |client: &Client| {
        let (put, get) = (
            client.upload_url(&id, "/f").await,
            client.download_url(&id, "/f").await,
        );
        use reqwest::Method;
        [
            (Method::GET, get.clone()),
            (Method::HEAD, get),
            (Method::PUT, put),
        ]
    };
    let (of_first, of_second) = (urls(&first_client).await, urls(&second_client).await);
    let all_are = async |client: &Client, urls: &[(reqwest::Method, String)], status: u16| {
        for (method, url) in urls {
            let response = fetch(client, method.clone(), url).await;
            assert_eq!(response.status(), status, "{method}");
            if status == 403 && *method != reqwest::Method::HEAD {
                let rejected = (403, "AccessDenied".to_owned());
                assert_eq!(xml_code(response).await, rejected);
            }
        }
    };
    all_are(&client, &of_first, 200).await;
    all_are(&client, &of_second, 200).await;
    // Transfers in progress complete.
    let mut upload = crate::raw::begin_upload(server.local_addr(), &of_first[2].1, 5).await;
    revoke(&path, &first);
    all_are(&client, &of_first, 403).await;
    all_are(&client, &of_second, 200).await;
    tokio::io::AsyncWriteExt::write_all(&mut upload, b"whole")
        .await
        .unwrap();
    assert_eq!(crate::raw::read_status(&mut upload).await, 200);
    // A new key of the tenant does not revive the URLs, and neither does a restart.
    add(&path, "team-a");
    all_are(&client, &of_first, 403).await;
    server.shutdown().await;
    let (server, client) = start_with(builder()).await;
    all_are(&client, &of_first, 403).await;
    all_are(&client, &of_second, 200).await;
    // URLs of a key that moves to another tenant stay invalid.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("team-a", "team-b")).unwrap();
    all_are(&client, &of_second, 403).await;
    drop(server);
}

#[tokio::test]
async fn urls_of_a_fixed_key_are_valid_while_it_is_configured() {
    if test_store::is_skipped_in_memory() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let start = async |keys: &[&str]| {
        let builder = test_store::builder_in(folder.path());
        start_with(
            keys.iter()
                .fold(builder, |builder, key| builder.api_key(*key)),
        )
        .await
    };
    let (server, client) = start(&[]).await;
    let client = client.with_key("akm-one");
    let id = client.create("c").await;
    client.upload(&id, "/f", "x").await;
    let url = client.download_url(&id, "/f").await;
    server.shutdown().await;
    for (keys, status) in [
        (&["akm-one", "akm-two"][..], 200),
        (&["akm-two"], 403),
        (&["akm-one"], 200),
        (&[], 200),
    ] {
        let (server, client) = start(keys).await;
        let response = fetch(&client, reqwest::Method::GET, &url).await;
        assert_eq!(response.status(), status, "{keys:?}");
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_url_without_its_issuer_is_rejected() {
    let (_server, client) = start_with(test_store::builder()).await;
    let id = client.create("c").await;
    client.upload(&id, "/f", "x").await;
    let url = client.download_url(&id, "/f").await;
    assert_eq!(
        fetch(&client, reqwest::Method::GET, &url).await.status(),
        200
    );
    let (before, after) = url.split_once("&issuer=").unwrap();
    let without = format!("{before}&{}", after.split_once('&').unwrap().1);
    let rejected = fetch(&client, reqwest::Method::GET, &without).await;
    assert_eq!(
        xml_code(rejected).await,
        (403, "SignatureDoesNotMatch".to_owned())
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_writable_key_file_or_database_is_rejected() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    use std::os::unix::fs::PermissionsExt;

    let (folder, path) = key_file();
    let data = folder.path().join("data");
    let set = |path: &Path, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).unwrap();
    };
    let key = add(&path, "team-a");
    let builder = || test_store::builder_in(&data).key_file(&path);
    for mode in [0o620, 0o602] {
        set(&path, mode);
        let error = builder().start().await.unwrap_err();
        assert!(matches!(error, StartError::KeyFile { .. }), "{error}");
        assert!(error.to_string().contains("chmod go-w"), "{error}");
    }
    // The key file contains no usable secret, so others may read it.
    set(&path, 0o644);
    let (server, client) = start_with(builder()).await;
    assert_eq!(status(&client.with_key(key.secret())).await, 200);
    // While the server runs, an insecure file is not loaded.
    revoke(&path, &key);
    set(&path, 0o666);
    assert_eq!(status(&client.with_key(key.secret())).await, 200);
    set(&path, 0o644);
    assert_eq!(status(&client.with_key(key.secret())).await, 401);
    server.shutdown().await;

    set(&data, 0o755);
    builder().start().await.unwrap().shutdown().await;
    set(&data.join("agb.sqlite3"), 0o602);
    let error = builder().start().await.unwrap_err();
    assert!(
        matches!(error, StartError::InsecurePermissions { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("agb.sqlite3"), "{error}");
    set(&data, 0o700);
    builder().start().await.unwrap();
}
