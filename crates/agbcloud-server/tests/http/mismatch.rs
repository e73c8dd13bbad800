//! A database and a folder of blobs of different times: a start deletes nothing that only one of them contains.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agbcloud_server::{
    FindingKind, FsckMode, ManualClock, ServerBuilder, StartError, StoreMismatch, fsck, test_store,
};
use tempfile::TempDir;

use crate::client::{Client, start_in, start_with};
use crate::stores::{assert_blobs, large, wait_for_blobs};

/// A store, and an older copy of it without the last two files.
struct Halves {
    data: TempDir,
    older: TempDir,
    context: String,
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

impl Halves {
    async fn new() -> Self {
        let (data, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (server, client) = start_in(data.path()).await;
        let context = client.create("c").await;
        client.upload(&context, "/1", large(1)).await;
        server.shutdown().await;
        copy(data.path(), older.path());
        let (server, client) = start_in(data.path()).await;
        client.upload(&context, "/2", large(2)).await;
        client.upload(&context, "/small", "small").await;
        server.shutdown().await;
        Self {
            data,
            older,
            context,
        }
    }

    fn path(&self) -> &Path {
        self.data.path()
    }

    /// Replaces a part with the older one.
    fn restore(&self, part: &str) {
        let path = self.path().join(part);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).unwrap();
        }
        copy(&self.older.path().join(part), &path);
    }

    async fn assert_rejected(&self, expected: StoreMismatch) {
        let before = files(self.path());
        for _ in 0..2 {
            let start = test_store::builder_in(self.path()).start().await;
            let error = start.unwrap_err();
            assert!(
                matches!(error, StartError::StoreMismatch { mismatch } if mismatch == expected),
                "{error}"
            );
            for mode in [FsckMode::Check, FsckMode::Repair] {
                let report = fsck(self.path(), mode).unwrap();
                assert!(report.is_damaged());
                let found = report
                    .findings
                    .iter()
                    .find(|finding| finding.kind == FindingKind::StoreMismatch);
                assert!(!found.unwrap().repaired, "{report:?}");
            }
        }
        assert_eq!(files(self.path()), before);
    }
}

/// The files in the folder of blobs.
fn files(data: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for part in std::fs::read_dir(data.join("blobs")).unwrap() {
        let part = part.unwrap().path();
        if part.is_dir() {
            files.extend(
                std::fs::read_dir(part)
                    .unwrap()
                    .map(|file| file.unwrap().path()),
            );
        }
    }
    files.sort();
    files
}

fn quarantined(data: &Path) -> Vec<String> {
    let report = fsck(data, FsckMode::Check).unwrap();
    report
        .quarantine
        .into_iter()
        .map(|kept| kept.name)
        .collect()
}

#[tokio::test]
async fn an_older_database_is_rejected_without_accept() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Halves::new().await;
    store.restore("agb.sqlite3");
    store.assert_rejected(StoreMismatch::OlderDatabase).await;
    let report = fsck(store.path(), FsckMode::Accept).unwrap();
    assert!(!report.is_damaged(), "{report:?}");
    // The blob that only the newer database references is kept.
    assert_eq!(quarantined(store.path()).len(), 1);
    let (server, client) = start_in(store.path()).await;
    assert_eq!(client.download(&store.context, "/1").await, large(1));
    assert_eq!(client.list(&store.context, "/").await.1, 1);
    server.shutdown().await;
    assert!(fsck(store.path(), FsckMode::Check).unwrap().is_clean());
    // The new run does not match the older copy either.
    store.restore("agb.sqlite3");
    store.assert_rejected(StoreMismatch::OlderDatabase).await;
}

#[tokio::test]
async fn an_older_folder_of_blobs_is_rejected() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Halves::new().await;
    store.restore("blobs");
    store.assert_rejected(StoreMismatch::OlderBlobs).await;
}

#[tokio::test]
async fn blobs_of_another_store_and_blobs_without_a_marker_are_rejected() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let (store, other) = (Halves::new().await, Halves::new().await);
    let away = store.older.path().join("away");
    std::fs::rename(store.path().join("blobs"), &away).unwrap();
    copy(&other.path().join("blobs"), &store.path().join("blobs"));
    store.assert_rejected(StoreMismatch::OtherBlobs).await;
    std::fs::remove_dir_all(store.path().join("blobs")).unwrap();
    std::fs::create_dir(store.path().join("blobs")).unwrap();
    store.assert_rejected(StoreMismatch::NoMarker).await;
    std::fs::remove_dir_all(store.path().join("blobs")).unwrap();
    std::fs::rename(&away, store.path().join("blobs")).unwrap();
    start_in(store.path()).await;
}

