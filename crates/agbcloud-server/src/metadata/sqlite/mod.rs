//! [`Metadata`] in SQLite.

pub(crate) mod check;
mod commit_tracker;
mod contexts;
mod deletion_queue;
mod direct_reads;
mod disk_reserve;
pub(crate) mod export;
mod files;
pub(crate) mod import;
mod meta;
mod offset_index;
pub(crate) mod open;
mod row_checksums;
mod schema;
mod threads;
mod usage;
mod usage_reader;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite::ffi::{ErrorCode, SQLITE_IOERR_SHMSIZE};

use self::commit_tracker::CommitTracker;
use self::direct_reads::DirectReads;
use self::open::Guard;
use self::threads::{CLOSE_TIMEOUT, Readers, Writer};
use super::{
    Clear, Conditions, Context, ContextCursor, ContextPage, File, FileKey, FilePage, Metadata,
    NewFile, OpenFile, PreparedUpload, Quotas, Result, StoreError, Usage,
};
use crate::blobs::BlockChecksums;
use crate::names::{FilePath, FolderPath};
use crate::signing::Tenant;
use crate::system::clock::Micros;

pub(crate) use self::meta::DatabaseError;
pub(crate) use self::schema::VERSION;
pub(crate) use self::usage_reader::UsageReader;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match &error {
            // The second code: the index of the log can't grow.
            rusqlite::Error::SqliteFailure(cause, _)
                if cause.code == ErrorCode::DiskFull
                    || cause.extended_code == SQLITE_IOERR_SHMSIZE =>
            {
                Self::Full
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// A store in a SQLite database.
pub(crate) struct Sqlite {
    writer: Writer,
    tracker: CommitTracker,
    /// Whether the space that is reserved for deletions is released, because the disk is full.
    reserve_released: Arc<AtomicBool>,
    /// `None` in memory: such a database has one connection, and the writer also reads.
    readers: Option<Readers>,
    /// For reads of a few rows. Empty in memory.
    direct: DirectReads<Guard>,
    /// Disconnects when the last thread has closed its connection.
    closed: Mutex<mpsc::Receiver<()>>,
}

impl Sqlite {
    async fn read<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        match &self.readers {
            Some(readers) => readers.run(work).await,
            None => self.writer.read(work).await,
        }
    }
}

/// Runs file operations on a thread that may block.
async fn blocking(work: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(StoreError::Closed))
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").finish_non_exhaustive()
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl Metadata for Sqlite {
    async fn context_by_id(&self, tenant: &Tenant, id: &str) -> Result<Option<Context>> {
        let direct = self.direct.try_run(|db| contexts::by_id(db, tenant, id));
        if let Some(found) = direct {
            return found;
        }
        let (tenant, id) = (tenant.clone(), id.to_owned());
        self.read(move |db| contexts::by_id(db, &tenant, &id)).await
    }

    async fn context_by_name(
        &self,
        tenant: &Tenant,
        region: &str,
        name: &str,
    ) -> Result<Option<Context>> {
        let direct = self
            .direct
            .try_run(|db| contexts::by_name(db, tenant, region, name));
        if let Some(found) = direct {
            return found;
        }
        let (tenant, region, name) = (tenant.clone(), region.to_owned(), name.to_owned());
        self.read(move |db| contexts::by_name(db, &tenant, &region, &name))
            .await
    }

    async fn create_context(
        &self,
        tenant: &Tenant,
        region: &str,
        name: &str,
        now: Micros,
    ) -> Result<Context> {
        let (tenant, region, name) = (tenant.clone(), region.to_owned(), name.to_owned());
        self.writer
            .grow(move |db| contexts::create(db, &tenant, &region, &name, now))
            .await
    }

    async fn rename_context(
        &self,
        tenant: &Tenant,
        id: &str,
        name: &str,
        now: Micros,
    ) -> Result<()> {
        let (tenant, id, name) = (tenant.clone(), id.to_owned(), name.to_owned());
        self.writer
            .grow(move |db| contexts::rename(db, &tenant, &id, &name, now))
            .await
    }

    async fn delete_context(&self, tenant: &Tenant, id: &str) -> Result<()> {
        let (tenant, id) = (tenant.clone(), id.to_owned());
        self.writer
            .run(move |db| contexts::delete(db, &tenant, &id))
            .await
    }

    async fn clear_context(&self, tenant: &Tenant, id: &str, now: Micros) -> Result<()> {
        let (tenant, id) = (tenant.clone(), id.to_owned());
        self.writer
            .run(move |db| contexts::clear(db, &tenant, &id, now))
            .await
    }

    async fn list_contexts(
        &self,
        tenant: &Tenant,
        after: Option<ContextCursor>,
        limit: u32,
    ) -> Result<ContextPage> {
        let tenant = tenant.clone();
        self.read(move |db| contexts::list(db, &tenant, after.as_ref(), limit))
            .await
    }

    async fn touch_context(&self, tenant: &Tenant, id: &str, now: Micros) -> Result<()> {
        let (tenant, id) = (tenant.clone(), id.to_owned());
        self.writer
            .grow(move |db| contexts::touch(db, &tenant, &id, now))
            .await
    }

    async fn list_files(
        &self,
        tenant: &Tenant,
        context: &str,
        folder: &FolderPath,
        offset: i64,
        limit: u32,
    ) -> Result<FilePage> {
        let (tenant, context, folder) = (tenant.clone(), context.to_owned(), folder.clone());
        self.read(move |db| files::list(db, &tenant, &context, &folder, offset, limit))
            .await
    }

    async fn file(&self, key: &FileKey) -> Result<File> {
        if let Some(found) = self.direct.try_run(|db| files::file(db, key)) {
            return found;
        }
        let key = key.clone();
        self.read(move |db| files::file(db, &key)).await
    }

    async fn files(&self, keys: Vec<FileKey>) -> Vec<Result<File>> {
        let count = keys.len();
        let read = self.read(move |db| Ok(keys.iter().map(|key| files::file(db, key)).collect()));
        read.await.unwrap_or_else(|error| vec![Err(error); count])
    }

    async fn open_file(&self, key: &FileKey) -> Result<OpenFile> {
        if let Some(opened) = self.direct.try_run(|db| files::open(db, key)) {
            return opened;
        }
        let key = key.clone();
        self.read(move |db| files::open(db, &key)).await
    }

    async fn store_block_checksums(
        &self,
        blob: String,
        crc64: u64,
        checksums: BlockChecksums,
    ) -> Result<()> {
        self.writer
            .grow(move |db| files::store_block_checksums(db, &blob, crc64, &checksums))
            .await
    }

    async fn prepare_upload(
        &self,
        key: &FileKey,
        size: u64,
        quotas: &Quotas,
    ) -> Result<PreparedUpload> {
        let direct = self
            .direct
            .try_run(|db| files::prepare(db, key, size, quotas));
        if let Some(prepared) = direct {
            return prepared;
        }
        let (key, quotas) = (key.clone(), *quotas);
        self.read(move |db| files::prepare(db, &key, size, &quotas))
            .await
    }

    async fn put_file(
        &self,
        key: &FileKey,
        file: NewFile,
        conditions: Conditions,
        quotas: &Quotas,
        now: Micros,
    ) -> Result<bool> {
        let (key, quotas) = (key.clone(), *quotas);
        self.writer
            .grow(move |db| files::put(db, &key, &file, &conditions, &quotas, now))
            .await
    }

    async fn delete_file(
        &self,
        tenant: &Tenant,
        context: &str,
        path: &FilePath,
        now: Micros,
    ) -> Result<()> {
        let (tenant, context, path) = (tenant.clone(), context.to_owned(), path.clone());
        self.writer
            .run(move |db| files::delete(db, &tenant, &context, &path, now))
            .await
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Usage> {
        let tenant = tenant.clone();
        self.read(move |db| usage::of_tenant(db, &tenant)).await
    }

    async fn total_usage(&self) -> Result<Usage> {
        self.read(usage::of_all).await
    }

    async fn collect_files(&self) -> Result<bool> {
        self.writer.run(deletion_queue::collect).await
    }

    async fn dead_blobs(&self, limit: u32) -> Result<Vec<String>> {
        self.read(move |db| deletion_queue::dead_blobs(db, limit))
            .await
    }

    async fn remove_dead_blobs(&self, blobs: Vec<String>) -> Result<()> {
        self.writer
            .run(move |db| deletion_queue::remove_dead_blobs(db, &blobs))
            .await
    }

    async fn unreferenced_blobs(&self, blobs: Vec<String>) -> Result<Vec<String>> {
        self.read(move |db| deletion_queue::unreferenced_blobs(db, blobs))
            .await
    }

    async fn referenced_blobs(&self, after: String, limit: u32) -> Result<Vec<String>> {
        self.read(move |db| deletion_queue::referenced_blobs(db, &after, limit))
            .await
    }

    async fn finished_clears(&self) -> Result<Vec<Clear>> {
        self.read(deletion_queue::finished_clears).await
    }

    async fn finish_clear(&self, clear: &Clear) -> Result<()> {
        let clear = clear.clone();
        self.writer
            .run(move |db| deletion_queue::finish_clear(db, &clear))
            .await
    }

    async fn check_space(&self) -> Result<()> {
        if self.reserve_released.load(Ordering::Relaxed) {
            // Fails if the reserve can't be restored.
            self.writer.grow(|_| Ok(())).await?;
        }
        self.check_location().await
    }

    async fn check_location(&self) -> Result<()> {
        let tracker = self.tracker.clone();
        blocking(move || tracker.check_location()).await
    }

    async fn sync_commits(&self) -> Result<()> {
        let tracker = self.tracker.clone();
        blocking(move || tracker.sync_commits()).await
    }

    fn close(&self) {
        self.writer.stop();
        if let Some(readers) = &self.readers {
            readers.stop();
        }
        self.direct.close();
    }

    fn wait_closed(&self) {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        // Twice: the writing thread may wait for the readers first.
        let _ = closed.recv_timeout(2 * CLOSE_TIMEOUT);
    }
}
