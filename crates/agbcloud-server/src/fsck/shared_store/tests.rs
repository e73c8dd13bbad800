//! Tests with the server that `AGB_TEST_POSTGRES` names, and a folder of blobs, or a bucket with `AGB_TEST_STORE=postgres+s3`:
//! `AGB_TEST_S3` and `AGB_TEST_S3_DIR` name an s3s-fs and its folder. Without a server they are skipped.

// The attribute lets clippy allow `unwrap` in these modules.
#[cfg(test)]
mod damage;
#[cfg(test)]
mod markers;
#[cfg(test)]
mod quarantine;
#[cfg(test)]
mod writers;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::blobs::{Blobs, BlockHasher};
use crate::checksums::Hasher;
use crate::durability::Durability;
use crate::fsck::{FindingKind, FsckMode, FsckReport, fsck_storage};
use crate::metadata::{
    Conditions, Content, FileKey, MAX_INLINE_BYTES, Metadata, NewFile, Quotas, Result, UploadId,
};
use crate::names::FilePath;
use crate::open_storage::open_storage;
use crate::signing::Tenant;
use crate::system::clock::Micros;
use crate::{StartError, Storage, test_store};

/// A store that is open, as in a running service.
struct Store {
    folder: TempDir,
    /// The folder with the blobs: that of the store, or a part of that of s3s-fs.
    root: PathBuf,
    storage: Storage,
    url: String,
    metadata: Arc<dyn Metadata>,
    blobs: Blobs,
    tenant: Tenant,
}

impl Store {
    /// A store on the selected engines. `None` if no server is configured.
    async fn new() -> Option<Self> {
        let is_bucket = std::env::var("AGB_TEST_STORE").is_ok_and(|store| store == "postgres+s3");
        Self::open(is_bucket).await
    }

    /// A store with a folder of blobs, which is faster. `None` if no server is configured.
    async fn in_folder() -> Option<Self> {
        Self::open(false).await
    }

    async fn open(in_bucket: bool) -> Option<Self> {
        if std::env::var_os("AGB_TEST_POSTGRES").is_none() {
            println!("skipped: AGB_TEST_POSTGRES is not set");
            return None;
        }
        let url = test_store::new_database();
        let folder = tempfile::tempdir().unwrap();
        let (storage, root) = match in_bucket {
            true => bucket(&url)?,
            false => (storage(&url, &folder), folder.path().to_owned()),
        };
        let open = open_storage(storage.clone(), Durability::Strict).await;
        let open = open.unwrap();
        Some(Self {
            folder,
            root,
            storage,
            url,
            metadata: open.metadata,
            blobs: open.blobs,
            tenant: Tenant::from("a"),
        })
    }

    async fn fsck(&self, mode: FsckMode) -> Result<FsckReport, StartError> {
        fsck_storage(&self.storage, mode).await
    }

    async fn check(&self) -> FsckReport {
        self.fsck(FsckMode::Check).await.unwrap()
    }

    async fn assert_clean(&self) {
        let report = self.check().await;
        assert!(report.is_clean(), "{:#?}", report.findings);
    }

    /// Kinds and paths of the findings, in order.
    async fn found(&self, mode: FsckMode) -> Vec<(FindingKind, String)> {
        let findings = self.fsck(mode).await.unwrap().findings;
        let found = findings
            .into_iter()
            .map(|finding| (finding.kind, finding.path.unwrap_or_default()));
        found.collect()
    }

    /// Runs statements as a background task.
    async fn sql(&self, statements: &str) {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        let sql = format!("BEGIN; SET LOCAL agb.role = 'task'; {statements}; COMMIT");
        client.batch_execute(&sql).await.unwrap();
        drop(client);
        driver.await.unwrap().unwrap();
    }

    /// Returns the text in the first column of the first row.
    async fn text(&self, query: &str) -> String {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        client.batch_execute("SET agb.role = 'task'").await.unwrap();
        let rows = client.query_typed(query, &[]).await.unwrap();
        drop(client);
        driver.await.unwrap().unwrap();
        rows[0].get(0)
    }

    async fn create(&self, name: &str) -> String {
        let created = self
            .metadata
            .create_context(&self.tenant, "r", name, Micros(1));
        created.await.unwrap().id
    }

