//! Backups of a service that is used.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agbcloud_server::{CopyOptions, FsckMode, Storage, backup, fsck};

use crate::client::Client;
use crate::store::{assert_clean, blobs, large, restored, start_in, world};

/// The content of one version of a file: its name and number are in each part of it.
fn content(path: &str, version: u64) -> Vec<u8> {
    let unit = format!("{path} {version}\n");
    let size = if version.is_multiple_of(2) {
        100
    } else {
        90_000
    };
    unit.bytes().cycle().take(size).collect()
}

/// The versions of files that a backup may contain, by context and path.
type Versions = Arc<Mutex<BTreeMap<(String, String), u64>>>;

/// Replaces, deletes and clears until it is stopped.
async fn write(client: Client, id: String, number: u64, started: Versions, stop: Arc<AtomicBool>) {
    let path = format!("/d{number}/file");
    for version in 1.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let key = (id.clone(), path.clone());
        started.lock().unwrap().insert(key, version);
        let parameters = format!("contextId={id}&filePath={path}");
        let answer = client.call("GetContextFileUploadUrl", &parameters).await;
        // Both fail while the context is being cleared.
        if let Some(url) = answer.body["data"]["url"].as_str() {
            drop(client.put(url, content(&path, version)).await);
        }
        if version % 5 == 0 {
            drop(client.call("DeleteContextFile", &parameters).await);
        }
        if version % 23 == 0 {
            client.call("ClearContext", &format!("id={id}")).await;
        }
    }
}

/// Replaces one file, and counts the versions that were acknowledged.
async fn count(client: Client, id: String, acknowledged: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    let url = client.upload_url(&id, "/counter").await;
    for version in 1.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let response = client.put(&url, content("/counter", version)).await;
        assert_eq!(response.status(), 200);
        acknowledged.store(version, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_the_state_of_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (server, client) = start_in(&data).await;
    let stop = Arc::new(AtomicBool::new(false));
    let started = Versions::default();
    let mut writers = Vec::new();
    for context in 0..3 {
        let id = client.create(&format!("c{context}")).await;
        client.upload(&id, "/kept", large(9)).await;
        for number in 0..3 {
            let (id, started, stop) = (id.clone(), started.clone(), stop.clone());
            writers.push(tokio::spawn(write(
                client.clone(),
                id,
                number,
                started,
                stop,
            )));
        }
    }
    // Acknowledged before any backup and never changed: every backup has it.
    let kept = client.create("kept").await;
    client.upload(&kept, "/kept", large(9)).await;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let (acked, stopped) = (acknowledged.clone(), stop.clone());
    writers.push(tokio::spawn(count(
        client.clone(),
        kept.clone(),
        acked,
        stopped,
    )));
    let mut archives = Vec::new();
    for round in 0..6 {
        let name = ["archive", "archive.tar"][round % 2];
        let archive = folder.path().join(format!("{round}-{name}"));
        tokio::time::sleep(Duration::from_millis(100)).await;
        let options = CopyOptions::default();
        let before = acknowledged.load(Ordering::SeqCst).max(1);
        backup(&Storage::folder(&data), &archive, &options)
            .await
            .unwrap();
        // One more may have been published, but not acknowledged yet.
        let counted = before..=acknowledged.load(Ordering::SeqCst) + 1;
        let versions = started.lock().unwrap().clone();
        archives.push((archive, versions, counted));
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    server.shutdown().await;
    assert!(!fsck(&data, FsckMode::Check).unwrap().is_damaged());

    let (mut distinct, mut counters) = (HashSet::new(), HashSet::new());
    for (round, (archive, started, counted)) in archives.iter().enumerate() {
        let copy = restored(archive, &format!("copy-{round}")).await;
        let (server, client) = start_in(&copy).await;
        let found = world(&client).await;
        assert_eq!(found.len(), 4);
        assert_eq!(found[&kept].1["/kept"].1, large(9));
        for (id, (context, entries)) in &found {
            assert_eq!(context["state"], "available");
            for (path, (entry, bytes)) in entries {
                if entry["fileType"] == "folder" || path == "/kept" {
                    continue;
                }
                let text = String::from_utf8_lossy(&bytes[..40.min(bytes.len())]).into_owned();
                let version: u64 = text.split([' ', '\n']).nth(1).unwrap().parse().unwrap();
                assert_eq!(*bytes, content(path, version), "{id} {path}");
                if path == "/counter" {
                    assert!(counted.contains(&version), "{version} {counted:?}");
                    counters.insert(version);
                    continue;
                }
                assert!(version <= started[&(id.clone(), path.clone())]);
                distinct.insert(version);
            }
        }
        server.shutdown().await;
        assert_clean(&copy);
    }
    assert!(counters.len() > 3, "{counters:?}");
    assert!(distinct.len() > 1, "nothing was written during the backups");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_blob_is_deleted_while_a_backup_runs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (server, client) = start_in(&data).await;
    let id = client.create("c").await;
    for number in 0..20_u8 {
        client
            .upload(&id, &format!("/{number:02}"), large(number))
            .await;
    }
    assert_eq!(blobs(&data).len(), 20);
    let expected = world(&client).await;
    // Everything is deleted while the first content is copied.
    let (reached, is_reached) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let channels = Mutex::new(Some((reached, may_go_on)));
    let options = CopyOptions::default().on_progress(move |_| {
        if let Some((reached, may_go_on)) = channels.lock().unwrap().take() {
            reached.send(()).unwrap();
            may_go_on.recv().unwrap();
        }
    });
    let archive = folder.path().join("archive.tar");
    let running = tokio::spawn({
        let (data, archive) = (data.clone(), archive.clone());
        async move { backup(&Storage::folder(&data), &archive, &options).await }
    });
    tokio::task::spawn_blocking(move || is_reached.recv().unwrap())
        .await
        .unwrap();
    client.ok("ClearContext", &[("id", &id)]).await;
    client.wait_available(&id).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(blobs(&data).len(), 20);
    go_on.send(()).unwrap();
    running.await.unwrap().unwrap();
    // A start collects what is left.
    server.shutdown().await;
    let (server, _) = start_in(&data).await;
    for _ in 0..500 {
        if blobs(&data).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(blobs(&data).len(), 0);
    server.shutdown().await;

    let copy = restored(&archive, "copy").await;
    let (server, client) = start_in(&copy).await;
    assert_eq!(world(&client).await, expected);
    server.shutdown().await;
}
