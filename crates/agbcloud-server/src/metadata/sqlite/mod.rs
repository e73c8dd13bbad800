//! [`Metadata`] in SQLite: one thread writes, a few read, none of them is a thread of the async runtime.

pub(crate) mod check;
mod clear;
mod content;
mod contexts;
mod files;
mod ledger;
mod marks;
mod opening;
mod quota;
mod readers;
mod reserve;
mod row_sums;
mod schema;
mod state;
mod writer;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::ffi::{ErrorCode, SQLITE_IOERR_SHMSIZE};
use rusqlite::{Connection, OpenFlags};

use self::ledger::Book;
use self::opening::{Alive, Opening, open_file, spawn, start_writer};
use self::readers::Readers;
use self::reserve::Reserve;
use self::writer::Writer;
use super::{
    Clear, Conditions, Context, ContextPage, File, FileKey, FilePage, Metadata, NewFile, OpenFile,
    Position, Result, StoreError,
};
use crate::blobs::{BLOBS, BlockSums};
use crate::clock::Micros;
use crate::durability::Durability;
use crate::mark::Mark;
use crate::names::{FilePath, FolderPath};
use crate::ownership::Ownership;
use crate::signing::{Secret, Tenant};

pub(crate) use self::schema::{Unusable, VERSION, has_blobs};

const READERS: usize = 4;
/// How long a statement waits for a lock of another connection. Only a checkpoint or a copy of the file holds one.
const BUSY: Duration = Duration::from_secs(10);
/// How long closing waits for the threads. They have nothing to do but what was queued.
const CLOSE: Duration = Duration::from_secs(5);

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error() {
            Some(cause) if cause.code == ErrorCode::DiskFull => Self::Full,
            // The index of the log could not grow.
            Some(cause) if cause.extended_code == SQLITE_IOERR_SHMSIZE => Self::Full,
            _ => quota::refused(&error).unwrap_or_else(|| Self::Failed(error.to_string())),
        }
    }
}

/// The store in one SQLite database.
pub(crate) struct Sqlite {
    writer: Writer,
    /// None in memory.
    book: Option<Arc<Book>>,
    /// The room for deletions was given up.
    low: Arc<AtomicBool>,
    /// None in memory: such a database has one connection, and the writer reads as well.
    readers: Option<Readers>,
    /// Hangs up when the last thread has closed its connection.
    closed: Mutex<mpsc::Receiver<()>>,
}

/// A store that was opened.
pub(crate) struct Opened {
    pub(crate) store: Sqlite,
    pub(crate) secret: Secret,
    /// The mark that was in the folder of blobs before.
    pub(crate) before: Option<Mark>,
}

impl Sqlite {
    /// Opens the store in the file, which belongs to whoever has the ownership.
    pub(crate) async fn open(
        path: PathBuf,
        durability: Durability,
        lock: Ownership,
        secret: Secret,
    ) -> Result<Opened, Unusable> {
        let reading = path.clone();
        let (alive, closed) = Alive::new(Some(lock));
        let (last_reader, readers_gone) = mpsc::channel();
        let reserve = path.with_file_name("reserve");
        let low = Arc::new(AtomicBool::new(false));
        let tells = low.clone();
        let kept = reserve.clone();
        let opening = Opening {
            secret,
            files: Some((path.clone(), path.with_file_name(BLOBS), durability)),
            alive: alive.clone(),
            readers_gone,
            reserve: Box::new(move || Reserve::open(reserve, tells)),
        };
        let started = start_writer(opening, move || {
            // A store on a full disk opens too, in the room that is kept for deletions until then.
            Reserve::release(&kept);
            open_file(&path, durability)
        })
        .await?;
        let (readers, queue) = readers::channel(READERS);
        for _ in 0..READERS {
            let (queue, alive, path, reads) = (
                queue.clone(),
                alive.clone(),
                reading.clone(),
                last_reader.clone(),
            );
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let db = Connection::open_with_flags(&path, flags)?;
            db.busy_timeout(BUSY)?;
            row_sums::register(&db)?;
            spawn("agb-read", move || {
                queue.run(&db);
                drop(db);
                drop((reads, alive));
            })?;
        }
        Ok(Opened {
            store: Self {
                writer: started.writer,
                book: started.book,
                low,
                readers: Some(readers),
                closed: Mutex::new(closed),
            },
            secret: started.secret,
            before: started.before,
        })
    }

