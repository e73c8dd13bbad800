//! Reads a whole store from one snapshot, while services use it.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_postgres::Row;

use super::super::connection::{Access, Failure, Pool, Session, Value};
use super::super::open::OpenError;
use super::super::{meta, schema};
use super::{BackupLease, CopyError, LONG_STATEMENTS, connect};
use crate::markers::SharedMarker;
use crate::metadata::StoreError;
use crate::metadata::record::{
    ContentRecord, ContextRecord, FileRecord, FolderRecord, KeyRecord, Record, StoreIdentity,
};
use crate::system::clock::Micros;

/// Number of rows in a batch.
const BATCH: i64 = 256;

/// How long reading a batch may take. It may contain megabytes of contents.
const BATCH_TIMEOUT: Duration = Duration::from_secs(300);

/// One snapshot of a store.
pub(crate) struct Export {
    session: Session,
    pool: Pool,
    identity: StoreIdentity,
    marker: SharedMarker,
    /// Whether the store of blobs has a marker.
    confirmed: bool,
    /// `None` if no blob of the snapshot has to be kept.
    lease: Option<BackupLease>,
    next: Next,
}

/// What the next batch contains.
enum Next {
    ApiKeys {
        after: String,
    },
    SigningKeys,
    /// Contexts of the tenants after this one.
    Tenants {
        after: String,
    },
    /// Contexts of a tenant after a position, and those that were read already, the last one first.
    Contexts {
        tenant: TenantKey,
        after: (i64, String),
        ready: Vec<StoredContext>,
    },
    /// Entries of a context after a position.
    Entries {
        tenant: TenantKey,
        after_context: (i64, String),
        ready: Vec<StoredContext>,
        tree: i64,
        after: (String, String, bool),
    },
    End,
}

#[derive(Clone)]
struct TenantKey {
    pk: i64,
    id: String,
}

struct StoredContext {
    record: ContextRecord,
    tree: i64,
}

impl Export {
    /// Starts a snapshot of a complete store. With `keeps_blobs`, services delete no blob that it needs before
    /// [`finish`](Self::finish). Otherwise nothing is written to the database. `blobs` is the marker of the store of blobs, read
    /// before: a service increases the number in the database first.
    pub(crate) async fn open(
        url: &str,
        variable: impl Fn(&str) -> Option<String>,
        blobs: Option<&SharedMarker>,
        keeps_blobs: bool,
    ) -> Result<Self, CopyError> {
        let pool = connect(url, variable).await?;
        if !exists(&pool).await? {
            return Err(CopyError::NoStore);
        }
        // Before the lease, so that a store that can't be copied is not changed.
        let export = Self::start(pool.clone(), None).await?;
        if meta::importing(&export.session).await?.is_some() {
            return Err(OpenError::UnfinishedImport.into());
        }
        export.marker.check(blobs, export.confirmed)?;
        if !keeps_blobs {
            return Ok(export);
        }
        export.session.finish().await?;
        // Before the snapshot, so that no blob of it is deleted.
        let lease = BackupLease::acquire(&pool).await?;
        Self::start(pool, Some(lease)).await
    }

    /// Starts a snapshot of a store that is being imported.
    pub(super) async fn of_import(pool: Pool) -> Result<Self, CopyError> {
        Self::start(pool, None).await
    }

    async fn start(pool: Pool, lease: Option<BackupLease>) -> Result<Self, CopyError> {
        let deadline = Instant::now() + pool.settings().operation_timeout;
        let session = Session::begin(&pool, Access::SnapshotAll, "on", deadline).await?;
        session.push(LONG_STATEMENTS);
        let version = meta::number(&session, meta::VERSION).await?.unwrap_or(0);
        if version > schema::VERSION {
            return Err(OpenError::NewerSchema(version).into());
        }
        if version < schema::VERSION {
            return Err(OpenError::OlderSchema(version).into());
        }
        let secret = meta::stored_secret(&session).await?;
        let secret = secret.ok_or(CopyError::NoStore)?;
        let marker = meta::stored_marker(&session).await?;
        let (marker, confirmed) = marker.ok_or(CopyError::NoStore)?;
        Ok(Self {
            session,
            pool,
            identity: StoreIdentity {
                id: marker.store,
                secret,
            },
            marker,
            confirmed,
            lease,
            next: Next::ApiKeys {
                after: String::new(),
            },
        })
    }

