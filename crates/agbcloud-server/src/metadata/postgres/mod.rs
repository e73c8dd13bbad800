//! [`Metadata`] in PostgreSQL, for several replicas of the service.
//!
//! All changes of a tenant are serial: see [`writer`]. Reads take no lock. Row-level security restricts each transaction to the rows
//! of its tenant, in addition to the condition on the tenant in each statement.

#![expect(
    clippy::disallowed_methods,
    reason = "deadlines are times of tokio's clock; nothing that is stored depends on them"
)]

mod change;
pub(crate) mod check;
mod connection;
mod contexts;
mod copy;
mod deletion_queue;
mod file_batch;
mod files;
mod folders;
mod key_table;
mod meta;
mod offset_index;
mod open;
mod quarantine;
mod schema;
mod tenant_row;
mod tenants;
mod totals;
mod transactions;
mod uploads;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prometheus_client::registry::Registry;

use self::change::{Change, Outcome};
use self::connection::{Access, Pool, Session};
pub(crate) use self::copy::{CopyError, Export, Import, StartedImport, UnfinishedImport};
use self::files::PutFile;
pub(crate) use self::open::{OpenError, Opened};
use self::tenants::TenantKeys;
use self::totals::Totals;
use self::transactions::commit;
use self::writer::Writer;
use super::{
    Clear, Conditions, Context, ContextCursor, ContextPage, File, FileKey, FilePage, Metadata,
    NewFile, OpenFile, PreparedUpload, Quotas, Result, StoreError, UploadId, Usage,
};
use crate::blobs::BlockChecksums;
use crate::markers::SharedMarker;
use crate::names::{FilePath, FolderPath};
use crate::signing::Tenant;
use crate::system::clock::Micros;

/// How often the marker advances, in hours.
const MARKER_HOURS: i64 = 1;

/// A store in a PostgreSQL database.
pub(crate) struct Postgres {
    pool: Pool,
    keys: Arc<TenantKeys>,
    writer: Writer,
    /// The value of the setting `synchronous_commit` for changes that are acknowledged.
    synchronous_commit: &'static str,
    totals: Totals,
}

impl Postgres {
    async fn change(&self, tenant: &Tenant, change: Change) -> Result<()> {
        self.writer.run(tenant, change).await.map(drop)
    }
}

