//! What copies from and into PostgreSQL write and refuse. Skipped unless `AGB_TEST_STORE` selects PostgreSQL.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use agbcloud_server::{
    ArchiveError, CopyOptions, CopyReport, FsckMode, KeyDatabase, KeyFile, KeyLimits, Server,
    StartError, Storage, SystemClock, backup, fsck_storage, migrate, restore, test_store,
};
use tokio::sync::Notify;

use crate::client::{Client, start_with};
use crate::store::{assert_clean, fill, large, start_in, tree, world};

/// A folder for stores of PostgreSQL. `None` if the tests must be skipped.
fn new_folder() -> Option<tempfile::TempDir> {
    if test_store::is_postgres() {
        return Some(tempfile::tempdir().unwrap());
    }
    println!("skipped: AGB_TEST_STORE does not select PostgreSQL");
    None
}

async fn start(store: &Storage) -> (Server, Client) {
    start_with(Server::builder().storage(store.clone())).await
}

/// Starts a migration and ends it as soon as it has copied something.
async fn interrupt(from: &Storage, to: &Storage) {
    let reached = Arc::new(Notify::new());
    let notify = reached.clone();
    let options = CopyOptions::default().on_progress(move |_| notify.notify_one());
    tokio::select! {
        done = migrate(from, to, &options) => panic!("not interrupted: {done:?}"),
        () = reached.notified() => {}
    }
}

/// A copy that waits once it has copied some files. It has a thread of its own, as if it were another process.
struct Paused<T> {
    copy: JoinHandle<T>,
    go_on: mpsc::Sender<()>,
}

impl<T: Send + 'static> Paused<T> {
    async fn start<F: Future<Output = T>>(
        options: CopyOptions,
        files: u64,
        copy: impl FnOnce(CopyOptions) -> F + Send + 'static,
    ) -> Self {
        let (reached, is_reached) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let channels = Mutex::new(Some((reached, may_go_on)));
        let options = options.on_progress(move |progress| {
            if progress.files >= files
                && let Some((reached, may_go_on)) = channels.lock().unwrap().take()
            {
                reached.send(()).unwrap();
                may_go_on.recv().unwrap();
            }
        });
        let copy = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(copy(options))
        });
        tokio::task::spawn_blocking(move || is_reached.recv().unwrap())
            .await
            .unwrap();
        Self { copy, go_on }
    }

    async fn finish(self) -> T {
        self.go_on.send(()).unwrap();
        let join = || self.copy.join().unwrap();
        tokio::task::spawn_blocking(join).await.unwrap()
    }
}

/// The rows of all tables that a refused command could change.
fn rows(database: &str) -> Vec<String> {
    let query = "SELECT name, value FROM meta ORDER BY name;
                 SELECT * FROM marker; SELECT count(*) FROM uploads; SELECT count(*) FROM api_keys";
    test_store::query(database, query)
}