    /// Whether a file still references a blob, which a service may have deleted since the start of the snapshot.
    pub(crate) async fn is_referenced(&self, blob: &str) -> Result<bool, StoreError> {
        let find = async {
            let deadline = Instant::now() + self.pool.settings().operation_timeout;
            let session = Session::begin(&self.pool, Access::ReadAll, "on", deadline).await?;
            let query = "SELECT 1 FROM entries WHERE blob = $1";
            session.query_last(query, &[Value::Text(blob)]).await
        };
        let found = find.await.map_err(Failure::into_store_error)?;
        Ok(!found.is_empty())
    }

    pub(crate) fn identity(&self) -> &StoreIdentity {
        &self.identity
    }

    /// Ends the snapshot. Fails if a blob of it may have been deleted.
    pub(crate) async fn finish(&mut self) -> Result<(), StoreError> {
        let Some(lease) = self.lease.take() else {
            return Ok(());
        };
        match lease.release().await.map_err(Failure::into_store_error)? {
            true => Ok(()),
            false => Err(StoreError::Failed(
                "the lease of the backup expired, so that contents may be missing".to_owned(),
            )),
        }
    }

    /// Returns the next records in order. Empty at the end. A file without a content is an error with its context and path.
    pub(crate) async fn next(&mut self) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        while records.is_empty() && !matches!(self.next, Next::End) {
            self.session.set_deadline(Instant::now() + BATCH_TIMEOUT);
            let next = std::mem::replace(&mut self.next, Next::End);
            let advanced = self.advance(next, &mut records).await;
            self.next = advanced.map_err(Failure::into_store_error)?;
        }
        Ok(records)
    }

    async fn advance(&self, next: Next, records: &mut Vec<Record>) -> Result<Next, Failure> {
        match next {
            Next::ApiKeys { after } => {
                let query =
                    "SELECT id, issuer, entry FROM api_keys WHERE id > $1 ORDER BY id LIMIT $2";
                let parameters = [Value::Text(&after), Value::Int(BATCH)];
                let rows = self.session.query(query, &parameters).await?;
                let Some(last) = rows.last() else {
                    return Ok(Next::SigningKeys);
                };
                let after = last.try_get(0)?;
                for row in &rows {
                    records.push(Record::Key(KeyRecord::Api {
                        issuer: row.try_get(1)?,
                        entry: row.try_get(2)?,
                    }));
                }
                Ok(Next::ApiKeys { after })
            }
            Next::SigningKeys => {
                if meta::value(&self.session, meta::REQUIRES_KEYS)
                    .await?
                    .is_some()
                {
                    records.push(Record::Key(KeyRecord::Required));
                }
                let query = "SELECT entry FROM signing_keys ORDER BY position";
                for row in self.session.query(query, &[]).await? {
                    let entry = row.try_get(0)?;
                    records.push(Record::Key(KeyRecord::Signing { entry }));
                }
                Ok(Next::Tenants {
                    after: String::new(),
                })
            }
            Next::Tenants { after } => {
                let query = "SELECT pk, id FROM tenants WHERE id > $1 ORDER BY id LIMIT 1";
                let found = self
                    .session
                    .query_opt(query, &[Value::Text(&after)])
                    .await?;
                let Some(row) = found else {
                    return Ok(Next::End);
                };
                Ok(Next::Contexts {
                    tenant: TenantKey {
                        pk: row.try_get(0)?,
                        id: row.try_get(1)?,
                    },
                    after: (i64::MIN, String::new()),
                    ready: Vec::new(),
                })
            }
            Next::Contexts {
                tenant,
                after,
                mut ready,
            } => {
                if ready.is_empty() {
                    ready = self.read_contexts(&tenant, &after).await?;
                }
                let Some(context) = ready.pop() else {
                    return Ok(Next::Tenants { after: tenant.id });
                };
                let after_context = (context.record.create_time.0, context.record.id.clone());
                records.push(Record::Context(context.record));
                Ok(Next::Entries {
                    tenant,
                    after_context,
                    ready,
                    tree: context.tree,
                    after: Default::default(),
                })
            }
            Next::Entries {
                tenant,
                after_context,
                ready,
                tree,
                after,
            } => {
                let rows = self.read_entries(tenant.pk, tree, &after).await?;
                let Some(last) = rows.last() else {
                    return Ok(Next::Contexts {
                        tenant,
                        after: after_context,
                        ready,
                    });
                };
                let after = (last.try_get(0)?, last.try_get(1)?, last.try_get(2)?);
                for row in &rows {
                    records.push(entry(row)?);
                }
                Ok(Next::Entries {
                    tenant,
                    after_context,
                    ready,
                    tree,
                    after,
                })
            }
            Next::End => Ok(Next::End),
        }
    }

    /// Returns the next contexts of a tenant, the last one first.
    async fn read_contexts(
        &self,
        tenant: &TenantKey,
        (time, id): &(i64, String),
    ) -> Result<Vec<StoredContext>, Failure> {
        let rows = self
            .session
            .query(
                "SELECT region, id, name, generation, create_time, last_used, tree FROM contexts
                 WHERE tenant = $1 AND (create_time, id) > ($2, $3) ORDER BY create_time, id LIMIT $4",
                &[
                    Value::Int(tenant.pk),
                    Value::Int(*time),
                    Value::Text(id),
                    Value::Int(BATCH),
                ],
            )
            .await?;
        let contexts = rows.iter().rev().map(|row| {
            Ok(StoredContext {
                record: ContextRecord {
                    tenant: tenant.id.clone(),
                    region: row.try_get(0)?,
                    id: row.try_get(1)?,
                    name: row.try_get(2)?,
                    generation: row.try_get(3)?,
                    create_time: Micros(row.try_get(4)?),
                    last_used: Micros(row.try_get(5)?),
                },
                tree: row.try_get(6)?,
            })
        });
        contexts.collect()
    }

    async fn read_entries(
        &self,
        tenant: i64,
        tree: i64,
        (parent, name, folder): &(String, String, bool),
    ) -> Result<Vec<Row>, Failure> {
        self.session
            .query(
                "SELECT parent, name, folder, entries.id, created, modified, child_count, size, etag, sha256, crc64, blob,
                        contents.bytes
                 FROM entries LEFT JOIN contents ON contents.pk = entries.inline AND contents.tenant = $1
                 WHERE entries.tenant = $1 AND tree = $2 AND (parent, name, folder) > ($3, $4, $5)
                 ORDER BY parent, name, folder LIMIT $6",
                &[
                    Value::Int(tenant),
                    Value::Int(tree),
                    Value::Text(parent),
                    Value::Text(name),
                    Value::Bool(*folder),
                    Value::Int(BATCH),
                ],
            )
            .await
    }
}

