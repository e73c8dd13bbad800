//! `fsck` reports damage, repairs what can be repaired, and deletes nothing that may be useful.

// The attribute lets clippy allow `unwrap` in this module.
#[cfg(test)]
mod lost;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agbcloud_server::{
    FindingKind, FsckMode, FsckReport, ManualClock, StartError, fsck, test_store,
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::client::{start_in, start_with};
use crate::inline_contents::BACK_TO_2;
use crate::stores::{assert_blobs, blobs, large, wait_for_blobs};

/// A data folder with inline contents and a blob, which no server uses.
struct Store {
    folder: TempDir,
    context: String,
}

impl Store {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (server, client) = start_in(folder.path()).await;
        let context = client.create("c").await;
        client.upload(&context, "/small", "small").await;
        client.upload(&context, "/a/b/small", "other").await;
        client.upload(&context, "/a/large", large(b'l')).await;
        client.create("empty").await;
        server.shutdown().await;
        Self { folder, context }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn sql(&self, sql: &str) {
        let db = Connection::open(self.path().join("agb.sqlite3")).unwrap();
        db.execute_batch(sql).unwrap();
    }

    /// Removes all rows from the index of blobs.
    fn lose_index(&self) {
        for (rows, then) in [("blob = ''none''", "REINDEX"), ("blob IS NOT NULL", "")] {
            self.sql(&format!(
                "PRAGMA writable_schema = 1;
                 UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX entries_blob ON entries (blob) WHERE {rows}'
                 WHERE name = 'entries_blob'"
            ));
            self.sql(then);
        }
    }

    fn blob(&self) -> PathBuf {
        let parts = std::fs::read_dir(self.path().join("blobs")).unwrap();
        let parts = parts.map(|part| part.unwrap().path());
        let parts = parts.filter(|part| part.is_dir());
        let mut blobs = parts.flat_map(|part| std::fs::read_dir(part).unwrap());
        blobs.next().unwrap().unwrap().path()
    }

    fn check(&self, mode: FsckMode) -> FsckReport {
        fsck(self.path(), mode).unwrap()
    }

    /// Kinds and paths of the findings.
    fn found(&self, mode: FsckMode) -> Vec<(FindingKind, String)> {
        let found = self.check(mode).findings;
        let mut found: Vec<_> = found
            .into_iter()
            .map(|finding| (finding.kind, finding.path.unwrap_or_default()))
            .collect();
        found.sort_by_key(|(kind, path)| (format!("{kind:?}"), path.clone()));
        found
    }

