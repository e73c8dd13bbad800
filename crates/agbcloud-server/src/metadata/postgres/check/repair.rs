//! Repairs values that follow from other rows. Each repair is a transaction that locks the row of the tenant, as changes do.

use std::time::Duration;

use tokio::time::Instant;

use crate::metadata::Result;
use crate::metadata::offset_index::MAX_UNINDEXED;
use crate::metadata::postgres::connection::{Access, Failure, Session, Value};
use crate::metadata::postgres::offset_index::OffsetIndex;
use crate::metadata::postgres::tenant_row::TenantRow;
use crate::metadata::postgres::{Postgres, commit};
use crate::names::FolderPath;
use crate::system::random::alphanumeric;

/// Maximum time of a repair, which may count all files of a context.
const REPAIR_TIME: Duration = Duration::from_secs(600);

/// What has to be computed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Repair {
    /// The counts of a tenant.
    Tenant { tenant: i64 },
    /// The counts of a tree, and those of its tenant: a context that was deleted with a wrong count has left it there.
    Tree { tenant: i64, tree: i64 },
    /// The row of a folder, its count and its offset index.
    Folder {
        tenant: i64,
        tree: i64,
        folder: FolderPath,
    },
    /// A referenced blob is removed from the queues of the collector.
    DoomedBlob { tenant: i64, blob: String },
}

impl Repair {
    fn tenant(&self) -> i64 {
        match *self {
            Self::Tenant { tenant }
            | Self::Tree { tenant, .. }
            | Self::Folder { tenant, .. }
            | Self::DoomedBlob { tenant, .. } => tenant,
        }
    }
}

impl Postgres {
    /// Repairs one problem. Changes nothing if it was repaired in the meantime.
    pub(crate) async fn repair(&self, repair: &Repair) -> Result<()> {
        self.retry(move |_| async move {
            let tenant = repair.tenant();
            let deadline = Instant::now() + REPAIR_TIME;
            let session = self.begin(Access::Write(tenant), deadline).await?;
            session.push(&format!(
                "SET LOCAL statement_timeout = {}",
                REPAIR_TIME.as_millis()
            ));
            TenantRow::lock(&session, tenant).await?;
            match repair {
                Repair::Tenant { tenant } => count_tenant(&session, *tenant).await?,
                Repair::Tree { tenant, tree } => {
                    count_tree(&session, *tenant, *tree).await?;
                    count_tenant(&session, *tenant).await?;
                }
                Repair::Folder {
                    tenant,
                    tree,
                    folder,
                } => repair_folder(&session, *tenant, *tree, folder).await?,
                Repair::DoomedBlob { blob, .. } => keep_blob(&session, blob).await?,
            }
            commit(session).await
        })
        .await
    }
}

async fn count_tenant(session: &Session, tenant: i64) -> Result<(), Failure> {
    session
        .execute(
            "UPDATE tenants SET (contexts, files, bytes) = (
                 SELECT count(*), coalesce(sum(found.files), 0)::bigint, coalesce(sum(found.bytes), 0)::bigint
                 FROM contexts CROSS JOIN LATERAL (
                     SELECT count(*) AS files, coalesce(sum(size), 0) AS bytes FROM entries
                     JOIN trees ON trees.pk = entries.tree AND trees.tenant = $1 AND NOT doomed
                     WHERE entries.tenant = $1 AND entries.tree = contexts.tree AND NOT folder) AS found
                 WHERE contexts.tenant = $1)
             WHERE pk = $1",
            &[Value::Int(tenant)],
        )
        .await?;
    Ok(())
}

async fn count_tree(session: &Session, tenant: i64, tree: i64) -> Result<(), Failure> {
    session
        .execute(
            "UPDATE trees SET (files, bytes) = (
                 SELECT count(*), coalesce(sum(size), 0)::bigint FROM entries
                 WHERE entries.tenant = $1 AND entries.tree = $2 AND NOT folder)
             WHERE tenant = $1 AND pk = $2 AND NOT doomed",
            &[Value::Int(tenant), Value::Int(tree)],
        )
        .await?;
    Ok(())
}

async fn keep_blob(session: &Session, blob: &str) -> Result<(), Failure> {
    for queue in ["dead_blobs", "quarantine", "uploads"] {
        session
            .execute(
                &format!(
                    "DELETE FROM {queue} WHERE blob = $1 AND EXISTS (SELECT 1 FROM entries WHERE blob = $1)"
                ),
                &[Value::Text(blob)],
            )
            .await?;
    }
    Ok(())
}

/// Creates, counts or deletes a folder, and repeats that with the folder above if its number of entries changed.
async fn repair_folder(
    session: &Session,
    tenant: i64,
    tree: i64,
    folder: &FolderPath,
) -> Result<(), Failure> {
    let exists = "SELECT 1 FROM trees WHERE tenant = $1 AND pk = $2 AND NOT doomed";
    let keys = [Value::Int(tenant), Value::Int(tree)];
    if session.query_opt(exists, &keys).await?.is_none() {
        // Cleared or deleted in the meantime.
        return Ok(());
    }
    let mut next = Some(folder.clone());
    while let Some(folder) = next.take() {
        let (parent, name) = folder.place();
        let place = [&keys[..], &[Value::Text(parent), Value::Text(name)]].concat();
        let path = [Value::Text(folder.as_str())];
        let row = session
            .query_opt(
                "SELECT (SELECT count(*) FROM entries WHERE tenant = $1 AND tree = $2 AND parent = $5),
                        (SELECT child_count FROM entries
                         WHERE tenant = $1 AND tree = $2 AND parent = $3 AND name = $4 AND folder = true)",
                &[&place[..], &path].concat(),
            )
            .await?;
        let Some(row) = row else {
            return Ok(());
        };
        let (found, stored): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        let is_needed = found > 0 || folder.is_root();
        let count = [&place[..], &[Value::Int(found)]].concat();
        match stored {
            None if is_needed => {
                let id = match folder.is_root() {
                    true => String::new(),
                    false => format!("folder-{}", alphanumeric(20)?),
                };
                session
                    .execute(
                        "INSERT INTO entries (tenant, tree, parent, name, folder, id, created, modified, child_count)
                         SELECT $1, $2, $3, $4, true, $7, coalesce(min(created), context.time),
                                coalesce(max(modified), context.time), $5
                         FROM (SELECT coalesce(max(create_time), 0) AS time FROM contexts WHERE tenant = $1 AND tree = $2)
                              AS context
                         LEFT JOIN entries ON tenant = $1 AND tree = $2 AND parent = $6 GROUP BY context.time",
                        &[&count[..], &path, &[Value::Text(&id)]].concat(),
                    )
                    .await?;
                next = folder.parent();
            }
            Some(_) if !is_needed => {
                session
                    .execute(
                        "DELETE FROM entries WHERE tenant = $1 AND tree = $2 AND parent = $3 AND name = $4 AND folder = true",
                        &place,
                    )
                    .await?;
                next = folder.parent();
            }
            Some(stored) if stored != found => {
                session
                    .execute(
                        "UPDATE entries SET child_count = $5
                         WHERE tenant = $1 AND tree = $2 AND parent = $3 AND name = $4 AND folder = true",
                        &count,
                    )
                    .await?;
            }
            _ => {}
        }
        let index = OffsetIndex {
            session,
            tenant,
            tree,
            path: folder.as_str(),
        };
        if !index.is_correct(found).await? {
            index.delete().await?;
            if found > MAX_UNINDEXED {
                index.build().await?;
            }
        }
    }
    Ok(())
}
