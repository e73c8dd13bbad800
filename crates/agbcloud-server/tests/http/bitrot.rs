//! Damage that only a checksum detects: it is never sent, and a check reports it.

use std::path::{Path, PathBuf};

use agbcloud_server::{FsckMode, StartError, fsck, test_store};
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use crate::client::{Client, start_in, start_with, xml_code};

const BLOCK: usize = 256 * 1024;

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

struct Store {
    data: TempDir,
    context: String,
}

impl Store {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let (server, client) = start_in(data.path()).await;
        let context = client.create("c").await;
        client.upload(&context, "/small", pattern(1000)).await;
        client.upload(&context, "/a/other", pattern(2000)).await;
        client.upload(&context, "/large", pattern(3 * BLOCK)).await;
        let other = vec![7; 3 * BLOCK];
        client.upload(&context, "/second", other).await;
        server.shutdown().await;
        Self { data, context }
    }

    fn path(&self) -> &Path {
        self.data.path()
    }

    fn db(&self) -> Connection {
        Connection::open(self.path().join("agb.sqlite3")).unwrap()
    }

    fn blob(&self, name: &str) -> PathBuf {
        let key: String = self
            .db()
            .query_row("SELECT blob FROM entries WHERE name = ?1", [name], |row| {
                row.get(0)
            })
            .unwrap();
        self.path().join("blobs").join(key)
    }
}

/// Requests a range. Returns the status and the bytes, or `None` if the body is incomplete.
async fn part(client: &Client, url: &str, range: &str) -> (u16, Option<Vec<u8>>) {
    let response = client.http.get(url).header("range", range).send().await;
    let response = response.unwrap();
    let status = response.status().as_u16();
    (
        status,
        response.bytes().await.ok().map(|bytes| bytes.to_vec()),
    )
}

#[tokio::test]
async fn damaged_blocks_are_not_sent_and_are_counted() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Store::new().await;
    let path = store.blob("large");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[BLOCK + 5] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let local = "127.0.0.1:0".parse().unwrap();
    let builder = test_store::builder_in(store.path()).metrics_listen(local);
    let (server, client) = start_with(builder).await;
    let url = client.download_url(&store.context, "/large").await;
    // A download of the whole file fails; the ranges before and after the block are intact.
    let response = client.http.get(&url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
    let (status, body) = part(&client, &url, &format!("bytes=0-{}", BLOCK - 1)).await;
    assert_eq!((status, body), (206, Some(pattern(BLOCK))));
    let last = pattern(3 * BLOCK)[2 * BLOCK..].to_vec();
    let (status, body) = part(&client, &url, &format!("bytes=-{BLOCK}")).await;
    assert_eq!((status, body), (206, Some(last)));
    // A range that starts in the block fails before anything is sent.
    let request = client
        .http
        .get(&url)
        .header("range", format!("bytes={}-{0}", 2 * BLOCK - 1));
    let response = request.send().await.unwrap();
    assert_eq!(xml_code(response).await, (500, "InternalError".to_owned()));
    assert_eq!(client.http.head(&url).send().await.unwrap().status(), 200);
    let metrics = format!("http://{}/metrics", server.metrics_addr().unwrap());
    let text = client.http.get(metrics).send().await.unwrap();
    let text = text.text().await.unwrap();
    assert!(text.contains("agb_damaged_downloads_total 2"), "{text}");
    // The damage prevents deletions from the quarantine.
    crate::stores::wait_for(|| store.path().join("quarantine/hold").exists()).await;
}

