//! Writes a whole store into an empty database.
//!
//! Until everything is written and verified, the row `importing` of the table `meta` names the source. Blobs are registered as
//! uploads before they are stored, so that those of an interrupted import are found without a listing.

use std::collections::HashMap;

use tokio::time::Instant;

use super::super::connection::{Access, Failure, Pool, Session, Statement, Value};
use super::super::offset_index::OffsetIndex;
use super::super::{commit, meta, schema, tenants};
use super::export::{exists, id_text};
use super::{CopyError, Export, connect};
use crate::markers::SharedMarker;
use crate::metadata::record::{
    BlobChecksums, ContentRecord, ContextRecord, FileRecord, ImportSource, KeyRecord, Record,
    StoreIdentity,
};
use crate::metadata::{StoreError, UploadId};

/// Maximum number of statements that are sent at once.
const STATEMENTS: usize = 24;
/// Number of registered uploads that are read at once.
const UPLOADS: i64 = 1000;

/// A database that is being filled.
pub(crate) struct Import {
    pool: Pool,
    tenant: i64,
    tree: i64,
    /// The folder of the last entry, and the number of its entries so far.
    folder: Option<(String, i64)>,
}

/// The start of an import.
pub(crate) struct StartedImport {
    pub(crate) import: Import,
    pub(crate) marker: SharedMarker,
    /// Whether an earlier attempt has left contents.
    pub(crate) resumed: bool,
}

/// What is in a database.
enum Found {
    Nothing,
    /// An import from the same source.
    Import,
}

impl Import {
    /// Checks that a database can be the target, and changes nothing. Returns whether an import is continued.
    pub(crate) async fn check(
        url: &str,
        variable: impl Fn(&str) -> Option<String>,
        source: &ImportSource,
    ) -> Result<bool, CopyError> {
        let pool = connect(url, variable).await?;
        if !exists(&pool).await? {
            return Ok(false);
        }
        let session = begin(&pool, Access::ReadAll).await?;
        let found = find(&session, source).await?;
        session.finish().await?;
        Ok(matches!(found, Found::Import))
    }

    /// Creates the store, or continues an import from the same source.
    pub(crate) async fn start(
        url: &str,
        variable: impl Fn(&str) -> Option<String>,
        source: &ImportSource,
        store: &StoreIdentity,
    ) -> Result<StartedImport, CopyError> {
        let pool = connect(url, variable).await?;
        let deadline = Instant::now() + pool.settings().operation_timeout;
        schema::migrate(&pool, deadline).await?;
        let mut session = begin(&pool, Access::Task).await?;
        // A service that starts now waits for this transaction, and then finds the row `importing`.
        session.push("LOCK TABLE meta IN EXCLUSIVE MODE");
        let resumed = match find(&session, source).await {
            Ok(Found::Nothing) => false,
            Ok(Found::Import) => true,
            Err(error) => {
                session.roll_back().await;
                return Err(error);
            }
        };
        if resumed {
            session.push("SET LOCAL statement_timeout = 0");
            session.push(
                "INSERT INTO uploads (blob, expires)
                 SELECT blob, clock_timestamp() FROM entries WHERE blob IS NOT NULL ON CONFLICT (blob) DO NOTHING",
            );
            session.push(
                "TRUNCATE tenants, trees, contexts, entries, contents, block_sums, segments, api_keys, signing_keys",
            );
            session.set_deadline(Instant::now() + RESET);
            session.flush().await?;
        }
        meta::set(&session, meta::IMPORTING, &source.to_text()).await?;
        meta::set_secret(&session, &store.secret).await?;
        let marker = "INSERT INTO marker (store, sequence, advanced) VALUES ($1, 1, clock_timestamp())
                      ON CONFLICT (only_row) DO UPDATE SET store = excluded.store, sequence = marker.sequence + 1";
        session
            .execute(marker, &[Value::Text(&id_text(store))])
            .await?;
        let stored = meta::stored_marker(&session).await?;
        let (marker, _) = stored.ok_or(CopyError::NoStore)?;
        commit(session).await?;
        Ok(StartedImport {
            import: Self {
                pool,
                tenant: 0,
                tree: 0,
                folder: None,
            },
            marker,
            resumed,
        })
    }

    /// Records that the store of blobs has a marker.
    pub(crate) async fn confirm_marker(&self) -> Result<(), StoreError> {
        self.change(async |session| meta::confirm(session).await)
            .await
    }

