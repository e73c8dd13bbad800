//! The process of an import ends: no service uses the target, and the same import continues.

use std::path::Path;
use std::process::{Command, Stdio};

use agbcloud_server::{
    ArchiveError, CopyOptions, Server, StartError, Storage, backup, migrate, restore,
};

use crate::store::{archive, assert_clean, blobs, fill, large, start_in, tree, world};

const FROM: &str = "AGB_TEST_COPY_FROM";
const TO: &str = "AGB_TEST_COPY_TO";
const POINT: &str = "AGB_TEST_CRASH_POINT";

/// Runs the copy of another test in a process of its own. Does nothing without its environment variables.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_copy_that_crashes() {
    let (Ok(from), Ok(to)) = (std::env::var(FROM), std::env::var(TO)) else {
        return;
    };
    let options = CopyOptions::default();
    let from = Path::new(&from);
    match (from.join("agb.sqlite3").is_file(), to.ends_with("archive")) {
        (true, true) => backup(&Storage::folder(from), &to, &options)
            .await
            .map(drop),
        (true, false) => migrate(&Storage::folder(from), &Storage::folder(&to), &options)
            .await
            .map(drop),
        (false, _) => restore(from, &Storage::folder(&to), &options)
            .await
            .map(drop),
    }
    .unwrap();
}

/// Runs a copy in a process that ends at a point. Returns whether it was reached.
fn crash(point: &str, from: &Path, to: &Path) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["crashes::the_copy_that_crashes", "--exact"])
        .env(FROM, from)
        .env(TO, to)
        .env(POINT, point)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    !status.success()
}

async fn assert_refused(target: &Path, other: &Path) {
    let before = tree(target);
    let start = Server::builder().data_dir(target).start().await;
    assert!(
        matches!(start, Err(StartError::UnfinishedImport)),
        "{start:?}"
    );
    let options = CopyOptions::default();
    let from = Storage::folder(target);
    let refused = backup(&from, other.with_extension("x"), &options).await;
    assert!(
        matches!(
            refused,
            Err(ArchiveError::Store(StartError::UnfinishedImport))
        ),
        "{refused:?}"
    );
    let refused = restore(other, &from, &options).await;
    assert!(
        matches!(refused, Err(ArchiveError::OtherImport { .. })),
        "{refused:?}"
    );
    let kept = |tree: std::collections::BTreeMap<_, Vec<u8>>| tree.into_keys().collect::<Vec<_>>();
    let blobs = |name: &std::path::PathBuf| name.starts_with(target.join("blobs"));
    let (mut before, mut after) = (kept(before), kept(tree(target)));
    before.retain(blobs);
    after.retain(blobs);
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_killed_import_is_refused_and_continues() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fill(&data).await;
    let (server, client) = start_in(&data).await;
    let expected = world(&client).await;
    server.shutdown().await;
    let tar = archive(&data, "good.tar").await;
    let unpacked = archive(&data, "good").await;
    // An archive of another moment.
    let (server, client) = start_in(&data).await;
    client.create("later").await;
    server.shutdown().await;
    let later = archive(&data, "later.tar").await;
    let other = folder.path().join("other");
    fill(&other).await;
    let other = archive(&other, "other.tar").await;

    for (number, (point, from, others)) in [
        ("copy-before-blob", &tar, [&later, &other]),
        ("copy-after-blob", &unpacked, [&later, &other]),
        ("copy-after-batch", &tar, [&later, &other]),
        ("copy-before-finish", &unpacked, [&later, &other]),
    ]
    .into_iter()
    .enumerate()
    {
        let target = folder.path().join(format!("target-{number}"));
        assert!(crash(point, from, &target), "{point} was not reached");
        for other in others {
            assert_refused(&target, other).await;
        }
        let store = Storage::folder(&target);
        let options = CopyOptions::default();
        let report = restore(from, &store, &options).await.unwrap();
        if point == "copy-after-batch" || point == "copy-before-finish" {
            assert_eq!(report.skipped_files, 6, "{point}");
        }
        assert_clean(&target);
        assert_eq!(blobs(&target).len(), 6);
        let (server, client) = start_in(&target).await;
        assert_eq!(world(&client).await, expected);
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_killed_migration_continues_with_the_current_state_of_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let (data, target) = (folder.path().join("data"), folder.path().join("target"));
    fill(&data).await;
    assert!(crash("copy-before-finish", &data, &target));
    let (server, client) = start_in(&data).await;
    let id = client.create("one").await;
    client
        .ok(
            "DeleteContextFile",
            &[("contextId", &id), ("filePath", "/x/y/large")],
        )
        .await;
    client.upload(&id, "/new", large(7)).await;
    let expected = world(&client).await;
    server.shutdown().await;
    let (from, to) = (Storage::folder(&data), Storage::folder(&target));
    let report = migrate(&from, &to, &CopyOptions::default()).await.unwrap();
    assert_eq!(report.skipped_files, 5);
    assert_clean(&target);
    // Without what the first attempt copied in vain.
    assert_eq!(blobs(&target).len(), 6);
    let (server, client) = start_in(&target).await;
    assert_eq!(world(&client).await, expected);
    server.shutdown().await;
    let again = migrate(&from, &to, &CopyOptions::default()).await;
    assert!(
        matches!(again, Err(ArchiveError::NotEmpty { .. })),
        "{again:?}"
    );
}

#[tokio::test]
async fn an_archive_of_a_killed_backup_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fill(&data).await;
    for (number, point) in ["copy-before-blob", "copy-after-batch", "copy-before-finish"]
        .into_iter()
        .enumerate()
    {
        let archive = folder.path().join(format!("{number}-archive"));
        assert!(crash(point, &data, &archive), "{point} was not reached");
        let target = Storage::folder(folder.path().join("target"));
        let options = CopyOptions::default();
        let refused = restore(&archive, &target, &options).await;
        assert!(
            matches!(refused, Err(ArchiveError::Incomplete { .. })),
            "{refused:?}"
        );
        let again = backup(&Storage::folder(&data), &archive, &options).await;
        assert!(
            matches!(again, Err(ArchiveError::Exists { .. })),
            "{again:?}"
        );
    }
}

#[tokio::test]
async fn a_store_whose_service_was_killed_is_copied_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    fill(&data).await;
    let (server, client) = start_in(&data).await;
    let id = client.create("late").await;
    client.upload(&id, "/late", large(8)).await;
    let expected = world(&client).await;
    // A copy of the folder while the service runs is what a killed service leaves.
    for (from, content) in tree(&data) {
        let to = copy.join(from.strip_prefix(&data).unwrap());
        match from.is_dir() {
            true => std::fs::create_dir_all(&to).unwrap(),
            false => {
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::write(&to, content).unwrap();
            }
        }
    }
    server.shutdown().await;
    assert!(copy.join("agb.sqlite3-wal").metadata().unwrap().len() > 0);
    let before = tree(&copy);
    let tar = archive(&copy, "killed.tar").await;
    assert_eq!(tree(&copy), before);
    let restored = crate::store::restored(&tar, "restored").await;
    let (server, client) = start_in(&restored).await;
    assert_eq!(world(&client).await, expected);
    server.shutdown().await;
}
