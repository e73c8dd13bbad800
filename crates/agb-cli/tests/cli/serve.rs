//! `agb serve`.

use agbcloud::ErrorKind;

use crate::support::{Serve, agb, contexts};

#[tokio::test]
async fn sigterm_and_sigint_shut_down_cleanly_and_keep_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &["--api-key", "key-1", "--api-key", "key-2"]);
    let context = contexts(&serve.url, "key-1")
        .get_or_create("one")
        .await
        .unwrap();
    contexts(&serve.url, "key-1")
        .files(&context.id)
        .upload("/a", vec![1; 1_000_000])
        .await
        .unwrap();
    assert!(
        contexts(&serve.url, "key-2")
            .get(&context.id)
            .await
            .is_err()
    );
    let error = contexts(&serve.url, "key-3")
        .list()
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let (status, stderr) = serve.stop("TERM");
    assert!(status.success(), "{status}: {stderr}");

    let serve = Serve::start(folder.path(), &["--api-key", "key-1"]);
    let found = contexts(&serve.url, "key-1")
        .get_by_name("one")
        .await
        .unwrap();
    assert_eq!(found.id, context.id);
    let content = contexts(&serve.url, "key-1")
        .files(&context.id)
        .read("/a")
        .await
        .unwrap();
    assert_eq!(content, vec![1; 1_000_000]);
    let (status, stderr) = serve.stop("INT");
    assert!(status.success(), "{status}: {stderr}");
}

#[tokio::test]
async fn acknowledged_writes_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    let there = contexts(&serve.url, "any-key");
    let id = there.get_or_create("one").await.unwrap().id;
    for number in 0..20 {
        there
            .files(&id)
            .upload(format!("/{number}"), vec![number; 10_000])
            .await
            .unwrap();
    }
    let (status, _) = serve.stop("KILL");
    assert!(!status.success());

    let serve = Serve::start(folder.path(), &[]);
    let files = contexts(&serve.url, "any-key").files(&id);
    for number in 0..20 {
        assert_eq!(
            files.read(format!("/{number}")).await.unwrap(),
            vec![number; 10_000]
        );
    }
}

#[tokio::test]
async fn memory_durability_creates_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = Serve::start(&data, &["--durability", "memory"]);
    let there = contexts(&serve.url, "any-key");
    let id = there.get_or_create("one").await.unwrap().id;
    for size in [10, 100_000] {
        there.files(&id).upload("/f", vec![1; size]).await.unwrap();
        assert_eq!(there.files(&id).read("/f").await.unwrap(), vec![1; size]);
    }
    assert!(!data.exists());
    let (status, stderr) = serve.stop("TERM");
    assert!(status.success() && stderr.contains("in memory"), "{stderr}");
}

#[tokio::test]
async fn without_keys_every_key_is_a_tenant_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    let one = contexts(&serve.url, "any-key")
        .get_or_create("one")
        .await
        .unwrap();
    let error = contexts(&serve.url, "other-key")
        .get(&one.id)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let (_, stderr) = serve.stop("TERM");
    assert!(
        stderr.contains("every non-empty key is accepted"),
        "{stderr}"
    );
    assert!(!stderr.contains("any-key"), "{stderr}");
}

#[test]
fn a_public_address_requires_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let output = agb()
        .args(["serve", "--listen", "0.0.0.0:0", "--data-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("API key"), "{stderr}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_data_folder_has_one_service() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Serve::start(folder.path(), &[]);
    let output = agb()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("in use"), "{stderr}");
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [
        &["serve", "--listen", "nonsense"][..],
        &["serve", "--api-key", ""],
        &["serve", "--api-key", "a b"],
        &["serve", "--no-such-flag"],
        &["serve", "--durability", "some"],
        &["no-such-command"],
        &[],
    ] {
        let output = agb().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn presigned_urls_start_with_the_public_url() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(
        folder.path(),
        &["--public-url", "https://agb.example.com/store/"],
    );
    let there = contexts(&serve.url, "any-key");
    let id = there.get_or_create("one").await.unwrap().id;
    let url = there.files(&id).upload_url("/a").await.unwrap();
    assert!(
        url.as_str()
            .starts_with("https://agb.example.com/store/objects/"),
        "{url}"
    );
}

#[tokio::test]
async fn the_log_is_on_stderr_and_follows_its_level() {
    let folder = tempfile::tempdir().unwrap();
    for (level, logged) in [("warn", false), ("debug", true)] {
        let serve = Serve::start(folder.path(), &["--log", level]);
        let context = contexts(&serve.url, "any-key-0001")
            .get_or_create("one")
            .with_response()
            .await
            .unwrap();
        let id = context.request_id().unwrap().to_owned();
        let (_, stderr) = serve.stop("TERM");
        assert_eq!(stderr.contains(&id), logged, "{stderr}");
        assert!(!stderr.contains("any-key-0001"), "{stderr}");
    }
}
