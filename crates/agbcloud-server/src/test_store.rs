//! Servers on the engines that the variable `AGB_TEST_STORE` selects, for the tests of this workspace.
//!
//! | `AGB_TEST_STORE` | metadata and blobs | also needs |
//! | --- | --- | --- |
//! | none | memory, or SQLite and files if the test names a folder | |
//! | `sqlite` | SQLite and files | |
//! | `memory` | memory | |
//! | `postgres+file` | a new PostgreSQL database, and files | `AGB_TEST_POSTGRES` |
//! | `postgres+s3` | a new PostgreSQL database, and a new prefix in a bucket | `AGB_TEST_POSTGRES`, `AGB_TEST_S3` |
//!
//! `AGB_TEST_POSTGRES` is the URL of a database whose user may create databases. `AGB_TEST_S3` is `s3://BUCKET?endpoint=URL`. If
//! `AGB_TEST_S3_DIR` is set, the store is s3s-fs with its buckets in this folder, and each test gets a bucket of its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "for tests"
)]

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::system::random::alphanumeric;
use crate::{Server, ServerBuilder, Storage};

/// Stores of earlier tests are removed after this number of seconds.
const LIFETIME: u64 = 1800;
const PREFIX: &str = "agb_test_";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Default,
    Sqlite,
    Memory,
    PostgresFile,
    PostgresS3,
}

fn engine() -> Engine {
    match std::env::var("AGB_TEST_STORE").as_deref() {
        Err(_) | Ok("") => Engine::Default,
        Ok("sqlite") => Engine::Sqlite,
        Ok("memory") => Engine::Memory,
        Ok("postgres+file") => Engine::PostgresFile,
        Ok("postgres+s3") => Engine::PostgresS3,
        Ok(other) => panic!("unknown value {other:?} of AGB_TEST_STORE"),
    }
}

/// Returns the settings of a server with a store of its own.
pub fn builder() -> ServerBuilder {
    match engine() {
        Engine::Default | Engine::Memory => Server::builder(),
        Engine::Sqlite | Engine::PostgresFile | Engine::PostgresS3 => builder_in(new_folder()),
    }
}

/// Returns the settings of a server with the store that belongs to this folder: servers of one test share it if they are started
/// one after the other.
pub fn builder_in(folder: impl AsRef<Path>) -> ServerBuilder {
    let folder = folder.as_ref();
    match engine() {
        Engine::Default | Engine::Sqlite => Server::builder().data_dir(folder),
        Engine::Memory => Server::builder(),
        Engine::PostgresFile | Engine::PostgresS3 => Server::builder().storage(storage_in(folder)),
    }
}

/// Returns the store that belongs to this folder, for servers and copies.
pub fn storage_in(folder: impl AsRef<Path>) -> Storage {
    let folder = folder.as_ref();
    match engine() {
        Engine::Default | Engine::Sqlite => Storage::folder(folder),
        Engine::Memory => Storage::memory(),
        engine => {
            let storage = Storage::parse(Some(&database(folder)), Some(&blobs(engine, folder)));
            storage.unwrap()
        }
    }
}

/// The number of cases of a property: fewer with PostgreSQL, where each takes longer.
pub fn cases(number: u32) -> u32 {
    match is_postgres() {
        true => number.div_ceil(8),
        false => number,
    }
}

/// Whether servers with a folder use PostgreSQL.
pub fn is_postgres() -> bool {
    matches!(engine(), Engine::PostgresFile | Engine::PostgresS3)
}

/// Whether servers with a folder use SQLite and files in it.
pub fn is_sqlite() -> bool {
    matches!(engine(), Engine::Default | Engine::Sqlite)
}

/// Whether servers keep everything in memory, also with a folder.
pub fn is_memory() -> bool {
    engine() == Engine::Memory
}

/// Whether the store shows the blob of an upload in progress. A bucket shows only complete ones.
pub fn shows_uploads_in_progress() -> bool {
    engine() != Engine::PostgresS3
}

/// Whether a test must be skipped because the selected engine stores no blobs in the subfolder `blobs` of a folder. Prints the reason.
pub fn is_skipped_without_blob_folder() -> bool {
    let skipped = matches!(engine(), Engine::Memory | Engine::PostgresS3);
    if skipped {
        println!("skipped: the test uses the folder of blobs");
    }
    skipped
}

/// Whether a test must be skipped because the selected engine has no files of SQLite. Prints the reason.
pub fn is_skipped_without_sqlite() -> bool {
    if !is_sqlite() {
        println!("skipped: the test uses the files of SQLite");
    }
    !is_sqlite()
}

/// Whether a test must be skipped because the selected engine keeps nothing after a server has stopped. Prints the reason.
pub fn is_skipped_in_memory() -> bool {
    let skipped = is_memory();
    if skipped {
        println!("skipped: the test starts a server again with the same store");
    }
    skipped
}