    /// A store that ends with the process.
    pub(crate) async fn memory(secret: Secret) -> Result<(Self, Secret), Unusable> {
        let (alive, closed) = Alive::new(None);
        let (_, readers_gone) = mpsc::channel();
        let opening = Opening {
            secret,
            files: None,
            alive,
            readers_gone,
            reserve: Box::new(Reserve::none),
        };
        let started = start_writer(opening, || {
            let db = Connection::open_in_memory()?;
            db.pragma_update(None, "temp_store", "MEMORY")?;
            Ok(db)
        })
        .await?;
        Ok((
            Self {
                writer: started.writer,
                book: None,
                low: Arc::default(),
                readers: None,
                closed: Mutex::new(closed),
            },
            started.secret,
        ))
    }

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
        let (tenant, id) = (tenant.clone(), id.to_owned());
        self.read(move |db| contexts::by_id(db, &tenant, &id)).await
    }

    async fn context_by_name(
        &self,
        tenant: &Tenant,
        region: &str,
        name: &str,
    ) -> Result<Option<Context>> {
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
        after: Option<Position>,
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
        let key = key.clone();
        self.read(move |db| files::file(db, &key)).await
    }

    async fn open_file(&self, key: &FileKey) -> Result<OpenFile> {
        let key = key.clone();
        self.read(move |db| files::open(db, &key)).await
    }

    async fn keep_block_sums(&self, blob: String, crc64: u64, sums: BlockSums) -> Result<()> {
        self.writer
            .grow(move |db| content::keep_late_sums(db, &blob, crc64, &sums))
            .await
    }

    async fn put_file(
        &self,
        key: &FileKey,
        file: NewFile,
        conditions: Conditions,
        now: Micros,
    ) -> Result<bool> {
        let key = key.clone();
        self.writer
            .grow(move |db| files::put(db, &key, &file, &conditions, now))
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

    async fn collect_files(&self) -> Result<bool> {
        self.writer.run(clear::collect).await
    }

    async fn dead_blobs(&self, limit: u32) -> Result<Vec<String>> {
        self.read(move |db| clear::dead_blobs(db, limit)).await
    }

    async fn forget_blobs(&self, blobs: Vec<String>) -> Result<()> {
        self.writer
            .run(move |db| clear::forget_blobs(db, &blobs))
            .await
    }

    async fn unknown_blobs(&self, blobs: Vec<String>) -> Result<Vec<String>> {
        self.read(move |db| clear::unknown_blobs(db, blobs)).await
    }

    async fn named_blobs(&self, after: String, limit: u32) -> Result<Vec<String>> {
        self.read(move |db| clear::named_blobs(db, &after, limit))
            .await
    }

    async fn finished_clears(&self) -> Result<Vec<Clear>> {
        self.read(clear::finished).await
    }

    async fn finish_clear(&self, clear: &Clear) -> Result<()> {
        let clear = clear.clone();
        self.writer.run(move |db| clear::finish(db, &clear)).await
    }

    async fn check_room(&self) -> Result<()> {
        if self.low.load(Ordering::Relaxed) {
            // Whatever makes the store larger tries for room first, also this nothing.
            self.writer.grow(|_| Ok(())).await?;
        }
        self.check_location().await
    }

    async fn check_location(&self) -> Result<()> {
        match self.book.clone() {
            Some(book) => blocking(move || book.check_location()).await,
            None => Ok(()),
        }
    }

    async fn settle(&self) -> Result<()> {
        let failed = |error: io::Error| StoreError::Failed(error.to_string());
        match self.book.clone() {
            Some(book) => blocking(move || book.settle().map_err(failed)).await,
            None => Ok(()),
        }
    }

    async fn limit_files(&self, max: u64) -> Result<()> {
        self.writer.run(move |db| quota::limit(db, max)).await
    }

    fn close(&self) {
        self.writer.stop();
        if let Some(readers) = &self.readers {
            readers.stop();
        }
    }

    fn wait_closed(&self) {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        // The writer may wait for the readers for as long.
        let _ = closed.recv_timeout(2 * CLOSE);
    }
}