    /// Registers a blob before its first byte is stored.
    pub(crate) async fn register(&self, upload: &UploadId) -> Result<(), StoreError> {
        self.change(async |session| {
            let register =
                "INSERT INTO uploads (blob, multipart, expires) VALUES ($1, $2, clock_timestamp())
                            ON CONFLICT (blob) DO UPDATE SET multipart = excluded.multipart";
            let multipart = Value::OptText(upload.multipart.as_deref());
            session
                .execute(register, &[Value::Text(&upload.blob), multipart])
                .await?;
            Ok(())
        })
        .await
    }

    /// Returns registered uploads that may have stored parts, in order, after the given one.
    pub(crate) async fn registered(&self, after: &str) -> Result<Vec<UploadId>, StoreError> {
        let read = async {
            let session = begin(&self.pool, Access::ReadAll).await?;
            let query =
                "SELECT blob, multipart FROM uploads WHERE multipart IS NOT NULL AND blob > $1
                         ORDER BY blob LIMIT $2";
            let parameters = [Value::Text(after), Value::Int(UPLOADS)];
            let rows = session.query_last(query, &parameters).await?;
            let uploads = rows.iter().map(|row| {
                Ok(UploadId {
                    blob: row.try_get(0)?,
                    multipart: row.try_get(1)?,
                })
            });
            uploads.collect::<Result<_, Failure>>()
        };
        read.await.map_err(Failure::into_store_error)
    }

    /// Runs a transaction.
    async fn change(
        &self,
        work: impl AsyncFnOnce(&Session) -> Result<(), Failure>,
    ) -> Result<(), StoreError> {
        let done = async {
            let session = begin(&self.pool, Access::Task).await?;
            work(&session).await?;
            commit(session).await
        };
        done.await.map_err(Failure::into_store_error)
    }

    /// Writes records in one transaction. Their blobs are stored already, with these checksums by key.
    pub(crate) async fn write(
        &mut self,
        records: &[Record],
        blobs: &HashMap<String, BlobChecksums>,
    ) -> Result<(), StoreError> {
        let written = async {
            let session = begin(&self.pool, Access::Task).await?;
            let mut batch = Batch {
                session: &session,
                tenant: self.tenant,
                tree: self.tree,
                folder: self.folder.clone(),
                files: 0,
                bytes: 0,
            };
            for records in records.chunks(STATEMENTS / 4) {
                batch.write(records, blobs).await?;
            }
            batch.count().await?;
            let after = (batch.tenant, batch.tree, batch.folder.take());
            commit(session).await?;
            Ok(after)
        };
        let (tenant, tree, folder) = written.await.map_err(Failure::into_store_error)?;
        (self.tenant, self.tree, self.folder) = (tenant, tree, folder);
        Ok(())
    }

    /// Completes the rows and checks their counts. The store stays closed to services.
    pub(crate) async fn complete(&mut self) -> Result<(), StoreError> {
        let folder = self.folder.take();
        let (tenant, tree) = (self.tenant, self.tree);
        self.change(async |session| index(session, tenant, tree, folder).await)
            .await?;
        let read = async {
            let mut session = begin(&self.pool, Access::Task).await?;
            session.push("SET LOCAL statement_timeout = 0");
            session.set_deadline(Instant::now() + RESET);
            let wrong = session
                .query(
                    "SELECT count(*) FROM
                         (SELECT tenant, tree, CASE WHEN parent = '' THEN '/' WHEN parent = '/' THEN '/' || name
                                                    ELSE parent || '/' || name END AS path, child_count
                          FROM entries WHERE folder) AS folders
                     FULL JOIN
                         (SELECT tenant, tree, parent AS path, count(*) AS entries FROM entries WHERE parent <> ''
                          GROUP BY tenant, tree, parent) AS counts
                     USING (tenant, tree, path)
                     WHERE child_count IS DISTINCT FROM coalesce(entries, 0)",
                    &[],
                )
                .await?;
            let wrong: i64 = wrong.first().map_or(Ok(0), |row| row.try_get(0))?;
            session.finish().await?;
            Ok::<_, Failure>(wrong)
        };
        match read.await.map_err(Failure::into_store_error)? {
            0 => Ok(()),
            wrong => Err(StoreError::Failed(format!(
                "{wrong} folders of the source have wrong counts: check it with `agb serve fsck`"
            ))),
        }
    }

    /// Starts a snapshot of the store, to read it back.
    pub(crate) async fn read_back(&self) -> Result<Export, CopyError> {
        Export::of_import(self.pool.clone()).await
    }

    /// Opens the store to services. Their collector deletes the blobs that are still registered.
    pub(crate) async fn publish(&self) -> Result<(), StoreError> {
        self.change(async |session| {
            let delete = "DELETE FROM meta WHERE name = $1";
            session
                .execute(delete, &[Value::Text(meta::IMPORTING)])
                .await?;
            Ok(())
        })
        .await
    }
}

