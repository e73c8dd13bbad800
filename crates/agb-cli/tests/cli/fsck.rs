//! `agb serve fsck`.

use std::path::Path;

use crate::support::{Serve, agb, contexts};

/// Exit code, stdout and stderr.
fn fsck(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = agb()
        .args(["serve", "fsck", "--data-dir"])
        .arg(folder)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[tokio::test]
async fn the_exit_code_reports_damage() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    let there = contexts(&serve.url, "any-key");
    let id = there.get_or_create("one").await.unwrap().id;
    let files = there.files(&id);
    files.upload("/large", vec![1; 100_000]).await.unwrap();
    let (code, _, stderr) = fsck(folder.path(), &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("in use"), "{stderr}");
    serve.stop("KILL");

    let blobs = folder.path().join("blobs");
    std::fs::write(blobs.join("00").join("0123456789ab-00"), b"half").unwrap();
    let (code, stdout, _) = fsck(folder.path(), &[]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("leftover: "), "{stdout}");
    let (code, stdout, _) = fsck(folder.path(), &["--repair"]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("repaired: "), "{stdout}");
    let clean = "1 context, 1 file, 100000 bytes: clean\n";
    // Unused contents stay in quarantine for some days.
    let (code, stdout, _) = fsck(folder.path(), &[]);
    let (kept, summary) = stdout.split_once('\n').unwrap();
    assert_eq!((code, summary), (Some(0), clean));
    assert!(
        kept.starts_with("in quarantine since ") && kept.ends_with(": 00/0123456789ab-00, 4 bytes"),
        "{kept}"
    );

    // The config file can set the data folder.
    let config = folder.path().join("agb.toml");
    std::fs::write(&config, format!("data-dir = {:?}", folder.path())).unwrap();
    let output = agb()
        .args(["serve", "fsck", "--config"])
        .arg(&config)
        .output();
    let found = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(found.ends_with(clean), "{found}");

    let parts = std::fs::read_dir(&blobs).unwrap();
    let parts = parts.map(|part| part.unwrap().path());
    let parts = parts.filter(|part| part.is_dir());
    let mut found = parts.flat_map(|part| std::fs::read_dir(part).unwrap());
    std::fs::write(found.next().unwrap().unwrap().path(), b"damaged").unwrap();
    for arguments in [&[][..], &["--repair"]] {
        let (code, stdout, stderr) = fsck(folder.path(), arguments);
        assert_eq!(code, Some(1));
        assert!(
            stdout.contains("damaged: ") && stdout.contains("/large"),
            "{stdout}"
        );
        assert!(stderr.contains("1 finding not repaired"), "{stderr}");
    }
    let (code, stdout, _) = fsck(folder.path(), &["--json"]);
    assert_eq!(code, Some(1));
    let expected = r#""kind":"damaged_content""#;
    assert!(
        stdout.contains(expected) && stdout.lines().count() == 1,
        "{stdout}"
    );
}

#[tokio::test]
async fn an_older_database_is_rejected_until_it_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = Serve::start(&data, &[]);
    let there = contexts(&serve.url, "any-key");
    let id = there.get_or_create("one").await.unwrap().id;
    serve.stop("TERM");
    let older = folder.path().join("older");
    std::fs::copy(data.join("agb.sqlite3"), &older).unwrap();
    let serve = Serve::start(&data, &[]);
    let there = contexts(&serve.url, "any-key");
    let files = there.files(&id);
    files.upload("/large", vec![1; 100_000]).await.unwrap();
    serve.stop("TERM");
    std::fs::copy(&older, data.join("agb.sqlite3")).unwrap();

    let start = agb()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&data)
        .output()
        .unwrap();
    assert_eq!(start.status.code(), Some(1));
    let stderr = String::from_utf8(start.stderr).unwrap();
    assert!(
        stderr.contains("older") && stderr.contains("agb serve fsck --accept"),
        "{stderr}"
    );
    for arguments in [&[][..], &["--repair"]] {
        let (code, found, _) = fsck(&data, arguments);
        assert_eq!(code, Some(1));
        assert!(found.contains("damaged: the database is older"), "{found}");
    }
    let (code, found, _) = fsck(&data, &["--accept"]);
    assert_eq!(code, Some(0), "{found}");
    assert!(found.contains("in quarantine since "), "{found}");
    Serve::start(&data, &[]).stop("TERM");
}

#[test]
fn fsck_creates_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let (code, _, stderr) = fsck(&missing, &["--repair"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("agb.sqlite3"), "{stderr}");
    assert!(!missing.exists());
    assert_eq!(fsck(&missing, &["--no-such-flag"]).0, Some(2));
}

#[test]
fn storage_urls_select_the_store() {
    let run = |arguments: &[&str]| {
        let output = agb().args(["serve", "fsck"]).args(arguments).output();
        let output = output.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.stdout.is_empty() && !stderr.contains("hidden"),
            "{stderr}"
        );
        (output.status.code(), stderr)
    };
    let folder = tempfile::tempdir().unwrap();
    let blobs = format!("file:{}", folder.path().display());
    // No server listens on port 1.
    let database = "postgres://agb:hidden@127.0.0.1:1/agb";
    let (code, stderr) = run(&["--metadata", database, "--blobs", &blobs]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("can't use the PostgreSQL database"),
        "{stderr}"
    );
    let (code, stderr) = run(&["--metadata", database]);
    assert_eq!(code, Some(2), "{stderr}");
    let (code, stderr) = run(&["--metadata", database, "--blobs", &blobs, "--data-dir", "x"]);
    assert_eq!(code, Some(2), "{stderr}");
    let (code, stderr) = run(&["--metadata", "memory:"]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("memory"), "{stderr}");
}