#[tokio::test]
async fn copies_that_were_changed_separately_are_rejected() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Halves::new().await;
    let copied = tempfile::tempdir().unwrap();
    copy(store.path(), copied.path());
    for (folder, files) in [(copied.path(), 1), (store.path(), 9)] {
        let (server, client) = start_in(folder).await;
        for number in 0..files {
            let path = format!("/more-{number}");
            client.upload(&store.context, &path, "small").await;
        }
        server.shutdown().await;
    }
    std::fs::copy(
        copied.path().join("blobs/mark"),
        store.path().join("blobs/mark"),
    )
    .unwrap();
    let error = test_store::builder_in(store.path()).start().await;
    let error = error.unwrap_err();
    assert!(matches!(error, StartError::StoreMismatch { .. }), "{error}");
}

/// A copy of a folder in use has the state after a power failure: the database, its log, and the blobs.
#[tokio::test]
async fn a_missing_truncated_or_damaged_log_is_detected() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    for small in [true, false] {
        for damage in ["none", "removed", "cut", "damaged"] {
            let data = tempfile::tempdir().unwrap();
            start_in(data.path()).await.0.shutdown().await;
            let (server, client) = start_in(data.path()).await;
            let context = client.create("c").await;
            let content = if small { b"small".to_vec() } else { large(1) };
            client.upload(&context, "/f", content.clone()).await;
            let crashed = tempfile::tempdir().unwrap();
            copy(data.path(), crashed.path());
            server.shutdown().await;
            let log = crashed.path().join("agb.sqlite3-wal");
            let bytes = std::fs::read(&log).unwrap();
            match damage {
                "removed" => std::fs::remove_file(&log).unwrap(),
                "cut" => std::fs::write(&log, &bytes[..bytes.len() / 2]).unwrap(),
                "damaged" => {
                    let mut bytes = bytes.clone();
                    bytes[20] ^= 1;
                    std::fs::write(&log, bytes).unwrap();
                }
                _ => {
                    let (_server, client) = start_in(crashed.path()).await;
                    assert_eq!(client.download(&context, "/f").await, content);
                    continue;
                }
            }
            let before = files(crashed.path());
            for attempt in 0..2 {
                let start = test_store::builder_in(crashed.path()).start().await;
                let error = start.unwrap_err();
                let older = StoreMismatch::OlderDatabase;
                assert!(
                    matches!(error, StartError::StoreMismatch { mismatch } if mismatch == older),
                    "{damage} {attempt}: {error}"
                );
            }
            assert_eq!(files(crashed.path()), before);
            // A copy of the log is kept, since closing the database deletes it.
            let report = fsck(crashed.path(), FsckMode::Check).unwrap();
            let kept = report.quarantine.iter();
            let kept = kept.filter(|kept| kept.name == "log/agb.sqlite3-wal");
            assert_eq!(kept.count(), usize::from(damage != "removed"), "{damage}");
        }
    }
}

#[tokio::test]
async fn unreferenced_contents_are_quarantined_and_restored() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Halves::new().await;
    let newer = store.older.path().join("newer");
    std::fs::copy(store.path().join("agb.sqlite3"), &newer).unwrap();
    store.restore("agb.sqlite3");
    fsck(store.path(), FsckMode::Accept).unwrap();
    assert_blobs(store.path(), 1);
    assert_eq!(quarantined(store.path()).len(), 1);
    std::fs::copy(&newer, store.path().join("agb.sqlite3")).unwrap();
    let report = fsck(store.path(), FsckMode::Check).unwrap();
    let missing = report
        .findings
        .iter()
        .find(|finding| finding.kind == FindingKind::MissingContent);
    assert!(
        missing.unwrap().detail.contains("in quarantine"),
        "{report:?}"
    );
    let report = fsck(store.path(), FsckMode::Accept).unwrap();
    assert!(!report.is_damaged(), "{report:?}");
    assert_eq!(quarantined(store.path()).len(), 0);
    let (_server, client) = start_in(store.path()).await;
    assert_eq!(client.download(&store.context, "/2").await, large(2));
}

fn at(data: &Path, days: u64) -> ServerBuilder {
    let clock = ManualClock::starting_now();
    clock.advance(Duration::from_secs(days * 24 * 3600));
    test_store::builder_in(data).clock(Arc::new(clock))
}

