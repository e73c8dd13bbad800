//! A full disk: writes fail with their own code, reads succeed, and writes succeed again once there is space.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use agbcloud_server::{FsckMode, fsck, test_store};

use crate::client::{Client, start_in, xml_code};
use crate::{FORKS, blobs, large, wait_for};

/// A small file system in memory.
struct Disk(tempfile::TempDir);

impl Disk {
    /// Returns `None` with a message if the user may not mount file systems.
    fn mount(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        // Not with `eprintln!`, which the test harness captures.
        let _ = writeln!(
            std::io::stderr(),
            "\nSKIPPED: the tests of a full disk need to mount a file system: run them as root"
        );
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Fills the disk.
    fn fill(&self) {
        let mut filler = File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .unwrap();
        for size in [64 * 1024, 1] {
            while filler.write_all(&vec![1; size]).is_ok() {}
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // If this fails, the folder can't be removed.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Uploads files until one is rejected, and returns that response.
async fn fill_with_files(client: &Client, id: &str, bytes: &[u8]) -> (u16, String) {
    for number in 0..5000 {
        let url = client
            .upload_url(id, &format!("/fill/{}/{number}", bytes.len()))
            .await;
        let response = client.put(&url, bytes.to_vec()).await;
        if response.status() != 200 {
            return xml_code(response).await;
        }
    }
    panic!("the disk is never full");
}

/// Runs a test on a disk of this size.
async fn with_disk(megabytes: u32, check: impl AsyncFn(&Disk)) {
    let disk = {
        let _alone = FORKS.write().await;
        let Some(disk) = Disk::mount(megabytes) else {
            return;
        };
        disk
    };
    {
        let _no_forks = FORKS.read().await;
        check(&disk).await;
    }
    let _alone = FORKS.write().await;
    drop(disk);
}

#[tokio::test]
async fn a_full_disk_rejects_writes_only() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    with_disk(8, check).await;
}

#[tokio::test]
async fn deletions_make_space_for_writes_on_a_disk_of_any_size() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    for megabytes in [8, 10, 12, 16, 17, 24, 32] {
        with_disk(megabytes, async |disk| refill(disk, megabytes).await).await;
    }
}

/// Fills the disk and frees space repeatedly, with inline contents and with blobs.
async fn refill(disk: &Disk, megabytes: u32) {
    let (server, client) = start_in(&disk.path().join("data")).await;
    let keep = client.create("keep").await;
    client.upload(&keep, "/small", "small").await;
    for (round, size) in [30_000, 40_000, 30_000, 1_000_000].into_iter().enumerate() {
        let id = client.create(&format!("c{round}")).await;
        assert_eq!(fill_with_files(&client, &id, &vec![1; size]).await.0, 507);
        if round == 0 {
            // Deletes a part of the files instead of a whole context.
            for number in 0..60 {
                let path = format!("/fill/{size}/{number}");
                let file = [("contextId", &*id), ("filePath", &*path)];
                client.ok("DeleteContextFile", &file).await;
            }
            wait_writable(&client, &id, &format!("{megabytes} MiB, a part")).await;
            assert_eq!(fill_with_files(&client, &id, &vec![1; size]).await.0, 507);
        }
        client.ok("ClearContext", &[("id", &id)]).await;
        client.wait_available(&id).await;
        wait_writable(&client, &id, &format!("{megabytes} MiB, files of {size}")).await;
        assert_eq!(client.download(&keep, "/small").await, b"small");
    }
    server.shutdown().await;
    let report = fsck(disk.path().join("data"), FsckMode::Check).unwrap();
    assert!(!report.is_damaged(), "{report:?}");
}

/// Waits until the upload of a small file succeeds: the collector may not have deleted the blobs yet.
async fn wait_writable(client: &Client, id: &str, what: &str) {
    for _ in 0..100 {
        let url = client.upload_url(id, "/again").await;
        if client.put(&url, "again").await.status() == 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{what}: a small file is still rejected");
}

async fn check(disk: &Disk) {
    let data = disk.path().join("data");
    let (server, client) = start_in(&data).await;
    let id = client.create("c").await;
    client.upload(&id, "/small", "small").await;
    client.upload(&id, "/large", large(b'l')).await;
    client.upload(&id, "/second", large(b's')).await;
    client.create("other").await;
    disk.fill();
    let full = (507, "InsufficientStorage".to_owned());
    let before = blobs(&data);
    // An inline content, a blob of one part, and a blob of several parts.
    for size in [32 * 1024, 40_000, 3_000_000] {
        assert_eq!(
            fill_with_files(&client, &id, &vec![1; size]).await,
            full,
            "{size}"
        );
        wait_for(|| blobs(&data) == before).await;
    }
    let mut created = 0;
    let rejected = loop {
        created += 1;
        let call = format!("name=n{created}&allowCreate=true");
        let answer = client.call("GetContext", &call).await;
        if answer.status != 200 {
            break answer;
        }
        assert!(created < 50_000, "the disk is never full");
    };
    rejected.assert_failure(507, "InsufficientStorage", "a context");

    assert_eq!(client.download(&id, "/small").await, b"small");
    assert_eq!(client.download(&id, "/large").await, large(b'l'));
    assert!(client.list(&id, "/").await.1 >= 3);
    assert_eq!(client.state(&id).await, "available");

    // Deletions need no free space.
    let second = [("contextId", &*id), ("filePath", "/second")];
    client.ok("DeleteContextFile", &second).await;
    wait_for(|| blobs(&data) == before - 1).await;
    let other = client.create("other").await;
    client.ok("ClearContext", &[("id", &other)]).await;
    client.wait_available(&other).await;
    let url = client.upload_url(&id, "/again").await;
    assert_eq!(
        xml_code(client.put(&url, "x").await).await,
        full,
        "there is too little space"
    );

    // A start needs no free space.
    server.shutdown().await;
    disk.fill();
    let (server, client) = start_in(&data).await;
    assert_eq!(client.download(&id, "/large").await, large(b'l'));
    let url = client.upload_url(&id, "/again").await;
    assert_eq!(xml_code(client.put(&url, "x").await).await, full);

    std::fs::remove_file(disk.filler()).unwrap();
    for path in ["/new-small", "/small"] {
        client.upload(&id, path, "new").await;
        assert_eq!(client.download(&id, path).await, b"new");
    }
    client.upload(&id, "/large", large(b'n')).await;
    assert_eq!(client.download(&id, "/large").await, large(b'n'));
    server.shutdown().await;
    let report = fsck(&data, FsckMode::Check).unwrap();
    assert!(!report.is_damaged(), "{report:?}");
    let (server, client) = start_in(&data).await;
    assert_eq!(client.download(&id, "/large").await, large(b'n'));
    client.ok("ClearContext", &[("id", &id)]).await;
    client.wait_available(&id).await;
    wait_for(|| blobs(&data) == 0).await;
    server.shutdown().await;
    let report = fsck(&data, FsckMode::Check).unwrap();
    assert!(report.is_clean(), "{report:?}");
}