#[tokio::test]
async fn truncated_missing_swapped_and_damaged_contents_are_not_sent() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    type Damage = fn(&Store);
    let cases: [(Damage, &str); 10] = [
        (
            |store| std::fs::write(store.blob("large"), b"short").unwrap(),
            "/large",
        ),
        (
            |store| std::fs::write(store.blob("large"), pattern(3 * BLOCK + 1)).unwrap(),
            "/large",
        ),
        (
            |store| std::fs::remove_file(store.blob("large")).unwrap(),
            "/large",
        ),
        (
            |store| {
                std::fs::copy(store.blob("second"), store.blob("large")).unwrap();
            },
            "/large",
        ),
        (
            |store| {
                let sql = "UPDATE block_sums SET sums = zeroblob(length(sums))";
                store.db().execute_batch(sql).unwrap();
            },
            "/large",
        ),
        (
            |store| {
                let sql = "UPDATE entries SET size = 3 WHERE name IN ('small', 'large')";
                store.db().execute_batch(sql).unwrap();
            },
            "/large",
        ),
        (
            |store| {
                let sql =
                    "UPDATE entries SET small = (SELECT small FROM entries WHERE name = 'other')
                           WHERE name = 'small'";
                store.db().execute_batch(sql).unwrap();
            },
            "/small",
        ),
        (
            |store| {
                let sql = "UPDATE contents SET bytes = CAST('damaged' AS BLOB)";
                store.db().execute_batch(sql).unwrap();
            },
            "/small",
        ),
        (
            |store| {
                let sql = "UPDATE contents SET bytes = zeroblob(length(bytes))";
                store.db().execute_batch(sql).unwrap();
            },
            "/small",
        ),
        (
            |store| {
                let sql = "UPDATE entries SET etag = 'x' WHERE name = 'small'";
                store.db().execute_batch(sql).unwrap();
            },
            "/small",
        ),
    ];
    for (number, (damage, path)) in cases.into_iter().enumerate() {
        let store = Store::new().await;
        damage(&store);
        assert!(fsck(store.path(), FsckMode::Check).unwrap().is_damaged());
        let (server, client) = start_in(store.path()).await;
        let url = client.download_url(&store.context, path).await;
        for range in ["bytes=0-", "bytes=0-0"] {
            let request = client.http.get(&url).header("range", range);
            let failure = xml_code(request.send().await.unwrap()).await;
            assert_eq!(failure, (500, "InternalError".to_owned()), "{number}");
        }
        // An upload replaces the damaged content.
        client.upload(&store.context, path, pattern(70_000)).await;
        assert_eq!(client.download(&store.context, path).await, pattern(70_000));
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_blob_without_block_checksums_is_verified_whole_and_gets_them() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Store::new().await;
    store.db().execute_batch("DELETE FROM block_sums").unwrap();
    let (server, client) = start_in(store.path()).await;
    let url = client.download_url(&store.context, "/large").await;
    let (status, body) = part(&client, &url, "bytes=5-9").await;
    assert_eq!(
        (status, body),
        (206, Some(pattern(3 * BLOCK)[5..10].to_vec()))
    );
    server.shutdown().await;
    let count = "SELECT count(*) FROM block_sums";
    let sums: i64 = store.db().query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(sums, 1);
    assert!(fsck(store.path(), FsckMode::Check).unwrap().is_clean());

    let mut bytes = std::fs::read(store.blob("second")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(store.blob("second"), bytes).unwrap();
    let (_server, client) = start_in(store.path()).await;
    let url = client.download_url(&store.context, "/second").await;
    let request = client.http.get(&url).header("range", "bytes=0-0");
    let failure = xml_code(request.send().await.unwrap()).await;
    assert_eq!(failure, (500, "InternalError".to_owned()));
}

#[tokio::test]
async fn a_damaged_secret_or_marker_prevents_a_start() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    for name in ["secret", "store", "position"] {
        let store = Store::new().await;
        let db = store.db();
        let mut value: Vec<u8> = db
            .query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| {
                row.get(0)
            })
            .unwrap();
        value[3] ^= 4;
        db.execute("UPDATE meta SET value = ?2 WHERE name = ?1", (name, value))
            .unwrap();
        drop(db);
        assert!(fsck(store.path(), FsckMode::Repair).unwrap().is_damaged());
        let error = test_store::builder_in(store.path()).start().await;
        let error = error.unwrap_err();
        assert!(
            matches!(&error, StartError::Database { reason } if reason.contains(name)),
            "{error}"
        );
        // The marker can be replaced, but not the secret.
        let report = fsck(store.path(), FsckMode::Accept).unwrap();
        assert_eq!(report.is_damaged(), name == "secret", "{report:?}");
        if name != "secret" {
            let (_server, client) = start_in(store.path()).await;
            assert_eq!(
                client.download(&store.context, "/small").await,
                pattern(1000)
            );
        }
    }
}

