//! Copies between engines. Skipped unless `AGB_TEST_STORE` selects PostgreSQL.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agbcloud_server::{
    ArchiveError, CopyOptions, FsckMode, KeyDatabase, KeyFile, KeyLimits, Server, StartError,
    Storage, SystemClock, backup, fsck_storage, migrate, restore, test_store,
};
use tokio::sync::Notify;

use crate::client::{Client, start_with};
use crate::store::{assert_clean, fill, large, restored, start_in, tree, world};

/// Whether the tests must be skipped. Prints the reason.
fn is_skipped() -> bool {
    let skipped = !test_store::is_postgres();
    if skipped {
        println!("skipped: AGB_TEST_STORE does not select PostgreSQL");
    }
    skipped
}

/// An empty store of the selected engines.
fn new_store(folder: &Path, name: &str) -> Storage {
    test_store::storage_in(folder.join(name))
}

async fn start(store: &Storage) -> (Server, Client) {
    start_with(Server::builder().storage(store.clone())).await
}

#[tokio::test]
async fn a_store_is_copied_to_other_engines_and_back() {
    if is_skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fill(&data).await;
    let (server, client) = start_in(&data).await;
    // Enough entries for a page index.
    let many = client.create("many").await;
    let names: Vec<_> = (0..1100).map(|name| format!("/many/{name}")).collect();
    for names in names.chunks(50) {
        let uploads = names.iter().map(|name| client.upload(&many, name, "x"));
        futures_util::future::join_all(uploads).await;
    }
    let (expected, id) = (world(&client).await, client.create("one").await);
    let url = client.download_url(&id, "/x/y/large").await;
    let old = server.url().to_owned();
    server.shutdown().await;

    let (from, shared) = (Storage::folder(&data), new_store(folder.path(), "shared"));
    let options = CopyOptions::default();
    let dry_run = options.clone().dry_run(true);
    let before = tree(&data);
    let planned = migrate(&from, &shared, &dry_run).await.unwrap();
    let report = migrate(&from, &shared, &options).await.unwrap();
    assert_eq!(tree(&data), before, "the source was changed");
    assert_eq!((planned.files, planned.bytes), (report.files, report.bytes));
    assert_eq!((report.contexts, report.files), (7, 1112));
    let again = migrate(&from, &shared, &options).await;
    assert!(
        matches!(again, Err(ArchiveError::NotEmpty { .. })),
        "{again:?}"
    );
    let same = migrate(&shared, &shared, &options).await;
    assert!(matches!(same, Err(ArchiveError::SameStore)), "{same:?}");

    // Backed up while the service runs.
    let (server, client) = start(&shared).await;
    assert_eq!(world(&client).await, expected);
    let here = url.replace(&old, server.url());
    let response = client.http.get(here).send().await.unwrap();
    assert_eq!(response.bytes().await.unwrap(), large(1));
    let tar = folder.path().join("archive.tar");
    let backed_up = backup(&shared, &tar, &options).await.unwrap();
    assert_eq!(
        (backed_up.contexts, backed_up.files, backed_up.bytes),
        (7, 1112, report.bytes)
    );
    server.shutdown().await;

    let (moved, copy) = (
        folder.path().join("moved"),
        new_store(folder.path(), "copy"),
    );
    let back = Storage::folder(&moved);
    migrate(&shared, &back, &options).await.unwrap();
    assert_clean(&moved);
    let from_tar = restored(&tar, "from-tar").await;
    restore(&tar, &copy, &dry_run).await.unwrap();
    restore(&tar, &copy, &options).await.unwrap();
    for store in [back, Storage::folder(from_tar), copy, shared] {
        let (server, client) = start(&store).await;
        assert_eq!(world(&client).await, expected);
        // Counts, pages and deletions work.
        client.upload(&many, "/many/z", large(9)).await;
        client.ok("ClearContext", &[("id", &many)]).await;
        client.wait_available(&many).await;
        assert_eq!(client.list(&many, "/").await.1, 0);
        server.shutdown().await;
        let check = fsck_storage(&store, FsckMode::Check).await.unwrap();
        assert!(!check.is_damaged(), "{check:?}");
    }
}

