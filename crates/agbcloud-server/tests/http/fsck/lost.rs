//! Stores that lack a part or are of another version.

use super::*;

#[tokio::test]
async fn lost_rows_and_a_torn_database_are_reported() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Store::new().await;
    store.sql("UPDATE entries SET small = (SELECT min(pk) FROM contents) WHERE small IS NOT NULL");
    let found = store.found(FsckMode::Repair);
    assert!(
        found.contains(&(FindingKind::SharedContent, String::new())),
        "{found:?}"
    );
    let store = Store::new().await;
    store.sql("PRAGMA foreign_keys = 0; UPDATE contexts SET tree = 99 WHERE name = 'c'");
    let found = store.found(FsckMode::Repair);
    for kind in [FindingKind::LostTree, FindingKind::Database] {
        assert!(found.contains(&(kind, String::new())), "{found:?}");
    }
    let store = Store::new().await;
    let database = store.path().join("agb.sqlite3");
    let mut bytes = std::fs::read(&database).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xa5);
    std::fs::write(&database, bytes).unwrap();
    match fsck(store.path(), FsckMode::Repair) {
        Ok(report) => assert!(report.is_damaged(), "{report:?}"),
        Err(error) => assert!(matches!(error, StartError::Database { .. }), "{error}"),
    }
}

#[tokio::test]
async fn a_lost_database_is_reported_and_not_replaced() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    type Loss = fn(&Path);
    let losses: [Loss; 3] = [
        |database| std::fs::remove_file(database).unwrap(),
        |database| std::fs::write(database, b"").unwrap(),
        |database| {
            std::fs::remove_file(database).unwrap();
            let db = Connection::open(database).unwrap();
            db.execute_batch("VACUUM").unwrap();
        },
    ];
    for (number, lose) in losses.into_iter().enumerate() {
        let store = Store::new().await;
        let database = store.path().join("agb.sqlite3");
        let backup = std::fs::read(&database).unwrap();
        lose(&database);
        for mode in [FsckMode::Check, FsckMode::Repair] {
            let error = fsck(store.path(), mode).unwrap_err();
            assert!(
                matches!(&error, StartError::Database { reason } if reason.contains("lost")),
                "{number}: {error}"
            );
        }
        // Twice: the first start must not create a database that the second one accepts.
        for _ in 0..2 {
            let start = test_store::builder_in(store.path()).start().await;
            let error = start.unwrap_err();
            assert!(
                matches!(&error, StartError::Database { reason } if reason.contains("blobs")),
                "{number}: {error}"
            );
        }
        assert_blobs(store.path(), 1);
        for beside in ["agb.sqlite3-wal", "agb.sqlite3-shm"] {
            let _ = std::fs::remove_file(store.path().join(beside));
        }
        std::fs::write(&database, backup).unwrap();
        store.assert_whole().await;
    }
}

#[tokio::test]
async fn a_lost_secret_is_reported_and_not_replaced() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let damages = [
        "DELETE FROM meta WHERE name = 'secret'",
        "UPDATE meta SET value = x'00' WHERE name = 'secret'",
    ];
    for damage in damages {
        let store = Store::new().await;
        store.sql("CREATE TABLE backup AS SELECT * FROM meta");
        store.sql(damage);
        for mode in [FsckMode::Check, FsckMode::Repair] {
            let found = store.found(mode);
            let lost = (FindingKind::Database, String::new());
            assert!(found.contains(&lost), "{damage}: {found:?}");
        }
        let start = test_store::builder_in(store.path()).start().await;
        let error = start.unwrap_err();
        assert!(
            matches!(&error, StartError::Database { reason } if reason.contains("secret")),
            "{error}"
        );
        store.sql(
            "INSERT OR REPLACE INTO meta SELECT * FROM backup WHERE name = 'secret'; DROP TABLE backup",
        );
        store.assert_whole().await;
    }
}

#[tokio::test]
async fn an_empty_database_without_files_is_a_new_store() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("agb.sqlite3"), b"").unwrap();
    std::fs::create_dir_all(folder.path().join("blobs/00")).unwrap();
    assert!(fsck(folder.path(), FsckMode::Check).unwrap().is_clean());
    let (server, client) = start_in(folder.path()).await;
    client.create("c").await;
    server.shutdown().await;
}

#[tokio::test]
async fn used_newer_and_missing_folders_are_rejected() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    for nothing in [folder.path(), &missing] {
        let error = fsck(nothing, FsckMode::Repair).unwrap_err();
        assert!(matches!(error, StartError::Folder { .. }), "{error}");
    }
    assert!(!missing.exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let store = Store::new().await;
    let (server, _) = start_in(store.path()).await;
    let error = fsck(store.path(), FsckMode::Check).unwrap_err();
    assert!(matches!(error, StartError::FolderInUse { .. }), "{error}");
    server.shutdown().await;
    store.check(FsckMode::Check);
    store.sql("PRAGMA user_version = 99");
    let error = fsck(store.path(), FsckMode::Repair).unwrap_err();
    assert!(
        matches!(error, StartError::NewerSchema { found: 99, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_older_store_is_migrated_by_a_repair_only() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Store::new().await;
    let version = || -> i64 {
        let db = Connection::open(store.path().join("agb.sqlite3")).unwrap();
        db.pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap()
    };
    let (server, client) = start_in(store.path()).await;
    for path in ["/small", "/a/b/small"] {
        let file = [("contextId", &*store.context), ("filePath", path)];
        client.ok("DeleteContextFile", &file).await;
    }
    server.shutdown().await;
    store.sql(BACK_TO_2);
    std::fs::remove_file(store.path().join("blobs/mark")).unwrap();
    assert!(store.check(FsckMode::Check).is_clean());
    assert_eq!(version(), 2);
    assert!(store.check(FsckMode::Repair).is_clean());
    assert_eq!(version(), 6);
}