/// Whether a check finds something.
fn is_detected(data: &Path) -> bool {
    fsck(data, FsckMode::Check).map_or(true, |report| !report.is_clean())
}

#[tokio::test]
async fn a_check_detects_a_change_of_any_cell() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Store::new().await;
    let good = std::fs::read(store.path().join("agb.sqlite3")).unwrap();
    let tables: Vec<String> = {
        let db = store.db();
        let mut names = db
            .prepare(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
            )
            .unwrap();
        let names = names.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    };
    let mut changed = 0;
    for table in tables {
        let db = store.db();
        let columns: Vec<String> = {
            let query = format!("SELECT * FROM {table}");
            let query = db.prepare(&query).unwrap();
            query.column_names().map(str::to_owned).collect()
        };
        drop(db);
        for column in columns {
            let db = store.db();
            db.pragma_update(None, "foreign_keys", false).unwrap();
            let found: Option<Value> = db
                .query_row(
                    &format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY 1 DESC LIMIT 1"),
                    [],
                    |row| row.get(0),
                )
                .ok();
            let flipped = match found.clone() {
                Some(Value::Integer(number)) => Value::Integer(number ^ 1),
                Some(Value::Text(text)) if !text.is_empty() => {
                    let mut bytes = text.into_bytes();
                    let last = bytes.len() - 1;
                    bytes[last] ^= 1;
                    Value::Text(String::from_utf8(bytes).unwrap())
                }
                Some(Value::Blob(mut bytes)) if !bytes.is_empty() => {
                    bytes[0] ^= 1;
                    Value::Blob(bytes)
                }
                _ => continue,
            };
            let update = format!("UPDATE {table} SET {column} = ?1 WHERE {column} = ?2");
            let done = db.execute(&update, (flipped, found));
            drop(db);
            // A constraint may reject the change.
            if done.is_ok_and(|rows| rows > 0) {
                assert!(is_detected(store.path()), "{table}.{column}");
                changed += 1;
            }
            std::fs::write(store.path().join("agb.sqlite3"), &good).unwrap();
        }
    }
    assert!(changed > 30, "{changed}");
    assert!(!is_detected(store.path()));
}

/// The responses of the service about the store.
async fn responses(data: &Path, context: &str) -> Option<Vec<String>> {
    let server = test_store::builder_in(data).start().await.ok()?;
    let client = Client::new(server.url(), crate::client::KEY);
    let mut responses = Vec::new();
    let calls = [
        ("ListContexts", String::new()),
        ("GetContext", format!("id={context}")),
        (
            "DescribeContextFiles",
            format!("contextId={context}&parentFolderPath=/"),
        ),
        (
            "DescribeContextFiles",
            format!("contextId={context}&parentFolderPath=/a"),
        ),
    ];
    for (operation, query) in calls {
        let mut body = client.call(operation, &query).await.body;
        body["requestId"] = "".into();
        body["nextToken"] = "".into();
        responses.push(body.to_string());
    }
    server.shutdown().await;
    Some(responses)
}

#[tokio::test]
async fn a_check_detects_flipped_bits_that_change_responses() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let store = Store::new().await;
    let database = store.path().join("agb.sqlite3");
    let expected = responses(store.path(), &store.context).await.unwrap();
    let good = std::fs::read(&database).unwrap();
    let marker = std::fs::read(store.path().join("blobs/mark")).unwrap();
    let mut random = fastrand::Rng::with_seed(14);
    let mut undetected = 0;
    for _ in 0..150 {
        let mut bytes = good.clone();
        let at = random.usize(..bytes.len());
        bytes[at] ^= 1 << random.u32(..8);
        std::fs::write(&database, &bytes).unwrap();
        if !is_detected(store.path()) {
            undetected += 1;
            let found = responses(store.path(), &store.context).await;
            assert_eq!(found.as_ref(), Some(&expected), "byte {at}");
        }
        for beside in ["agb.sqlite3-wal", "agb.sqlite3-shm"] {
            let _ = std::fs::remove_file(store.path().join(beside));
        }
        std::fs::write(store.path().join("blobs/mark"), &marker).unwrap();
    }
    // Bits in free pages do not matter.
    assert!(undetected < 150);
}