/// Returns the path of a folder that the server creates, and removes those of earlier tests.
fn new_folder() -> PathBuf {
    let (folders, now) = (std::env::temp_dir(), now());
    for entry in std::fs::read_dir(&folders).into_iter().flatten().flatten() {
        if is_old(&entry.file_name().to_string_lossy(), now) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    folders.join(new_name(now))
}

/// Returns an unused name that contains the time.
fn new_name(now: u64) -> String {
    format!("{PREFIX}{now}_{}", alphanumeric(12).unwrap())
}

/// Whether this is the name of a store of an earlier test, which is not removed at its end because the test may fail.
fn is_old(name: &str, now: u64) -> bool {
    name.strip_prefix(PREFIX)
        .and_then(|rest| rest.split('_').next()?.parse::<u64>().ok())
        .is_some_and(|created| created + LIFETIME < now)
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

fn blobs(engine: Engine, folder: &Path) -> String {
    match engine {
        Engine::PostgresS3 => {
            let url = std::env::var("AGB_TEST_S3").expect("AGB_TEST_S3 is set");
            let (bucket, query) = url.split_once('?').unwrap_or((&url, ""));
            let database = database(folder);
            let name = database.split(PREFIX).nth(1).unwrap();
            let name = name.split('?').next().unwrap();
            match std::env::var_os("AGB_TEST_S3_DIR") {
                Some(buckets) => {
                    let bucket = format!("{PREFIX}{name}").replace('_', "-");
                    create_bucket(&Path::new(&buckets).join(&bucket));
                    format!("s3://{bucket}/{name}?{query}")
                }
                None => format!("{}/{name}?{query}", bucket.trim_end_matches('/')),
            }
        }
        _ => format!("file:{}", folder.join("blobs").display()),
    }
}

/// Creates a bucket of s3s-fs, which lists a prefix by reading the names of the whole bucket.
fn create_bucket(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The user of the store may be another one.
        let everyone = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder, everyone).unwrap();
    }
}

/// Returns the URL of the database that belongs to a folder, and creates it for the first server. A file in the folder contains the
/// URL, so that other processes find it.
pub fn database(folder: &Path) -> String {
    let file = folder.join("test-database");
    if let Ok(url) = std::fs::read_to_string(&file) {
        return url;
    }
    // A short lease, so that tests of stopped servers do not wait long.
    let url = format!("{}&lease=2", new_database());
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(&file, &url).unwrap();
    url
}

/// Returns the URL of the blobs of the store that belongs to a folder.
pub fn blobs_url(folder: &Path) -> String {
    blobs(engine(), folder)
}

/// Runs statements in the database of a URL, and returns the columns of the rows, separated by spaces. Blocks the thread.
pub fn query(url: &str, sql: &str) -> Vec<String> {
    // The driver does not know the parameters of the service.
    let (url, sql) = (url.split('?').next().unwrap().to_owned(), sql.to_owned());
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
                .await
                .unwrap();
            let driver = tokio::spawn(connection);
            let messages = client.simple_query(&sql).await.unwrap();
            drop(client);
            let _ = driver.await;
            messages.iter().filter_map(line).collect()
        })
    };
    std::thread::spawn(run).join().unwrap()
}

fn line(message: &tokio_postgres::SimpleQueryMessage) -> Option<String> {
    let tokio_postgres::SimpleQueryMessage::Row(row) = message else {
        return None;
    };
    let columns = (0..row.len()).map(|column| row.get(column).unwrap_or("NULL"));
    Some(columns.collect::<Vec<_>>().join(" "))
}

/// Returns the number of blobs of the store that belongs to a folder, and of staging files in a folder. Blocks the thread.
pub fn count_blobs(folder: &Path) -> usize {
    #[cfg(feature = "s3")]
    if engine() == Engine::PostgresS3 {
        let url = blobs(Engine::PostgresS3, folder);
        let count = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(crate::blobs::count_in_bucket(&url))
        };
        return std::thread::spawn(count).join().unwrap();
    }
    let parts = std::fs::read_dir(folder.join("blobs")).unwrap();
    parts
        .map(|part| part.unwrap().path())
        .filter(|part| part.is_dir())
        .map(|part| std::fs::read_dir(part).unwrap().count())
        .sum()
}

/// Creates an empty database, and returns its URL. Blocks the thread.
pub fn new_database() -> String {
    let url = std::env::var("AGB_TEST_POSTGRES").expect("AGB_TEST_POSTGRES is set");
    // In a thread, because the caller may run in a runtime.
    let create = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(create_database(&url))
    };
    std::thread::spawn(create).join().unwrap()
}

async fn create_database(url: &str) -> String {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .expect("AGB_TEST_POSTGRES accepts connections");
    let driver = tokio::spawn(connection);
    let now = now();
    drop_old_databases(&client, now).await;
    let name = new_name(now);
    client
        .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0"))
        .await
        .unwrap();
    drop(client);
    let _ = driver.await;
    with_database(url, &name)
}

async fn drop_old_databases(client: &tokio_postgres::Client, now: u64) {
    let query = format!("SELECT datname FROM pg_database WHERE datname LIKE '{PREFIX}%'");
    for row in client.query_typed(&query, &[]).await.unwrap() {
        let name: String = row.get(0);
        if is_old(&name, now) {
            // Another process may drop it at the same time.
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            let _ = client.batch_execute(&drop).await;
        }
    }
}

/// Replaces the database in a URL.
fn with_database(url: &str, database: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let authority = base.split("://").nth(1).unwrap();
    let authority = authority.split('/').next().unwrap();
    format!("postgres://{authority}/{database}?{query}")
}