/// Runs a service on that day until it has purged the quarantine, and until `left` blobs are left: dead blobs are deleted after
/// the purge.
async fn pass(data: &Path, days: u64, left: usize) {
    let (server, client) = start_with(at(data, days)).await;
    let id = client.create("pass").await;
    client.upload(&id, "/f", large(1)).await;
    let file = [("contextId", &*id), ("filePath", "/f")];
    client.ok("DeleteContextFile", &file).await;
    wait_for_blobs(data, left).await;
    server.shutdown().await;
}

#[tokio::test]
async fn the_quarantine_is_purged_after_some_days_unless_damage_is_reported() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let (server, client) = start_in(data.path()).await;
    let context = client.create("c").await;
    client.upload(&context, "/kept", large(1)).await;
    server.shutdown().await;
    let kept = files(data.path()).remove(0);
    std::fs::write(data.path().join("blobs/00/0123456789ab-00"), b"lost").unwrap();
    pass(data.path(), 0, 1).await;
    assert_blobs(data.path(), 1);
    assert_eq!(quarantined(data.path()), ["00/0123456789ab-00"]);
    pass(data.path(), 6, 1).await;
    assert_eq!(quarantined(data.path()).len(), 1);

    // A missing content that is not reported yet.
    let away = data.path().join("away");
    std::fs::rename(&kept, &away).unwrap();
    pass(data.path(), 8, 0).await;
    assert_eq!(quarantined(data.path()).len(), 1);
    std::fs::rename(&away, &kept).unwrap();
    // The report stays until a check finds no damage.
    std::fs::write(data.path().join("quarantine/hold"), b"").unwrap();
    pass(data.path(), 8, 1).await;
    let report = fsck(data.path(), FsckMode::Check).unwrap();
    assert_eq!(report.quarantine.len(), 1);
    assert!(!report.is_damaged());
    pass(data.path(), 8, 1).await;
    assert_eq!(quarantined(data.path()).len(), 0);
}

async fn status(client: &Client, url: &str, bytes: Vec<u8>) -> u16 {
    client.put(url, bytes).await.status().as_u16()
}

#[cfg(unix)]
#[tokio::test]
async fn writes_fail_while_the_data_folder_is_moved() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    type Change = fn(&Path, &Path);
    let changes: [Change; 5] = [
        |data, away| std::fs::rename(data, away).unwrap(),
        |data, away| {
            std::fs::rename(data, away).unwrap();
            copy(away, data);
        },
        |data, away| std::fs::rename(data.join("blobs"), away).unwrap(),
        |data, away| std::fs::rename(data.join("agb.sqlite3"), away).unwrap(),
        |data, away| {
            std::fs::rename(data.join("agb.sqlite3-wal"), away).unwrap();
            copy(away, &data.join("agb.sqlite3-wal"));
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let parent = tempfile::tempdir().unwrap();
        let (data, away) = (parent.path().join("data"), parent.path().join("away"));
        let local = "127.0.0.1:0".parse().unwrap();
        let builder = test_store::builder_in(&data).metrics_listen(local);
        let (server, client) = start_with(builder).await;
        let id = client.create("c").await;
        client.upload(&id, "/kept", "kept").await;
        let (small, big) = (
            client.upload_url(&id, "/small").await,
            client.upload_url(&id, "/large").await,
        );
        let ready = format!("http://{}/ready", server.metrics_addr().unwrap());
        let is_ready = async || {
            client
                .http
                .get(&ready)
                .send()
                .await
                .unwrap()
                .status()
                .as_u16()
        };
        assert_eq!(is_ready().await, 200);
        change(&data, &away);
        assert_eq!(is_ready().await, 503, "{number}");
        for (url, bytes) in [(&small, b"x".to_vec()), (&big, large(1))] {
            let code = status(&client, url, bytes).await;
            assert!(code == 503 || code == 500, "{number}: {code}");
        }
        let query = format!("id={id}&name=renamed");
        let code = client.call("ModifyContext", &query).await.status;
        assert!(code.is_server_error(), "{number}: {code}");
        if number == 0 {
            std::fs::rename(&away, &data).unwrap();
            assert_eq!(is_ready().await, 200);
            assert_eq!(status(&client, &small, b"x".to_vec()).await, 200);
            assert_eq!(status(&client, &big, large(1)).await, 200);
        }
    }
}

#[tokio::test]
async fn removing_a_file_of_the_folder_admits_no_second_owner() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let (_server, client) = start_in(data.path()).await;
    client.create("c").await;
    std::fs::remove_file(data.path().join("lock")).unwrap();
    let second = test_store::builder_in(data.path()).start().await;
    assert!(matches!(second, Err(StartError::FolderInUse { .. })));
    let check = fsck(data.path(), FsckMode::Repair);
    assert!(matches!(check, Err(StartError::FolderInUse { .. })));
    client.create("d").await;
}