#[tokio::test]
async fn an_unfinished_import_is_refused_by_every_command() {
    let Some(folder) = new_folder() else { return };
    let (data, target) = (folder.path().join("data"), folder.path().join("target"));
    fill(&data).await;
    let (from, to) = (Storage::folder(&data), test_store::storage_in(&target));
    interrupt(&from, &to).await;
    let database = test_store::database(&target);
    let before = rows(&database);
    assert!(before.iter().any(|row| row.starts_with("importing ")));

    let started = Server::builder().storage(to.clone()).start().await;
    let mut refusals = vec![started.map(drop)];
    for mode in [FsckMode::Check, FsckMode::Repair, FsckMode::Accept] {
        refusals.push(fsck_storage(&to, mode).await.map(drop));
    }
    refusals.push(KeyDatabase::open(&database).await.map(drop));
    for (number, refused) in refusals.into_iter().enumerate() {
        let is_expected = matches!(refused, Err(StartError::UnfinishedImport));
        assert!(is_expected, "{number}: {refused:?}");
    }
    let archive = folder.path().join("archive.tar");
    let moved = Storage::folder(folder.path().join("moved"));
    for dry_run in [false, true] {
        let options = CopyOptions::default().dry_run(dry_run);
        for refused in [
            backup(&to, &archive, &options).await,
            migrate(&to, &moved, &options).await,
        ] {
            let is_expected = matches!(
                refused,
                Err(ArchiveError::Store(StartError::UnfinishedImport))
            );
            assert!(is_expected, "{refused:?}");
        }
    }
    assert_eq!(rows(&database), before);
    assert!(!archive.exists() && !folder.path().join("moved").exists());

    migrate(&from, &to, &CopyOptions::default()).await.unwrap();
    let (server, _) = start(&to).await;
    server.shutdown().await;
    KeyDatabase::open(&database).await.unwrap();
    let report = fsck_storage(&to, FsckMode::Check).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

/// The folder in which `AGB_TEST_S3_DIR` says that the test store keeps a bucket, for the blobs that belong to a folder.
fn prefix_folder(folder: &Path) -> Option<PathBuf> {
    let url = test_store::blobs_url(folder);
    let prefix = url.strip_prefix("s3://")?.split('?').next()?.to_owned();
    Some(PathBuf::from(std::env::var_os("AGB_TEST_S3_DIR")?).join(prefix))
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let Some(folder) = new_folder() else { return };
    let data = folder.path().join("data");
    fill(&data).await;
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    let (from, to) = (
        test_store::storage_in(&source),
        test_store::storage_in(&target),
    );
    migrate(&Storage::folder(&data), &from, &CopyOptions::default())
        .await
        .unwrap();
    // Any write fails.
    let database = test_store::database(&source);
    test_store::query(
        &database,
        "REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public FROM current_user",
    );
    let before = (
        tree(folder.path()),
        prefix_folder(&source).map(|path| tree(&path)),
    );
    let options = CopyOptions::default().dry_run(true);
    let archive = folder.path().join("archive.tar");
    let moved = Storage::folder(folder.path().join("moved"));
    for report in [
        backup(&from, &archive, &options).await.unwrap(),
        migrate(&from, &moved, &options).await.unwrap(),
        migrate(&from, &to, &options).await.unwrap(),
        migrate(&Storage::folder(&data), &to, &options)
            .await
            .unwrap(),
    ] {
        assert_eq!((report.contexts, report.files), (6, 12));
    }
    let after = (
        tree(folder.path()),
        prefix_folder(&source).map(|path| tree(&path)),
    );
    assert!(before == after, "files were changed");
    assert!(prefix_folder(&target).is_none_or(|path| !path.exists()));
    let tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    let tables = test_store::query(&test_store::database(&target), tables);
    assert_eq!(tables, [""; 0]);
    // A backup writes its lease.
    let refused = backup(&from, &archive, &CopyOptions::default()).await;
    assert!(refused.is_err());
    test_store::query(
        &database,
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO current_user",
    );
    let before = rows(&database);
    backup(&from, &archive, &CopyOptions::default())
        .await
        .unwrap();
    assert_eq!(rows(&database), before, "the lease was not removed");
}

#[tokio::test]
async fn files_that_are_deleted_during_a_dry_run_are_not_damage() {
    let Some(folder) = new_folder() else { return };
    let data = folder.path().join("data");
    let store = test_store::storage_in(&data);
    let (server, client) = start(&store).await;
    let id = client.create("c").await;
    for number in 0..20_u8 {
        let path = format!("/{number:02}");
        client.upload(&id, &path, large(number)).await;
    }
    let options = CopyOptions::default().dry_run(true);
    let (from, archive) = (store.clone(), folder.path().join("archive.tar"));
    let dry_run = Paused::start(options, 0, |options| async move {
        backup(&from, &archive, &options).await
    })
    .await;
    client.ok("ClearContext", &[("id", &id)]).await;
    client.wait_available(&id).await;
    for _ in 0..200 {
        if test_store::count_blobs(&data) == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(test_store::count_blobs(&data), 0);
    let report: CopyReport = dry_run.finish().await.unwrap();
    assert!(report.findings.is_empty(), "{report:?}");

    // A content that is missing although its file exists is damage.
    client.upload(&id, "/f", large(1)).await;
    server.shutdown().await;
    if let Some(blobs) = prefix_folder(&data).or_else(|| Some(data.join("blobs")))
        && blobs.exists()
    {
        for path in tree(&blobs).into_keys().filter(|path| path.is_file()) {
            if !path.ends_with("mark") {
                std::fs::remove_file(path).unwrap();
            }
        }
        let options = CopyOptions::default().dry_run(true);
        let damaged = backup(&store, folder.path().join("x.tar"), &options).await;
        assert!(
            matches!(damaged, Err(ArchiveError::Damaged { .. })),
            "{damaged:?}"
        );
    }
}

#[tokio::test]
async fn the_blobs_of_a_source_are_not_those_of_its_copy() {
    let Some(folder) = new_folder() else { return };
    let data = folder.path().join("data");
    fill(&data).await;
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    let (from, to) = (
        test_store::storage_in(&source),
        test_store::storage_in(&target),
    );
    let options = CopyOptions::default();
    migrate(&Storage::folder(&data), &from, &options)
        .await
        .unwrap();
    let with_blobs = |database: &Path, blobs: &str| {
        let database = test_store::database(database);
        Storage::parse(Some(&database), Some(blobs)).unwrap()
    };
    // Both before a copy begins and when it is continued.
    for is_resumed in [false, true] {
        if is_resumed {
            interrupt(&from, &to).await;
        }
        let blobs = [
            test_store::blobs_url(&source),
            format!("file:{}", data.join("blobs").display()),
        ];
        for blobs in blobs {
            let refused = migrate(&from, &with_blobs(&target, &blobs), &options).await;
            assert!(
                matches!(refused, Err(ArchiveError::NotEmpty { .. })),
                "{blobs}: {refused:?}"
            );
        }
    }
    // Nor others than before.
    let other = test_store::blobs_url(&folder.path().join("other"));
    let refused = migrate(&from, &with_blobs(&target, &other), &options).await;
    assert!(
        matches!(refused, Err(ArchiveError::OtherImport { .. })),
        "{refused:?}"
    );
    migrate(&from, &to, &options).await.unwrap();
    for store in [&from, &to] {
        let report = fsck_storage(store, FsckMode::Check).await.unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
    assert_clean(&data);
}

#[tokio::test]
async fn a_source_with_the_wrong_blobs_is_refused_and_nothing_is_created() {
    let Some(folder) = new_folder() else { return };
    let data = folder.path().join("data");
    fill(&data).await;
    let source = folder.path().join("source");
    let options = CopyOptions::default();
    let from = test_store::storage_in(&source);
    migrate(&Storage::folder(&data), &from, &options)
        .await
        .unwrap();
    let missing = folder.path().join("missing");
    let blobs = format!("file:{}", missing.display());
    let wrong = Storage::parse(Some(&test_store::database(&source)), Some(&blobs)).unwrap();
    let refused = backup(&wrong, folder.path().join("a.tar"), &options).await;
    assert!(
        matches!(refused, Err(ArchiveError::OtherBlobs { .. })),
        "{refused:?}"
    );
    assert!(!missing.exists());
}

#[tokio::test]
async fn an_import_that_another_process_has_continued_changes_nothing() {
    let Some(folder) = new_folder() else { return };
    let data = folder.path().join("data");
    fill(&data).await;
    let to = test_store::storage_in(folder.path().join("target"));
    let from = Storage::folder(&data);
    let stalled = {
        let (from, to) = (from.clone(), to.clone());
        // Not in a transaction, whose lock the other process would wait for.
        Paused::start(CopyOptions::default(), 1, |options| async move {
            migrate(&from, &to, &options).await
        })
        .await
    };
    migrate(&from, &to, &CopyOptions::default()).await.unwrap();
    let failed = stalled.finish().await;
    assert!(
        matches!(failed, Err(ArchiveError::Failed { .. })),
        "{failed:?}"
    );
    let (server, client) = start_in(&data).await;
    let expected = world(&client).await;
    server.shutdown().await;
    let (server, client) = start(&to).await;
    assert_eq!(world(&client).await, expected);
    server.shutdown().await;
    let report = fsck_storage(&to, FsckMode::Check).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test]
async fn the_keys_of_a_key_file_are_copied_on_request() {
    let Some(folder) = new_folder() else { return };
    let (data, keys) = (folder.path().join("data"), folder.path().join("keys"));
    let now = agbcloud_server::Clock::now(&SystemClock);
    let (a, b) = KeyFile::edit(&keys, |file| {
        let keys = (file.add("a", now)?, file.add("b", now)?);
        let mut limits = KeyLimits::default();
        limits.max_files = Some(1);
        file.set_limits(keys.1.id(), limits)?;
        file.rotate_signing(std::time::Duration::from_secs(3600), now)?;
        Ok((keys.0.secret().to_owned(), keys.1.secret().to_owned()))
    })
    .unwrap();
    let builder = Server::builder().data_dir(&data).key_file(&keys);
    let (server, client) = start_with(builder).await;
    let client = client.with_key(&a);
    let id = client.create("one").await;
    client.upload(&id, "/f", "x").await;
    let url = client.download_url(&id, "/f").await;
    let old = server.url().to_owned();
    server.shutdown().await;

    let (migrated, restored) = (
        test_store::storage_in(folder.path().join("migrated")),
        test_store::storage_in(folder.path().join("restored")),
    );
    let options = CopyOptions::default().key_file(&keys);
    let report = migrate(&Storage::folder(&data), &migrated, &options)
        .await
        .unwrap();
    assert_eq!(report.keys, 2);
    let tar = folder.path().join("archive.tar");
    let without = CopyOptions::default();
    backup(&Storage::folder(&data), &tar, &without)
        .await
        .unwrap();
    restore(&tar, &restored, &options).await.unwrap();
    for store in [&migrated, &restored] {
        let (server, other) = start(store).await;
        let here = url.replace(&old, server.url());
        let response = other.http.get(here).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "x");
        assert_eq!(other.with_key(&a).create("one").await, id);
        let limited = other.with_key(&b);
        let context = limited.create("one").await;
        limited.upload(&context, "/1", "x").await;
        let second = limited.upload_url(&context, "/2").await;
        assert_eq!(limited.put(&second, "x").await.status(), 409);
        other.fails("ListContexts", &[], 401, "Unauthorized").await;
        server.shutdown().await;
    }
    // They are not mixed with others.
    let mixed = backup(&migrated, folder.path().join("x"), &options).await;
    assert!(
        matches!(mixed, Err(ArchiveError::OtherKeys { .. })),
        "{mixed:?}"
    );
    assert!(!folder.path().join("x").exists());
}
