//! Releases with different schemas on one database, as during an upgrade.

use futures_util::future::join_all;

use super::*;
use crate::error::StartError;
use crate::metadata::postgres::schema::{self, Release, VERSION};
use crate::names::FolderPath;

/// A store that the first release wrote.
const STORE_V1: &str = include_str!("store_v1.sql");

/// A migration that this release tolerates.
const COMPATIBLE: &str = "
    ALTER TABLE entries ADD COLUMN owner text NOT NULL DEFAULT 'none';
    ALTER TABLE contexts ADD COLUMN labels text;
    ALTER TABLE tenants ADD COLUMN plan bigint NOT NULL DEFAULT 0;
    CREATE TABLE labels (tenant bigint NOT NULL, label text NOT NULL);
    INSERT INTO meta VALUES ('later_setting', 'x')";

/// The migrations of this release, and later ones.
fn migrations(later: &[&'static str]) -> Vec<&'static str> {
    [Release::CURRENT.migrations, later].concat()
}

/// Starts a replica of a release that can work with schemas from `readable_by`.
async fn migrate_to(url: &str, later: &[&'static str], readable_by: i64) {
    let store = Postgres::connect(url, |_| None, Durability::Strict)
        .await
        .unwrap();
    let release = Release {
        migrations: &migrations(later),
        readable_by,
    };
    schema::migrate(&store.pool, soon(), &release)
        .await
        .unwrap();
}

/// Uses every kind of operation.
async fn use_all(store: &Postgres, name: &str) {
    let tenant = tenant(name);
    let context = store
        .create_context(&tenant, "r", name, Micros(1))
        .await
        .unwrap();
    let large = format!("00/{name}");
    store.register_upload(&upload(&large)).await.unwrap();
    for (path, file) in [
        ("/a", inline(b"x")),
        ("/a", inline(b"replaced")),
        ("/folder/b", inline(b"y")),
        ("/folder/large", blob(&large, b"z")),
    ] {
        put(store, &key(&tenant, &context.id, path), file)
            .await
            .unwrap();
    }
    let found = store
        .open_file(&key(&tenant, &context.id, "/a"))
        .await
        .unwrap();
    assert!(matches!(found.content, Content::Inline(bytes) if bytes == "replaced"));
    let root = FolderPath::parse("/").unwrap();
    let listed = store
        .list_files(&tenant, &context.id, &root, 0, 10)
        .await
        .unwrap();
    assert_eq!(listed.count, 2);
    let usage = Metadata::usage(store, &tenant).await.unwrap();
    assert_eq!((usage.files, usage.bytes), (3, 10));
    let path = FilePath::parse("/folder/b").unwrap();
    store
        .delete_file(&tenant, &context.id, &path, Micros(2))
        .await
        .unwrap();
    store
        .clear_context(&tenant, &context.id, Micros(3))
        .await
        .unwrap();
    let usage = Metadata::usage(store, &tenant).await.unwrap();
    assert_eq!((usage.files, usage.bytes), (0, 0));
}

#[tokio::test]
async fn a_store_of_the_first_release_is_opened() {
    let Some(url) = database() else { return };
    test_store::query(&url, STORE_V1);
    let store = open(&url).await;
    let version = "SELECT value::bigint FROM meta WHERE name = 'schema_version'";
    assert_eq!(store.number(version).await, VERSION);
    let tenant = tenant("cc0c9aaa691a1bb3ce9d87b21cbb3810");
    let found = store
        .context_by_id(&tenant, "SdkCtx-ilbu3kygwpbf7ui46gxx")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.name, "first");
    for (path, content) in [
        ("/folder/1.txt", "content 1\n"),
        ("/folder/3.txt", "content 3\n"),
        ("/räum 'x'.txt", "content 1\n"),
    ] {
        let file = store.open_file(&key(&tenant, &found.id, path)).await;
        assert!(matches!(file.unwrap().content, Content::Inline(bytes) if bytes == content));
    }
    let usage = Metadata::usage(&*store, &tenant).await.unwrap();
    assert_eq!((usage.files, usage.bytes), (4, 40));
    use_all(&store, "new").await;
    store.check_counts().await;
}

#[tokio::test]
async fn this_release_works_fully_on_a_newer_schema_that_permits_it() {
    let Some(url) = database() else { return };
    open(&url).await;
    migrate_to(&url, &[COMPATIBLE], VERSION).await;
    let store = open(&url).await;
    use_all(&store, "a").await;
    store.check_counts().await;
    let version = "SELECT value::bigint FROM meta WHERE name = 'schema_version'";
    assert_eq!(store.number(version).await, VERSION + 1);
    // A check works on it, and a copy, which would lack the new columns, is refused.
    Postgres::open_for_check(&url, |_| None, false)
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let blobs = format!("file:{}", folder.path().join("blobs").display());
    let storage = crate::Storage::parse(Some(&url), Some(&blobs)).unwrap();
    let archive = folder.path().join("archive.tar");
    let refused = crate::backup(&storage, &archive, &crate::CopyOptions::default()).await;
    assert!(
        matches!(
            refused,
            Err(crate::ArchiveError::Store(StartError::NewerSchema { found, .. }))
                if found == VERSION + 1
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_replica_of_the_next_release_migrates_while_this_one_works() {
    let Some(url) = database() else { return };
    let old = open(&url).await;
    use_all(&old, "before").await;
    let workers = (0..4).map(|worker| {
        let old = old.clone();
        async move {
            for number in 0..5 {
                use_all(&old, &format!("during-{worker}-{number}")).await;
            }
        }
    });
    // Several replicas of the next release start at once.
    let starts = (0..3).map(|_| migrate_to(&url, &[COMPATIBLE], VERSION));
    tokio::join!(join_all(workers), join_all(starts));
    // Both go on: connections that were opened before the migration, and new replicas of this release.
    use_all(&old, "after").await;
    let restarted = open(&url).await;
    use_all(&restarted, "restarted").await;
    restarted.check_counts().await;
    let marks = "SELECT count(*) FROM meta WHERE name = 'later_setting'";
    assert_eq!(restarted.number(marks).await, 1);
}

#[tokio::test]
async fn a_migration_does_not_hold_up_a_service_while_a_backup_runs() {
    let Some(url) = database() else { return };
    let old = open(&url).await;
    use_all(&old, "before").await;
    let backup = old.begin(Access::SnapshotAll, soon()).await.unwrap();
    backup.query("SELECT 1 FROM entries", &[]).await.unwrap();
    let migration = tokio::spawn({
        let url = url.clone();
        async move { migrate_to(&url, &[COMPATIBLE], VERSION).await }
    });
    for number in 0..3 {
        use_all(&old, &format!("during-{number}")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(!migration.is_finished());
    backup.finish().await.unwrap();
    migration.await.unwrap();
    use_all(&old, "after").await;
    old.check_counts().await;
}

#[tokio::test]
async fn a_newer_schema_that_does_not_permit_this_release_is_refused() {
    let Some(url) = database() else { return };
    let old = open(&url).await;
    use_all(&old, "a").await;
    migrate_to(&url, &[COMPATIBLE, "DROP TABLE segments"], VERSION + 2).await;
    let error = StartError::from(try_open(&url).await.err().unwrap());
    let expected = format!(
        "the store has schema version {}, but this version supports at most {VERSION}: use the version that wrote the store",
        VERSION + 2
    );
    assert_eq!(error.to_string(), expected);
    let check = Postgres::open_for_check(&url, |_| None, true).await;
    assert!(
        matches!(check, Err(OpenError::NewerSchema(found)) if found == VERSION + 2),
        "{:?}",
        check.err()
    );
}
