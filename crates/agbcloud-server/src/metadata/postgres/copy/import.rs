//! Writes a whole store into an empty database.
//!
//! Until everything is written and verified, the row `importing` of the table `meta` names the source. Blobs are registered as
//! uploads before they are stored, so that those of an interrupted import are found without a listing.
//!
//! The row `import_attempt` names the attempt that may write. Every transaction of an import checks it, so that an attempt that
//! another one has replaced changes nothing any more.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::super::connection::{Access, Failure, Pool, Session, Value};
use super::super::offset_index::OffsetIndex;
use super::super::open::OpenError;
use super::super::{commit, meta, schema};
use super::export::exists;
use super::import_batch::{Batch, LargeFolder, Position};
use super::{CopyError, Export, LONG_STATEMENTS, connect};
use crate::markers::SharedMarker;
use crate::metadata::record::{BlobChecksums, ImportSource, Record, StoreIdentity};
use crate::metadata::{StoreError, UploadId};
use crate::system::random;

/// Maximum number of statements that are sent at once.
const STATEMENTS: usize = 24;
/// Number of registered uploads that are read at once.
const UPLOADS: i64 = 1000;

/// A database that is being filled.
pub(crate) struct Import {
    pool: Pool,
    attempt: String,
    position: Position,
}

/// The marker of an import that can be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnfinishedImport {
    pub(crate) marker: SharedMarker,
    /// Whether the store of blobs has it.
    pub(crate) confirmed: bool,
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
    /// Checks that a database can be the target, and changes nothing. Returns the import that would be continued.
    pub(crate) async fn check(
        url: &str,
        variable: impl Fn(&str) -> Option<String>,
        source: &ImportSource,
    ) -> Result<Option<UnfinishedImport>, CopyError> {
        let pool = connect(url, variable).await?;
        if !exists(&pool).await? {
            return Ok(None);
        }
        let session = begin(&pool, Access::ReadAll).await?;
        let version = meta::number(&session, meta::VERSION).await?.unwrap_or(0);
        if version > schema::VERSION {
            // Its rows may need more than this version writes.
            return Err(OpenError::NewerSchema(version).into());
        }
        let found = find(&session, source).await?;
        let marker = match found {
            Found::Nothing => None,
            Found::Import => meta::stored_marker(&session).await?,
        };
        session.finish().await?;
        Ok(marker.map(|(marker, confirmed)| UnfinishedImport { marker, confirmed }))
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
        schema::migrate(&pool, deadline, &schema::Release::CURRENT).await?;
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
            session.push(LONG_STATEMENTS);
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
        let attempt = random::alphanumeric(16).map_err(Failure::from)?;
        meta::set(&session, meta::IMPORT_ATTEMPT, &attempt).await?;
        meta::set_secret(&session, &store.secret).await?;
        if !resumed {
            // The copy has the id of its source. The random number distinguishes its blobs from those of the source.
            let number = random::bytes::<4>().map_err(Failure::from)?;
            let sequence = 1 + u64::from(u32::from_le_bytes(number));
            let marker = SharedMarker {
                store: store.id,
                sequence,
            };
            meta::replace_marker(&session, marker).await?;
        }
        let stored = meta::stored_marker(&session).await?;
        let (marker, _) = stored.ok_or(CopyError::NoStore)?;
        commit(session).await?;
        Ok(StartedImport {
            import: Self {
                pool,
                attempt,
                position: Position::default(),
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

    /// Begins a transaction that keeps other attempts from starting. Fails if one has started already.
    async fn begin(&self) -> Result<Session, Failure> {
        let mut session = begin(&self.pool, Access::Task).await?;
        session.set_deadline(Instant::now() + BATCH_TIMEOUT);
        let owned = session
            .query(
                "SELECT 1 FROM meta WHERE name = $1 AND value = $2 FOR SHARE",
                &[
                    Value::Text(meta::IMPORT_ATTEMPT),
                    Value::Text(&self.attempt),
                ],
            )
            .await?;
        match owned.is_empty() {
            false => Ok(session),
            true => {
                let reason = "another process has started to fill the target";
                Err(StoreError::Failed(reason.to_owned()).into())
            }
        }
    }

    /// Runs a transaction.
    async fn change(
        &self,
        work: impl AsyncFnOnce(&Session) -> Result<(), Failure>,
    ) -> Result<(), StoreError> {
        let done = async {
            let session = self.begin().await?;
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
            let session = self.begin().await?;
            let mut batch = Batch::new(&session, self.position.clone());
            for records in records.chunks(STATEMENTS / 4) {
                batch.write(records, blobs).await?;
            }
            let after = batch.finish().await?;
            commit(session).await?;
            Ok(after)
        };
        let (position, folders) = written.await.map_err(Failure::into_store_error)?;
        self.position = position;
        for folder in folders {
            self.index(&folder).await?;
        }
        Ok(())
    }

    /// Creates the offset index of a folder whose entries are all written. Takes a while for millions of entries.
    async fn index(&self, folder: &LargeFolder) -> Result<(), StoreError> {
        let built = async {
            let mut session = self.begin().await?;
            session.push(LONG_STATEMENTS);
            session.set_deadline(Instant::now() + RESET);
            let index = OffsetIndex {
                session: &session,
                tenant: folder.tenant,
                tree: folder.tree,
                path: &folder.path,
            };
            index.build().await?;
            commit(session).await
        };
        built.await.map_err(Failure::into_store_error)
    }

    /// Completes the rows and checks their counts. The store stays closed to services.
    pub(crate) async fn complete(&mut self) -> Result<(), StoreError> {
        if let Some(folder) = self.position.end_folder() {
            self.index(&folder).await?;
        }
        let read = async {
            let mut session = self.begin().await?;
            session.push(LONG_STATEMENTS);
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
            let delete = "DELETE FROM meta WHERE name IN ($1, $2)";
            let names = [meta::IMPORTING, meta::IMPORT_ATTEMPT].map(Value::Text);
            session.execute(delete, &names).await?;
            Ok(())
        })
        .await
    }
}

/// How long resetting or checking all rows may take.
const RESET: Duration = Duration::from_secs(6 * 3600);

/// How long a transaction with some records may take. They may contain megabytes of contents.
const BATCH_TIMEOUT: Duration = Duration::from_secs(300);

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