/// How long resetting or checking all rows may take.
const RESET: std::time::Duration = std::time::Duration::from_secs(6 * 3600);

async fn begin(pool: &Pool, access: Access<'_>) -> Result<Session, Failure> {
    let deadline = Instant::now() + pool.settings().operation_timeout;
    Session::begin(pool, access, "on", deadline).await
}

/// Returns what is in a database with tables.
async fn find(session: &Session, source: &ImportSource) -> Result<Found, CopyError> {
    match meta::importing(session).await? {
        Some(found) if found == source.to_text() => Ok(Found::Import),
        Some(_) => Err(CopyError::OtherImport),
        None => match meta::stored_secret(session).await? {
            Some(_) => Err(CopyError::NotEmpty),
            None => Ok(Found::Nothing),
        },
    }
}

/// Creates the offset index of a folder whose entries are all written.
async fn index(
    session: &Session,
    tenant: i64,
    tree: i64,
    folder: Option<(String, i64)>,
) -> Result<(), Failure> {
    let Some((path, count)) = folder else {
        return Ok(());
    };
    let index = OffsetIndex {
        session,
        tenant,
        tree,
        path: &path,
    };
    index.build_if_large(count).await
}

/// A transaction that writes records.
struct Batch<'a> {
    session: &'a Session,
    tenant: i64,
    tree: i64,
    folder: Option<(String, i64)>,
    /// What was added to the tree since the last count.
    files: i64,
    bytes: i64,
}