#[tokio::test]
async fn an_interrupted_import_is_refused_and_continues() {
    if is_skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (data, other) = (folder.path().join("data"), folder.path().join("other"));
    fill(&data).await;
    fill(&other).await;
    let (from, to) = (Storage::folder(&data), new_store(folder.path(), "shared"));
    for files in [0, 4] {
        let reached = Arc::new(Notify::new());
        let notify = reached.clone();
        let options = CopyOptions::default().on_progress(move |progress| {
            if progress.files >= files {
                notify.notify_one();
            }
        });
        tokio::select! {
            done = migrate(&from, &to, &options) => panic!("not interrupted: {done:?}"),
            () = reached.notified() => {}
        }
        let start = Server::builder().storage(to.clone()).start().await;
        assert!(
            matches!(start, Err(StartError::UnfinishedImport)),
            "{start:?}"
        );
        let options = CopyOptions::default();
        let refused = migrate(&Storage::folder(&other), &to, &options).await;
        assert!(
            matches!(refused, Err(ArchiveError::OtherImport { .. })),
            "{refused:?}"
        );
        let refused = backup(&to, folder.path().join("x.tar"), &options).await;
        assert!(
            matches!(
                refused,
                Err(ArchiveError::Store(StartError::UnfinishedImport))
            ),
            "{refused:?}"
        );
    }
    let report = migrate(&from, &to, &CopyOptions::default()).await.unwrap();
    assert!(report.skipped_files > 0, "{report:?}");
    let (server, client) = start_in(&data).await;
    let expected = world(&client).await;
    server.shutdown().await;
    let (server, client) = start(&to).await;
    assert_eq!(world(&client).await, expected);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_blob_is_deleted_while_a_backup_runs() {
    if is_skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = new_store(folder.path(), "shared");
    let (server, client) = start(&store).await;
    let id = client.create("c").await;
    for number in 0..20_u8 {
        client
            .upload(&id, &format!("/{number:02}"), large(number))
            .await;
    }
    let expected = world(&client).await;
    let (reached, is_reached) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let channels = std::sync::Mutex::new(Some((reached, may_go_on)));
    let options = CopyOptions::default().on_progress(move |_| {
        if let Some((reached, may_go_on)) = channels.lock().unwrap().take() {
            reached.send(()).unwrap();
            may_go_on.recv().unwrap();
        }
    });
    let archive = folder.path().join("archive");
    let running = tokio::spawn({
        let (store, archive) = (store.clone(), archive.clone());
        async move { backup(&store, &archive, &options).await }
    });
    tokio::task::spawn_blocking(move || is_reached.recv().unwrap())
        .await
        .unwrap();
    client.ok("ClearContext", &[("id", &id)]).await;
    client.wait_available(&id).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    go_on.send(()).unwrap();
    // Every content is read and verified.
    let report = running.await.unwrap().unwrap();
    assert_eq!(report.files, 20);
    server.shutdown().await;
    let copy = restored(&archive, "copy").await;
    let (server, client) = start_in(&copy).await;
    assert_eq!(world(&client).await, expected);
    server.shutdown().await;
}

#[tokio::test]
async fn keys_of_a_database_are_copied() {
    if is_skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (
        new_store(folder.path(), "from"),
        new_store(folder.path(), "to"),
    );
    let (server, _) = start(&from).await;
    server.shutdown().await;
    let keys = KeyDatabase::open(&test_store::database(&folder.path().join("from")))
        .await
        .unwrap();
    let now = agbcloud_server::Clock::now(&SystemClock);
    let key = keys
        .add("team", KeyLimits::default(), now)
        .await
        .unwrap()
        .secret()
        .to_owned();
    keys.rotate_signing(Duration::from_secs(3600), now)
        .await
        .unwrap();
    drop(keys);
    let (server, client) = start(&from).await;
    let client = client.with_key(&key);
    let id = client.create("one").await;
    client.upload(&id, "/f", "x").await;
    let url = client.download_url(&id, "/f").await;
    let old = server.url().to_owned();
    server.shutdown().await;

    let tar = folder.path().join("archive.tar");
    let options = CopyOptions::default();
    let report = backup(&from, &tar, &options).await.unwrap();
    assert_eq!(report.keys, 1);
    restore(&tar, &to, &options).await.unwrap();
    let data = folder.path().join("data");
    let report = restore(&tar, &Storage::folder(&data), &options)
        .await
        .unwrap();
    let file = report.key_file.unwrap();
    assert_eq!(KeyFile::read(&file).unwrap().keys().len(), 1);
    for builder in [
        Server::builder().storage(to),
        Server::builder().data_dir(&data).key_file(file),
    ] {
        let (server, other) = start_with(builder).await;
        let client = other.with_key(&key);
        assert_eq!(client.create("one").await, id);
        let response = client
            .http
            .get(url.replace(&old, server.url()))
            .send()
            .await
            .unwrap();
        assert_eq!(response.text().await.unwrap(), "x");
        other.fails("ListContexts", &[], 401, "Unauthorized").await;
        server.shutdown().await;
    }
}
