//! Contents and blobs that no file references. A repair moves them to the quarantine.

use super::{BATCH, Snapshot};
use crate::metadata::Result;
use crate::metadata::postgres::connection::{Access, Failure, Value};
use crate::metadata::postgres::tenant_row::TenantRow;
use crate::metadata::postgres::{Postgres, commit};

/// A content in the database that no file references.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OrphanContent {
    key: i64,
    tenant: i64,
    pub(crate) bytes: usize,
}

impl Snapshot {
    /// Finds contents that no file references.
    pub(crate) async fn orphan_contents(&mut self) -> Result<Vec<OrphanContent>> {
        let orphans = async {
            self.open_cursor(
                "SELECT pk, tenant, octet_length(bytes)::bigint FROM contents
                 WHERE NOT EXISTS (SELECT 1 FROM entries WHERE entries.inline = contents.pk)",
            )
            .await?;
            let mut orphans = Vec::new();
            loop {
                let rows = self.fetch(BATCH).await?;
                if rows.is_empty() {
                    return Ok(orphans);
                }
                for row in rows {
                    orphans.push(OrphanContent {
                        key: row.try_get(0)?,
                        tenant: row.try_get(1)?,
                        bytes: usize::try_from(row.try_get::<_, i64>(2)?).unwrap_or(0),
                    });
                }
            }
        };
        orphans.await.map_err(Failure::into_store_error)
    }
}

impl Postgres {
    /// Whether a row still refers to a blob.
    pub(crate) async fn is_referenced(&self, blob: &str) -> Result<bool> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::ReadAll, deadline).await?;
            let query = "SELECT 1 FROM entries WHERE blob = $1 LIMIT 1";
            let rows = session.query_last(query, &[Value::Text(blob)]).await?;
            Ok(!rows.is_empty())
        })
        .await
    }

    /// Returns the bytes of an orphan.
    pub(crate) async fn read_orphan(&self, orphan: OrphanContent) -> Result<Option<Vec<u8>>> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::ReadAll, deadline).await?;
            let query = "SELECT bytes FROM contents WHERE pk = $1";
            let rows = session.query_last(query, &[Value::Int(orphan.key)]).await?;
            Ok(rows.first().map(|row| row.try_get(0)).transpose()?)
        })
        .await
    }

    /// Deletes an orphan whose bytes are in a blob, and moves that blob to the quarantine.
    pub(crate) async fn replace_orphan(&self, orphan: OrphanContent, blob: &str) -> Result<()> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            TenantRow::lock(&session, orphan.tenant).await?;
            session
                .execute_all(&[
                    (
                        "DELETE FROM contents WHERE pk = $1 AND NOT EXISTS (SELECT 1 FROM entries WHERE inline = $1)",
                        vec![Value::Int(orphan.key)],
                    ),
                    (
                        "DELETE FROM uploads WHERE blob = $1",
                        vec![Value::Text(blob)],
                    ),
                    (
                        "INSERT INTO quarantine (blob) VALUES ($1) ON CONFLICT (blob) DO NOTHING",
                        vec![Value::Text(blob)],
                    ),
                ])
                .await?;
            commit(session).await
        })
        .await
    }

    /// Moves blobs to the quarantine that are neither referenced, nor queued for deletion, nor being uploaded.
    pub(crate) async fn quarantine_orphans(&self, blobs: &[String]) -> Result<()> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            session
                .execute(
                    "INSERT INTO quarantine (blob) SELECT blob FROM unnest($1) AS given (blob)
                     WHERE NOT EXISTS (SELECT 1 FROM entries WHERE entries.blob = given.blob)
                       AND NOT EXISTS (SELECT 1 FROM dead_blobs WHERE dead_blobs.blob = given.blob)
                       AND NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.blob = given.blob)
                     ON CONFLICT (blob) DO NOTHING",
                    &[Value::Texts(blobs)],
                )
                .await?;
            commit(session).await
        })
        .await
    }
}