    /// Stores a file as an upload does.
    async fn put(&self, context: &str, path: &str, bytes: &[u8]) -> Result<()> {
        let generation = self.metadata.context_by_id(&self.tenant, context).await?;
        let key = FileKey {
            tenant: self.tenant.clone(),
            context: context.to_owned(),
            generation: generation.map_or(0, |context| context.generation),
            path: FilePath::parse(path).unwrap(),
        };
        let (mut hasher, mut blocks) = (Hasher::new(), BlockHasher::default());
        hasher.update(bytes);
        blocks.update(bytes);
        let (content, blocks) = match bytes.len() as u64 <= MAX_INLINE_BYTES {
            true => (Content::Inline(Bytes::copy_from_slice(bytes)), None),
            false => (
                Content::Blob(self.upload(bytes).await?),
                Some(blocks.finish()),
            ),
        };
        let file = NewFile {
            checksums: hasher.finish(),
            content,
            blocks,
        };
        let (conditions, quotas) = (Conditions::default(), Quotas::default());
        let put = self
            .metadata
            .put_file(&key, file, conditions, &quotas, Micros(1));
        put.await.map(drop)
    }

    /// Stores a blob and registers its upload.
    async fn upload(&self, bytes: &[u8]) -> Result<String> {
        let mut upload = self.blobs.upload(bytes.len() as u64).await.unwrap();
        let id = UploadId {
            blob: upload.key().to_owned(),
            multipart: None,
        };
        self.metadata.register_upload(&id).await?;
        upload.write(Bytes::copy_from_slice(bytes)).await.unwrap();
        Ok(upload.finish().await.unwrap())
    }

    /// One round of the collector.
    async fn collect(&self) -> Result<()> {
        self.metadata.collect_files().await?;
        for clear in self.metadata.finished_clears().await? {
            self.metadata.finish_clear(&clear).await?;
        }
        let dead = self.metadata.dead_blobs(100).await?;
        let deleted = self.blobs.delete_all(dead).await.unwrap();
        self.metadata.remove_dead_blobs(deleted.blobs).await
    }

    /// Queues what has been in quarantine for some days for deletion. `None` while damage is reported.
    async fn release(&self, days: u64) -> Option<u64> {
        let age = Duration::from_secs(days * 24 * 3600);
        self.metadata.release_quarantine(age, 100).await.unwrap()
    }

    fn path(&self, blob: &str) -> PathBuf {
        self.root.join(blob)
    }

    /// Returns the blob of the only large file.
    async fn only_blob(&self) -> String {
        self.text("SELECT blob FROM entries WHERE blob IS NOT NULL")
            .await
    }

    /// Makes a blob older than the age from which on it can be unknown.
    fn make_old(&self, blob: &str) {
        let file = std::fs::File::options()
            .write(true)
            .open(self.path(blob))
            .unwrap();
        let old = SystemTime::now() - Duration::from_secs(25 * 3600);
        file.set_modified(old).unwrap();
    }
}

fn storage(url: &str, folder: &TempDir) -> Storage {
    let blobs = format!("file:{}", folder.path().display());
    Storage::parse(Some(url), Some(&blobs)).unwrap()
}

/// Returns a store with a new prefix of the bucket, and the folder of its objects. `None` if no folder of s3s-fs is named.
fn bucket(url: &str) -> Option<(Storage, PathBuf)> {
    let Some(folder) = std::env::var_os("AGB_TEST_S3_DIR") else {
        println!("skipped: AGB_TEST_S3_DIR is not set");
        return None;
    };
    let (bucket, query) = {
        let url = std::env::var("AGB_TEST_S3").unwrap();
        let (bucket, query) = url.split_once('?').unwrap();
        (bucket.trim_end_matches('/').to_owned(), query.to_owned())
    };
    let prefix = format!("fsck-{:x}", fastrand::u64(..));
    let root = PathBuf::from(folder)
        .join(bucket.trim_start_matches("s3://"))
        .join(&prefix);
    let blobs = format!("{bucket}/{prefix}?{query}");
    Some((Storage::parse(Some(url), Some(&blobs)).unwrap(), root))
}

/// A content that is stored in a blob.
fn large(byte: u8) -> Vec<u8> {
    vec![byte; MAX_INLINE_BYTES as usize + 1]
}

#[tokio::test]
async fn only_a_store_can_be_checked() {
    let memory = fsck_storage(&Storage::memory(), FsckMode::Check).await;
    assert!(matches!(memory, Err(StartError::InvalidStorage(_))));
    let Some(store) = Store::new().await else {
        return;
    };
    // A check creates neither tables nor folders.
    let url = test_store::new_database();
    for mode in [FsckMode::Check, FsckMode::Repair] {
        let empty = fsck_storage(&storage(&url, &store.folder), mode).await;
        assert!(matches!(empty, Err(StartError::Postgres { .. })));
    }
    let folder = store.folder.path().join("missing");
    let blobs = format!("file:{}", folder.display());
    let missing = Storage::parse(Some(&store.url), Some(&blobs)).unwrap();
    let missing = fsck_storage(&missing, FsckMode::Check).await;
    assert!(matches!(missing, Err(StartError::Folder { .. })));
    assert!(!folder.exists());
    store.assert_clean().await;
}