/// Whether there are tables of a store in a database.
pub(super) async fn exists(pool: &Pool) -> Result<bool, Failure> {
    let deadline = Instant::now() + pool.settings().operation_timeout;
    let session = Session::begin(pool, Access::ReadAll, "on", deadline).await?;
    let query = "SELECT to_regclass('meta') IS NOT NULL WHERE $1";
    let rows = session.query_last(query, &[Value::Bool(true)]).await?;
    Ok(rows.first().map_or(Ok(false), |row| row.try_get(0))?)
}

fn entry(row: &Row) -> Result<Record, Failure> {
    let (parent, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let (id, created, modified) = (
        row.try_get(3)?,
        Micros(row.try_get(4)?),
        Micros(row.try_get(5)?),
    );
    if row.try_get(2)? {
        return Ok(Record::Folder(FolderRecord {
            parent,
            name,
            id,
            created,
            modified,
            entries: row.try_get(6)?,
        }));
    }
    let blob: Option<String> = row.try_get(11)?;
    // A missing content differs from the size and the checksums of its file.
    let inline: Option<Vec<u8>> = row.try_get(12)?;
    let content = match blob {
        Some(blob) => ContentRecord::Blob(blob),
        None => ContentRecord::Inline(Bytes::from(inline.unwrap_or_default())),
    };
    Ok(Record::File(FileRecord {
        parent,
        name,
        id,
        created,
        modified,
        size: u64::try_from(row.try_get::<_, i64>(7)?).unwrap_or(0),
        etag: row.try_get::<_, Option<String>>(8)?.unwrap_or_default(),
        sha256: row.try_get(9)?,
        crc64: row.try_get::<_, Option<i64>>(10)?.map(i64::cast_unsigned),
        content,
    }))
}