    /// Asserts that all files are unchanged.
    async fn assert_whole(&self) {
        let (server, client) = start_in(self.path()).await;
        let id = &self.context;
        assert_eq!(client.download(id, "/small").await, b"small");
        assert_eq!(client.download(id, "/a/b/small").await, b"other");
        assert_eq!(client.download(id, "/a/large").await, large(b'l'));
        for (folder, count) in [("/", 2), ("/a", 2), ("/a/b", 1)] {
            let (entries, total) = client.list(id, folder).await;
            assert_eq!((entries.len() as i64, total), (count, count), "{folder}");
        }
        assert_eq!(client.ok("ListContexts", &[]).await["totalCount"], 2);
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_good_folder_is_clean() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Store::new().await;
    for mode in [FsckMode::Check, FsckMode::Repair] {
        let report = store.check(mode);
        assert!(report.is_clean() && !report.is_damaged(), "{report:?}");
        assert_eq!((report.contexts, report.files), (2, 3));
        assert_eq!(report.bytes, 5 + 5 + 40_000);
    }
    store.assert_whole().await;
}

#[tokio::test]
async fn derived_data_is_repaired() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let cases: [(&str, FindingKind, &str); 10] = [
        ("UPDATE entries SET child_count = 7 WHERE name = 'a'", FindingKind::WrongChildCount, "/a"),
        ("UPDATE entries SET child_count = 0 WHERE parent = ''", FindingKind::WrongChildCount, "/"),
        ("DELETE FROM entries WHERE name = 'b'", FindingKind::MissingFolder, "/a/b"),
        (
            "INSERT INTO entries (tree, parent, name, folder, id, created, modified)
             SELECT tree, '/a', 'nothing', 1, 'folder-x', 0, 0 FROM entries WHERE name = 'small' AND parent = '/'",
            FindingKind::EmptyFolder,
            "/a/nothing",
        ),
        ("UPDATE tenants SET contexts = 5", FindingKind::WrongContextCount, ""),
        ("UPDATE file_counts SET files = 9 WHERE files > 0", FindingKind::WrongFileCount, ""),
        ("DELETE FROM file_counts", FindingKind::WrongFileCount, ""),
        ("INSERT INTO contents (bytes) VALUES (x'00')", FindingKind::OrphanContent, ""),
        (
            "INSERT INTO dead_blobs SELECT blob FROM entries WHERE blob IS NOT NULL",
            FindingKind::DoomedContent,
            "/a/large",
        ),
        (
            "INSERT INTO marks SELECT tree, '/a', 1, '', 0, 9 FROM entries WHERE name = 'large'",
            FindingKind::WrongPages,
            "/a",
        ),
    ];
    for (damage, kind, path) in cases {
        let store = Store::new().await;
        store.sql(damage);
        let expected = (kind, path.to_owned());
        for mode in [FsckMode::Check, FsckMode::Check, FsckMode::Repair] {
            let found = store.found(mode);
            assert!(found.contains(&expected), "{damage}: {found:?}");
        }
        let report = store.check(FsckMode::Check);
        assert!(report.is_clean(), "{damage}: {report:?}");
        store.assert_whole().await;
    }
}

#[tokio::test]
async fn entries_of_an_invalid_folder_are_one_finding_with_their_number() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    for (parent, count) in [("/a//b", 3), ("/a/", 1), ("nowhere", 2), ("/a/../b", 601)] {
        let store = Store::new().await;
        store.sql(&format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
             INSERT INTO entries (tree, parent, name, folder, id, created, modified)
             SELECT tree, '{parent}', 'x' || n, 0, 'file-x' || n, 0, 0
             FROM entries, n WHERE name = 'small' AND parent = '/'"
        ));
        for mode in [FsckMode::Check, FsckMode::Repair, FsckMode::Repair] {
            let mut found = store.check(mode).findings;
            found.retain(|finding| finding.kind == FindingKind::LostTree);
            let [finding] = &*found else {
                panic!("{parent}: {found:?}");
            };
            assert_eq!(finding.path.as_deref(), Some(parent));
            let number = format!("{count} entries");
            assert!(
                finding.detail.contains(&number) && !finding.repaired,
                "{finding:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_missing_root_folder_is_restored_by_one_repair() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Store::new().await;
    store.sql("DELETE FROM entries WHERE parent = ''");
    let root = || (FindingKind::MissingFolder, "/".to_owned());
    for mode in [FsckMode::Check, FsckMode::Repair] {
        assert_eq!(store.found(mode), [root(), root()]);
    }
    let report = store.check(FsckMode::Repair);
    assert!(report.is_clean(), "{report:?}");
    store.assert_whole().await;
    // The empty context accepts files.
    let (server, client) = start_in(store.path()).await;
    let empty = client.create("empty").await;
    client.upload(&empty, "/f", "new").await;
    assert_eq!(client.list(&empty, "/").await.1, 1);
    server.shutdown().await;
    assert!(store.check(FsckMode::Check).is_clean());
}

#[tokio::test]
async fn unreferenced_contents_stay_while_there_is_other_damage() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let damages = [
        "PRAGMA foreign_keys = 0; DELETE FROM entries WHERE blob IS NOT NULL; UPDATE contexts SET tree = 99 WHERE name = 'c'",
        "PRAGMA foreign_keys = 0; DELETE FROM contexts WHERE name = 'c'",
        "PRAGMA foreign_keys = 0; UPDATE contexts SET tree = 99 WHERE name = 'c'",
        "UPDATE entries SET small = 99 WHERE parent = '/' AND name = 'small'",
        "UPDATE entries SET blob = '00/0123456789ab-99' WHERE blob IS NOT NULL",
        "UPDATE entries SET small = (SELECT min(pk) FROM contents) WHERE small IS NOT NULL",
    ];
    for damage in damages {
        let store = Store::new().await;
        store.sql(damage);
        store.sql("INSERT INTO contents (bytes) VALUES (x'00')");
        std::fs::write(store.path().join("blobs/00/0123456789ab-00"), b"half").unwrap();
        let report = store.check(FsckMode::Repair);
        assert!(report.is_damaged(), "{damage}: {report:?}");
        assert_eq!(blobs(store.path()), 2, "{damage}");
        let db = Connection::open(store.path().join("agb.sqlite3")).unwrap();
        let contents: i64 = db
            .query_row("SELECT count(*) FROM contents", [], |row| row.get(0))
            .unwrap();
        assert_eq!(contents, 3, "{damage}");
    }
}

#[tokio::test]
async fn a_damaged_index_is_rebuilt_before_leftovers_are_removed() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Store::new().await;
    store.lose_index();
    let report = store.check(FsckMode::Check);
    assert!(report.is_damaged(), "{report:?}");
    let report = store.check(FsckMode::Repair);
    assert!(!report.is_damaged() && !report.is_clean(), "{report:?}");
    assert_blobs(store.path(), 1);
    let report = store.check(FsckMode::Check);
    assert!(report.is_clean(), "{report:?}");
    store.assert_whole().await;
}

