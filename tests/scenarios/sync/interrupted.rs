//! Syncs that are killed or dropped before they end.

use std::{path::Path, time::Duration};

use agbcloud::{ConflictPolicy, SyncDir};

use super::{remote, tree, world, write};
use crate::support::{KEY, World};

/// The process that another test kills; not a test of its own.
#[tokio::test]
#[ignore = "started by another test"]
async fn child_process_to_kill() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let client = agbcloud::Client::builder()
        .api_key(KEY)
        .endpoint(variable("SYNC_ENDPOINT"));
    let id = agbcloud::ContextId::new(variable("SYNC_CONTEXT")).unwrap();
    let files = client.build().unwrap().contexts().files(&id);
    let local = variable("SYNC_LOCAL");
    match variable("SYNC_DIRECTION").as_str() {
        "up" => overwrite(files.upload_dir(local, "/data")).await.unwrap(),
        _ => overwrite(files.download_dir("/data", local)).await.unwrap(),
    };
}

/// The times do not show which version is newer.
fn overwrite(sync: SyncDir) -> SyncDir {
    sync.on_conflict(ConflictPolicy::Overwrite)
}

/// Growing delays, so that some of them end in the middle of a sync on any machine.
fn delays() -> impl Iterator<Item = Duration> {
    (2..20_u32).map(|step| Duration::from_millis(30) * step)
}

/// Starts a process that syncs, and kills it after a delay.
async fn sync_and_kill(world: &World, id: &str, direction: &str, local: &Path, after: Duration) {
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "sync::interrupted::child_process_to_kill",
            "--ignored",
        ])
        .env("SYNC_ENDPOINT", world.server.url())
        .env("SYNC_CONTEXT", id)
        .env("SYNC_LOCAL", local)
        .env("SYNC_DIRECTION", direction)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    tokio::time::sleep(after).await;
    child.kill().await.unwrap();
}

#[tokio::test]
async fn a_sync_after_a_kill_copies_the_rest() {
    let world = world().await;
    let (id, files) = world.files("one").await;
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for number in 0..300 {
        let path = format!("{}/{number}", number % 7);
        write(here.path(), &[(&path, &"x".repeat(number * 300))]);
    }
    let whole = tree(here.path());
    for after in delays() {
        sync_and_kill(&world, id.as_str(), "up", here.path(), after).await;
        for path in remote(&files, "/data").await {
            let name = path.strip_prefix("/data/").unwrap();
            assert!(
                files.read(path.as_str()).await.unwrap() == whole[name],
                "{path} is half there"
            );
        }
        if remote(&files, "/data").await.len() > 200 {
            break;
        }
    }
    let report = files.upload_dir(here.path(), "/data").await.unwrap();
    assert_eq!(report.transferred + report.unchanged, 300);

    for after in delays() {
        sync_and_kill(&world, id.as_str(), "down", there.path(), after).await;
        let mut found = tree(there.path());
        let all = found.len();
        found.retain(|path, _| !path.ends_with(".part"));
        if supports_unnamed_files(there.path()) {
            assert_eq!(all, found.len(), "incomplete files have no name");
        }
        assert!(found.iter().all(|(path, content)| whole[path] == *content));
        if found.len() > 200 {
            break;
        }
    }
    files.download_dir("/data", there.path()).await.unwrap();
    assert!(tree(there.path()) == whole);
    // Leftovers are not uploaded.
    let report = files.upload_dir(there.path(), "/data").await.unwrap();
    assert_eq!(report.unchanged, 300);
}

/// Whether the file system supports files without a name.
fn supports_unnamed_files(folder: &Path) -> bool {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    {
        use std::os::unix::fs::OpenOptionsExt;

        const O_TMPFILE: i32 = 0o20_200_000;
        let mut options = std::fs::File::options();
        let opened = options.write(true).custom_flags(O_TMPFILE).open(folder);
        opened.is_ok()
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    {
        let _ = folder;
        false
    }
}

/// A download that replaces a file has a temporary name for a moment, on some file systems for longer. A process that is killed
/// then leaves the file. The next sync removes it, but not the file of a running process.
#[cfg(unix)]
#[tokio::test]
async fn leftovers_of_a_killed_process_are_removed_by_the_next_sync() {
    let world = world().await;
    let (id, files) = world.files("one").await;
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let fill = |length: usize| {
        for number in 0..200 {
            let path = format!("{}/{number}", number % 7);
            write(here.path(), &[(&path, &"x".repeat(length + number * 2000))]);
        }
        tree(here.path())
    };
    let old = fill(0);
    files.upload_dir(here.path(), "/data").await.unwrap();
    files.download_dir("/data", there.path()).await.unwrap();
    let new = fill(1000);
    overwrite(files.upload_dir(here.path(), "/data"))
        .await
        .unwrap();
    let replaced = |found: &super::Tree| {
        let found = found.iter();
        found
            .filter(|(path, content)| new.get(*path) == Some(content))
            .count()
    };
    for after in delays() {
        sync_and_kill(&world, id.as_str(), "down", there.path(), after).await;
        let mut found = tree(there.path());
        found.retain(|path, _| !path.ends_with(".part"));
        for (path, content) in &found {
            assert!(
                [&old[path], &new[path]].contains(&content),
                "{path} is half there"
            );
        }
        if (20..180).contains(&replaced(&found)) {
            break;
        }
    }
    // As if it had been killed before the rename.
    let [dead, alive] = ["0123456789abcdef", "fedcba9876543210"]
        .map(|name| there.path().join(format!("1/.agb-{name}.part")));
    std::fs::write(&dead, "half").unwrap();
    let held = std::fs::File::create(&alive).unwrap();
    held.lock().unwrap();
    // One file of each folder has to be downloaded, whatever was copied before.
    for folder in 0..7 {
        std::fs::remove_file(there.path().join(format!("{folder}/{folder}"))).unwrap();
    }
    let report = overwrite(files.download_dir("/data", there.path()));
    let report = report.await.unwrap();
    assert_eq!(report.failed, 0, "{report:?}");
    let mut found = tree(there.path());
    assert_eq!(
        found.remove("1/.agb-fedcba9876543210.part"),
        Some(Vec::new())
    );
    assert!(found == new, "no leftovers");
    drop(held);
}

#[tokio::test]
async fn a_sync_after_a_dropped_one_copies_the_rest() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    for number in 0..100 {
        write(
            here.path(),
            &[(
                &format!("{}/{number}", number % 7),
                &"x".repeat(number * 100),
            )],
        );
    }
    for after in [1, 5, 20, 60] {
        let wait = tokio::time::sleep(Duration::from_millis(after));
        let sync = files.upload_dir(here.path(), "/data");
        tokio::select! {
            report = async { sync.await } => drop(report.unwrap()),
            () = wait => {}
        }
    }
    let report = files.upload_dir(here.path(), "/data").await.unwrap();
    assert_eq!(report.transferred + report.unchanged, 100);

    let there = tempfile::tempdir().unwrap();
    for after in [1, 5, 20, 60] {
        let wait = tokio::time::sleep(Duration::from_millis(after));
        let sync = files.download_dir("/data", there.path());
        tokio::select! {
            report = async { sync.await } => drop(report.unwrap()),
            () = wait => {}
        }
    }
    files.download_dir("/data", there.path()).await.unwrap();
    let here = tree(here.path());
    for _ in 0..100 {
        // The dropped sync may still write its last file.
        if tree(there.path()) == here {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(tree(there.path()), here, "no leftovers");
}