impl Batch<'_> {
    async fn write(
        &mut self,
        records: &[Record],
        blobs: &HashMap<String, BlobChecksums>,
    ) -> Result<(), Failure> {
        let mut statements: Vec<Statement<'_>> = Vec::new();
        for record in records {
            let parent = match record {
                Record::Key(key) => {
                    self.write_key(key).await?;
                    continue;
                }
                Record::Context(context) => {
                    self.session.execute_all(&statements).await?;
                    statements.clear();
                    self.count().await?;
                    index(self.session, self.tenant, self.tree, self.folder.take()).await?;
                    self.write_context(context).await?;
                    continue;
                }
                Record::Folder(folder) => {
                    statements.push((
                        "INSERT INTO entries (tenant, tree, parent, name, folder, id, created, modified, child_count)
                         VALUES ($1, $2, $3, $4, true, $5, $6, $7, $8)",
                        vec![
                            Value::Int(self.tenant),
                            Value::Int(self.tree),
                            Value::Text(&folder.parent),
                            Value::Text(&folder.name),
                            Value::Text(&folder.id),
                            Value::Int(folder.created.0),
                            Value::Int(folder.modified.0),
                            Value::Int(folder.entries),
                        ],
                    ));
                    &folder.parent
                }
                Record::File(file) => {
                    self.add_file(file, blobs, &mut statements)?;
                    &file.parent
                }
            };
            match &mut self.folder {
                Some((last, count)) if last == parent => *count += 1,
                _ => {
                    let before = self.folder.replace((parent.clone(), 1));
                    if before.is_some() {
                        self.session.execute_all(&statements).await?;
                        statements.clear();
                        index(self.session, self.tenant, self.tree, before).await?;
                    }
                }
            }
        }
        self.session.execute_all(&statements).await?;
        Ok(())
    }

    fn add_file<'b>(
        &mut self,
        file: &'b FileRecord,
        blobs: &'b HashMap<String, BlobChecksums>,
        statements: &mut Vec<Statement<'b>>,
    ) -> Result<(), Failure> {
        let too_large = |_| StoreError::Failed("the file is too large".to_owned());
        let size = i64::try_from(file.size).map_err(too_large)?;
        self.files += 1;
        self.bytes += size;
        let (blob, bytes) = match &file.content {
            ContentRecord::Blob(blob) => (Some(blob.as_str()), None),
            ContentRecord::Inline(bytes) => (None, Some(&bytes[..])),
        };
        statements.push((
            "WITH content AS (INSERT INTO contents (tenant, bytes) SELECT $1, $12 WHERE $13 RETURNING pk)
             INSERT INTO entries (tenant, tree, parent, name, folder, id, created, modified, size, etag, sha256, crc64, blob,
                                  inline)
             VALUES ($1, $2, $3, $4, false, $5, $6, $7, $8, $9, $10, CASE WHEN $15 THEN $14 END, $11,
                     (SELECT pk FROM content))",
            vec![
                Value::Int(self.tenant),
                Value::Int(self.tree),
                Value::Text(&file.parent),
                Value::Text(&file.name),
                Value::Text(&file.id),
                Value::Int(file.created.0),
                Value::Int(file.modified.0),
                Value::Int(size),
                Value::Text(&file.etag),
                Value::OptText(file.sha256.as_deref()),
                Value::OptText(blob),
                Value::Bytes(bytes.unwrap_or_default()),
                Value::Bool(bytes.is_some()),
                Value::Int(file.crc64.unwrap_or(0).cast_signed()),
                Value::Bool(file.crc64.is_some()),
            ],
        ));
        let Some(blob) = blob else {
            return Ok(());
        };
        statements.push((
            "DELETE FROM uploads WHERE blob = $1",
            vec![Value::Text(blob)],
        ));
        if let Some(checksums) = blobs.get(blob) {
            statements.push((
                "INSERT INTO block_sums (blob, tenant, crc64, sums) VALUES ($1, $2, $3, $4)",
                vec![
                    Value::Text(blob),
                    Value::Int(self.tenant),
                    Value::Int(checksums.crc64.cast_signed()),
                    Value::Bytes(checksums.blocks.as_bytes()),
                ],
            ));
        }
        Ok(())
    }

    async fn write_context(&mut self, context: &ContextRecord) -> Result<(), Failure> {
        let missing = || StoreError::Failed("a new row has no key".to_owned());
        let tenant = self
            .session
            .query_opt(
                "INSERT INTO tenants (pk, id, contexts) VALUES ($1, $2, 1)
                 ON CONFLICT (id) DO UPDATE SET contexts = tenants.contexts + 1 RETURNING pk",
                &[
                    Value::Int(tenants::new_key()?),
                    Value::Text(&context.tenant),
                ],
            )
            .await?;
        self.tenant = tenant.ok_or_else(missing)?.try_get(0)?;
        let tree = self
            .session
            .query_opt(
                "INSERT INTO trees (tenant, context) VALUES ($1, 0) RETURNING pk",
                &[Value::Int(self.tenant)],
            )
            .await?;
        self.tree = tree.ok_or_else(missing)?.try_get(0)?;
        self.session
            .execute(
                "WITH context AS (
                     INSERT INTO contexts (id, tenant, region, name, state, generation, tree, create_time, last_used)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING pk)
                 UPDATE trees SET context = (SELECT pk FROM context) WHERE pk = $7",
                &[
                    Value::Text(&context.id),
                    Value::Int(self.tenant),
                    Value::Text(&context.region),
                    Value::Text(&context.name),
                    Value::Text(ContextRecord::STATE.as_str()),
                    Value::Int(context.generation),
                    Value::Int(self.tree),
                    Value::Int(context.create_time.0),
                    Value::Int(context.last_used.0),
                ],
            )
            .await?;
        Ok(())
    }

    async fn write_key(&self, key: &KeyRecord) -> Result<(), Failure> {
        match key {
            KeyRecord::Required => meta::set(self.session, meta::REQUIRES_KEYS, "true").await,
            KeyRecord::Api { issuer, entry } => {
                let key = key.api_entry().ok_or_else(|| {
                    StoreError::Failed("the row of an API key is invalid".to_owned())
                })?;
                let insert =
                    "INSERT INTO api_keys (id, sha256, issuer, entry) VALUES ($1, $2, $3, $4)";
                let row = [
                    Value::Text(key.id()),
                    Value::Bytes(&key.hash()),
                    Value::Text(issuer),
                    Value::Text(entry),
                ];
                self.session.execute(insert, &row).await?;
                Ok(())
            }
            KeyRecord::Signing { entry } => {
                let insert = "INSERT INTO signing_keys (position, entry)
                              SELECT coalesce(max(position), 0) + 1, $1 FROM signing_keys";
                self.session.execute(insert, &[Value::Text(entry)]).await?;
                Ok(())
            }
        }
    }

    /// Adds the files to the counts of the tree and of the tenant.
    async fn count(&mut self) -> Result<(), Failure> {
        let (files, bytes) = (
            std::mem::take(&mut self.files),
            std::mem::take(&mut self.bytes),
        );
        if files == 0 {
            return Ok(());
        }
        let counts = [Value::Int(files), Value::Int(bytes)];
        let of = |key: i64| [&[Value::Int(key)][..], &counts].concat();
        self.session
            .execute_all(&[
                (
                    "UPDATE trees SET files = files + $2, bytes = bytes + $3 WHERE pk = $1",
                    of(self.tree),
                ),
                (
                    "UPDATE tenants SET files = files + $2, bytes = bytes + $3 WHERE pk = $1",
                    of(self.tenant),
                ),
            ])
            .await?;
        Ok(())
    }
}