#[tokio::test]
async fn a_start_does_not_delete_referenced_contents() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Store::new().await;
    store.sql("INSERT INTO dead_blobs SELECT blob FROM entries WHERE blob IS NOT NULL");
    store.sql("INSERT INTO dead_blobs VALUES ('00/0123456789ab-00')");
    std::fs::write(store.path().join("blobs/00/0123456789ab-00"), b"dead").unwrap();
    let (server, _) = start_in(store.path()).await;
    wait_for_blobs(store.path(), 1).await;
    server.shutdown().await;
    let doomed = (FindingKind::DoomedContent, "/a/large".to_owned());
    assert_eq!(store.found(FsckMode::Repair), [doomed]);
    store.assert_whole().await;
}

#[tokio::test]
async fn a_start_does_not_trust_a_damaged_index() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Store::new().await;
    store.lose_index();
    std::fs::write(store.path().join("blobs/00/0123456789ab-00"), b"half").unwrap();
    let clock = ManualClock::starting_now();
    clock.advance(Duration::from_secs(3700));
    let later = test_store::builder_in(store.path()).clock(Arc::new(clock));
    let (server, client) = start_with(later).await;
    wait_for_blobs(store.path(), 1).await;
    let content = client.download(&store.context, "/a/large").await;
    assert_eq!(content, large(b'l'));
    server.shutdown().await;
    store.check(FsckMode::Repair);
    store.assert_whole().await;
}

#[tokio::test]
async fn leftovers_are_no_damage_and_a_repair_removes_them() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Store::new().await;
    for orphan in ["blobs/00/0123456789ab-00", "blobs/7f/0123456789ab-11#1"] {
        std::fs::write(store.path().join(orphan), b"half").unwrap();
    }
    let report = store.check(FsckMode::Check);
    assert!(!report.is_clean() && !report.is_damaged(), "{report:?}");
    assert_eq!(report.findings.len(), 2);
    assert_blobs(store.path(), 3);
    assert!(!store.check(FsckMode::Repair).is_damaged());
    assert_blobs(store.path(), 1);
    assert!(store.check(FsckMode::Check).is_clean());
    store.assert_whole().await;
}

#[tokio::test]
async fn damaged_contents_are_reported_and_not_deleted() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    type Damage = fn(&Store);
    let cases: [(Damage, FindingKind, &str); 8] = [
        (
            |store| std::fs::remove_file(store.blob()).unwrap(),
            FindingKind::MissingContent,
            "/a/large",
        ),
        (
            |store| std::fs::write(store.blob(), large(b'x')).unwrap(),
            FindingKind::DamagedContent,
            "/a/large",
        ),
        (
            |store| std::fs::write(store.blob(), b"short").unwrap(),
            FindingKind::DamagedContent,
            "/a/large",
        ),
        (
            |store| {
                store.sql("UPDATE contents SET bytes = x'41' WHERE bytes = CAST('small' AS BLOB)")
            },
            FindingKind::DamagedContent,
            "/small",
        ),
        (
            |store| store.sql("DELETE FROM contents WHERE bytes = CAST('small' AS BLOB)"),
            FindingKind::MissingContent,
            "/small",
        ),
        (
            |store| store.sql("UPDATE entries SET sha256 = 'x' WHERE name = 'large'"),
            FindingKind::DamagedContent,
            "/a/large",
        ),
        (
            |store| store.sql("UPDATE entries SET etag = 'x' WHERE name = 'large'"),
            FindingKind::DamagedContent,
            "/a/large",
        ),
        (
            |store| store.sql("UPDATE entries SET crc64 = 1 WHERE parent = '/' AND name = 'small'"),
            FindingKind::DamagedContent,
            "/small",
        ),
    ];
    for (number, (damage, kind, path)) in cases.into_iter().enumerate() {
        let store = Store::new().await;
        damage(&store);
        for mode in [FsckMode::Check, FsckMode::Repair, FsckMode::Check] {
            let mut found = store.found(mode);
            // A changed row does not match its checksum either.
            found.retain(|(kind, _)| *kind != FindingKind::DamagedRow);
            assert_eq!(found, [(kind, path.to_owned())], "case {number}");
            assert!(store.check(mode).is_damaged());
        }
        let (_server, client) = start_in(store.path()).await;
        for folder in ["/", "/a"] {
            assert_eq!(client.list(&store.context, folder).await.1, 2);
        }
    }
}
