//! Processes that are killed in the middle of a folder.

use std::{path::Path, time::Duration};

use agbcloud::{ConflictPolicy, SyncDir};

use super::{remote, tree, world, write};
use crate::support::{KEY, World};

/// The process that is killed: not a test of its own.
#[tokio::test]
#[ignore = "started by another test"]
async fn child_that_is_killed() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let client = agbcloud::Client::builder()
        .api_key(KEY)
        .endpoint(variable("TREE_ENDPOINT"));
    let id = agbcloud::ContextId::new(variable("TREE_CONTEXT")).unwrap();
    let files = client.build().unwrap().contexts().files(&id);
    let local = variable("TREE_LOCAL");
    match variable("TREE_DIRECTION").as_str() {
        "up" => overwrite(files.upload_dir(local, "/data")).await.unwrap(),
        _ => overwrite(files.download_dir("/data", local)).await.unwrap(),
    };
}

/// The versions here have no times by which the newer one would be known.
fn overwrite(sync: SyncDir) -> SyncDir {
    sync.on_conflict(ConflictPolicy::Overwrite)
}

/// Times to kill after, so that some hit the middle on any machine.
fn growing() -> impl Iterator<Item = Duration> {
    (2..20_u32).map(|step| Duration::from_millis(30) * step)
}

/// Starts a process that does it, and kills it after a while.
async fn do_and_kill(world: &World, id: &str, direction: &str, local: &Path, after: Duration) {
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "sync::interrupted::child_that_is_killed",
            "--ignored",
        ])
        .env("TREE_ENDPOINT", world.server.url())
        .env("TREE_CONTEXT", id)
        .env("TREE_LOCAL", local)
        .env("TREE_DIRECTION", direction)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    tokio::time::sleep(after).await;
    child.kill().await.unwrap();
}

#[tokio::test]
async fn one_that_was_killed_finishes_the_rest() {
    let world = world().await;
    let (id, files) = world.files("one").await;
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for number in 0..300 {
        let path = format!("{}/{number}", number % 7);
        write(here.path(), &[(&path, &"x".repeat(number * 300))]);
    }
    let whole = tree(here.path());
    for after in growing() {
        do_and_kill(&world, id.as_str(), "up", here.path(), after).await;
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

    for after in growing() {
        do_and_kill(&world, id.as_str(), "down", there.path(), after).await;
        let mut found = tree(there.path());
        let all = found.len();
        found.retain(|path, _| !path.ends_with(".part"));
        if knows_nameless_files(there.path()) {
            assert_eq!(all, found.len(), "what is new has no other name before");
        }
        assert!(found.iter().all(|(path, content)| whole[path] == *content));
        if found.len() > 200 {
            break;
        }
    }
    files.download_dir("/data", there.path()).await.unwrap();
    assert!(tree(there.path()) == whole);
    // What was left behind is not sent.
    let report = files.upload_dir(there.path(), "/data").await.unwrap();
    assert_eq!(report.unchanged, 300);
}

/// Whether the file system has files without a name.
fn knows_nameless_files(folder: &Path) -> bool {
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

/// A file that replaces another has a name of its own for a moment, and on some file systems for longer. Whoever is killed
/// then leaves it, and the next run removes it at once, but not that of a process that is alive.
#[cfg(unix)]
#[tokio::test]
async fn what_a_killed_process_leaves_is_removed_by_the_next_run() {
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
    for after in growing() {
        do_and_kill(&world, id.as_str(), "down", there.path(), after).await;
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
    // As if it had been killed between the two names.
    let [dead, alive] = ["0123456789abcdef", "fedcba9876543210"]
        .map(|name| there.path().join(format!("1/.agb-{name}.part")));
    std::fs::write(&dead, "half").unwrap();
    let held = std::fs::File::create(&alive).unwrap();
    held.lock().unwrap();
    // One file of each folder is to be fetched, whatever was done before.
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
    assert!(found == new, "nothing else is left");
    drop(held);
}

#[tokio::test]
async fn one_that_was_broken_off_finishes_the_rest() {
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
        // What was dropped may be at its last file.
        if tree(there.path()) == here {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(tree(there.path()), here, "and nothing is left behind");
}