fn unexpected() -> StoreError {
    StoreError::Failed("a change has an unexpected result".to_owned())
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl Metadata for Postgres {
    async fn context_by_id(&self, tenant: &Tenant, id: &str) -> Result<Option<Context>> {
        self.retry(move |deadline| async move {
            match self.key(tenant, deadline).await? {
                Some(key) => {
                    let session = self.begin(Access::Read(key), deadline).await?;
                    contexts::by_id(session, key, id).await
                }
                None => Ok(None),
            }
        })
        .await
    }

    async fn context_by_name(
        &self,
        tenant: &Tenant,
        region: &str,
        name: &str,
    ) -> Result<Option<Context>> {
        self.retry(move |deadline| async move {
            match self.key(tenant, deadline).await? {
                Some(key) => {
                    let session = self.begin(Access::Read(key), deadline).await?;
                    contexts::by_name(session, key, region, name).await
                }
                None => Ok(None),
            }
        })
        .await
    }

    async fn create_context(
        &self,
        tenant: &Tenant,
        region: &str,
        name: &str,
        now: Micros,
    ) -> Result<Context> {
        let change = Change::CreateContext {
            region: region.to_owned(),
            name: name.to_owned(),
            now,
        };
        match self.writer.run(tenant, change).await? {
            Outcome::Context(context) => Ok(context),
            _ => Err(unexpected()),
        }
    }

    async fn rename_context(
        &self,
        tenant: &Tenant,
        id: &str,
        name: &str,
        now: Micros,
    ) -> Result<()> {
        let (id, name) = (id.to_owned(), name.to_owned());
        self.change(tenant, Change::RenameContext { id, name, now })
            .await
    }

    async fn delete_context(&self, tenant: &Tenant, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.change(tenant, Change::DeleteContext { id }).await
    }

    async fn clear_context(&self, tenant: &Tenant, id: &str, now: Micros) -> Result<()> {
        let id = id.to_owned();
        self.change(tenant, Change::ClearContext { id, now }).await
    }

    async fn list_contexts(
        &self,
        tenant: &Tenant,
        after: Option<ContextCursor>,
        limit: u32,
    ) -> Result<ContextPage> {
        let after = after.as_ref();
        self.retry(move |deadline| async move {
            match self.key(tenant, deadline).await? {
                Some(key) => {
                    let session = self.begin(Access::Snapshot(key), deadline).await?;
                    contexts::list(session, key, after, limit).await
                }
                None => Ok(ContextPage {
                    contexts: Vec::new(),
                    more: false,
                    total: 0,
                }),
            }
        })
        .await
    }

    async fn touch_context(&self, tenant: &Tenant, id: &str, now: Micros) -> Result<()> {
        let id = id.to_owned();
        self.change(tenant, Change::TouchContext { id, now }).await
    }

    async fn list_files(
        &self,
        tenant: &Tenant,
        context: &str,
        folder: &FolderPath,
        offset: i64,
        limit: u32,
    ) -> Result<FilePage> {
        self.retry(move |deadline| async move {
            let key = self.key(tenant, deadline).await?;
            let key = key.ok_or(StoreError::NoContext)?;
            let session = self.begin(Access::Snapshot(key), deadline).await?;
            // Boxed, because a page needs several statements.
            Box::pin(folders::list(session, key, context, folder, offset, limit)).await
        })
        .await
    }

    async fn file(&self, key: &FileKey) -> Result<File> {
        self.retry(move |deadline| async move {
            let (session, tenant) = self.read(&key.tenant, StoreError::Stale, deadline).await?;
            files::file(session, tenant, key).await
        })
        .await
    }

    async fn files(&self, keys: Vec<FileKey>) -> Vec<Result<File>> {
        self.file_batch(&keys).await
    }

    async fn open_file(&self, key: &FileKey) -> Result<OpenFile> {
        self.retry(move |deadline| async move {
            let (session, tenant) = self.read(&key.tenant, StoreError::Stale, deadline).await?;
            files::open(session, tenant, key).await
        })
        .await
    }

    async fn store_block_checksums(
        &self,
        blob: String,
        crc64: u64,
        checksums: BlockChecksums,
    ) -> Result<()> {
        let (blob, checksums) = (&blob, &checksums);
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            files::store_block_checksums(&session, blob, crc64, checksums).await?;
            commit(session).await
        })
        .await
    }

    async fn prepare_upload(
        &self,
        key: &FileKey,
        size: u64,
        quotas: &Quotas,
    ) -> Result<PreparedUpload> {
        self.retry(move |deadline| async move {
            let (session, tenant) = self.read(&key.tenant, StoreError::Stale, deadline).await?;
            files::prepare(session, tenant, key, size, quotas).await
        })
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
        let change = Change::PutFile(Box::new(PutFile {
            key: key.clone(),
            file,
            conditions,
            quotas: *quotas,
            now,
        }));
        match self.writer.run(&key.tenant, change).await? {
            Outcome::Stored { replaced } => Ok(replaced),
            _ => Err(unexpected()),
        }
    }

    async fn delete_file(
        &self,
        tenant: &Tenant,
        context: &str,
        path: &FilePath,
        now: Micros,
    ) -> Result<()> {
        let change = Change::DeleteFile {
            context: context.to_owned(),
            path: path.clone(),
            now,
        };
        self.change(tenant, change).await
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Usage> {
        self.retry(move |deadline| async move {
            match self.key(tenant, deadline).await? {
                Some(key) => {
                    let session = self.begin(Access::Read(key), deadline).await?;
                    totals::of_tenant(session, key).await
                }
                None => Ok(Usage::default()),
            }
        })
        .await
    }

    async fn total_usage(&self) -> Result<Usage> {
        if let Some(usage) = self.totals.current() {
            return Ok(usage);
        }
        let usage = self
            .retry(move |deadline| async move {
                totals::of_all(self.begin(Access::ReadAll, deadline).await?).await
            })
            .await?;
        self.totals.store(usage);
        Ok(usage)
    }

    fn upload_lease(&self) -> Option<Duration> {
        Some(self.pool.settings().lease)
    }

    async fn register_upload(&self, upload: &UploadId) -> Result<()> {
        self.retry(move |deadline| async move {
            // A lost row makes the upload fail when it is published.
            let session = Session::begin(&self.pool, Access::Task, "off", deadline).await?;
            uploads::register(&session, upload, self.pool.settings().lease).await?;
            commit(session).await
        })
        .await
    }

    async fn renew_upload(&self, upload: &UploadId) -> Result<()> {
        self.retry(move |deadline| async move {
            let session = Session::begin(&self.pool, Access::Task, "off", deadline).await?;
            uploads::renew(&session, upload, self.pool.settings().lease).await?;
            commit(session).await
        })
        .await
    }

    async fn forget_upload(&self, blob: &str) -> Result<()> {
        self.retry(move |deadline| async move {
            let session = Session::begin(&self.pool, Access::Task, "off", deadline).await?;
            uploads::forget(&session, blob).await?;
            commit(session).await
        })
        .await
    }

    async fn expired_uploads(&self, limit: u32) -> Result<Vec<UploadId>> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            schema::check_running(&session).await?;
            let expired = uploads::expired(&session, limit, self.pool.settings().lease).await?;
            commit(session).await?;
            Ok(expired)
        })
        .await
    }

    async fn discard_uploads(&self, blobs: Vec<String>) -> Result<()> {
        self.quarantine_uploads(&blobs).await
    }

    async fn release_quarantine(&self, age: Duration, limit: u32) -> Result<Option<u64>> {
        self.release_some(age, limit).await
    }

    async fn hold_quarantine(&self) -> Result<()> {
        self.set_quarantine_held(true).await
    }

    async fn collect_files(&self) -> Result<bool> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            schema::check_running(&session).await?;
            let collected = deletion_queue::collect(&session).await?;
            commit(session).await?;
            Ok(collected)
        })
        .await
    }

    async fn dead_blobs(&self, limit: u32) -> Result<Vec<String>> {
        self.retry(move |deadline| async move {
            // Durable, also where other commits are not: then all that was committed before is durable, too, and no row that
            // refers to a blob can come back after a power failure.
            let session = Session::begin(&self.pool, Access::Task, "on", deadline).await?;
            schema::check_running(&session).await?;
            let blobs =
                deletion_queue::dead_blobs(&session, limit, self.pool.settings().lease).await?;
            commit(session).await?;
            Ok(blobs)
        })
        .await
    }

    async fn deletion_backlog(&self, max: u32) -> Result<usize> {
        self.retry(move |deadline| async move {
            deletion_queue::backlog(self.begin(Access::ReadAll, deadline).await?, max).await
        })
        .await
    }

    async fn remove_dead_blobs(&self, blobs: Vec<String>) -> Result<()> {
        let blobs = &blobs;
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            deletion_queue::remove_dead_blobs(&session, blobs).await?;
            commit(session).await
        })
        .await
    }

    async fn unreferenced_blobs(&self, blobs: Vec<String>) -> Result<Vec<String>> {
        let blobs = &blobs;
        self.retry(move |deadline| async move {
            let session = self.begin(Access::ReadAll, deadline).await?;
            deletion_queue::unreferenced_blobs(session, blobs).await
        })
        .await
    }

    async fn referenced_blobs(&self, after: String, limit: u32) -> Result<Vec<String>> {
        let after = &after;
        self.retry(move |deadline| async move {
            let session = self.begin(Access::ReadAll, deadline).await?;
            deletion_queue::referenced_blobs(session, after, limit).await
        })
        .await
    }

    async fn finished_clears(&self) -> Result<Vec<Clear>> {
        self.retry(move |deadline| async move {
            deletion_queue::finished_clears(self.begin(Access::ReadAll, deadline).await?).await
        })
        .await
    }

    async fn finish_clear(&self, clear: &Clear) -> Result<()> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            deletion_queue::finish_clear(&session, clear).await?;
            commit(session).await
        })
        .await
    }

    fn register_metrics(&self, registry: &mut Registry) {
        self.pool.metrics().register(registry);
    }

    fn measure(&self) {
        self.pool.measure();
    }

    async fn check_space(&self) -> Result<()> {
        Ok(())
    }

    async fn check_location(&self) -> Result<()> {
        Ok(())
    }

    async fn shared_marker(&self) -> Result<Option<SharedMarker>> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::ReadAll, deadline).await?;
            let (marker, _) = meta::marker(&session).await?;
            session.finish().await?;
            Ok(Some(marker))
        })
        .await
    }

    async fn advance_marker(&self) -> Result<Option<SharedMarker>> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            let marker = meta::advance(&session, MARKER_HOURS).await?;
            commit(session).await?;
            Ok(marker)
        })
        .await
    }

    async fn sync_commits(&self) -> Result<()> {
        // Claiming blobs has waited for all earlier commits.
        Ok(())
    }

    fn close(&self) {
        self.writer.close();
    }

    fn wait_closed(&self) {
        // Other processes use the database at any time.
    }
}

#[cfg(test)]
#[cfg(feature = "test-store")]
mod tests;
