//! Folders: their rows, with the number of their entries, and their listings.

use super::connection::{Failure, Session, Value};
use super::offset_index::OffsetIndex;
use crate::metadata::offset_index::EntryKey;
use crate::metadata::{FilePage, ListedEntry, StoreError};
use crate::names::FolderPath;
use crate::system::clock::Micros;
use crate::system::random::alphanumeric;

/// Lists a folder in the transaction, which sees one state.
pub(super) async fn list(
    session: Session,
    tenant: i64,
    context: &str,
    folder: &FolderPath,
    offset: i64,
    limit: u32,
) -> Result<FilePage, Failure> {
    let (parent, name) = folder.place();
    let row = session
        .query_opt(
            "SELECT contexts.tree, child_count FROM contexts
             LEFT JOIN entries ON entries.tenant = $2 AND entries.tree = contexts.tree
                              AND parent = $3 AND entries.name = $4 AND folder = true
             WHERE contexts.id = $1 AND contexts.tenant = $2",
            &[
                Value::Text(context),
                Value::Int(tenant),
                Value::Text(parent),
                Value::Text(name),
            ],
        )
        .await?;
    let Some(row) = row else {
        session.finish().await?;
        return Err(StoreError::NoContext.into());
    };
    let tree = row.try_get(0)?;
    let count = row.try_get::<_, Option<i64>>(1)?.unwrap_or(0);
    if offset >= count {
        session.finish().await?;
        return Ok(FilePage {
            entries: Vec::new(),
            count,
        });
    }
    let path = folder.as_str();
    let index = OffsetIndex {
        session: &session,
        tenant,
        tree,
        path,
    };
    let (start, skip) = index.seek(offset, count).await?;
    let rows = session
        .query_last(
            LIST,
            &[
                Value::Int(tenant),
                Value::Int(tree),
                Value::Text(path),
                Value::Text(&start.name),
                Value::Bool(start.folder),
                Value::Int(i64::from(limit)),
                Value::Int(skip),
            ],
        )
        .await?;
    let entries = rows.iter().map(|row| {
        Ok(ListedEntry {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            folder: row.try_get(2)?,
            size: row.try_get(3)?,
            created: Micros(row.try_get(4)?),
            modified: Micros(row.try_get(5)?),
            etag: row.try_get(6)?,
            crc64: row.try_get::<_, Option<i64>>(7)?.map(i64::cast_unsigned),
        })
    });
    Ok(FilePage {
        entries: entries.collect::<Result<_, Failure>>()?,
        count,
    })
}

/// The entries of a folder from a key on.
pub(super) const LIST: &str =
    "SELECT id, name, folder, size, created, modified, etag, crc64 FROM entries
     WHERE tenant = $1 AND tree = $2 AND parent = $3 AND (name, folder) >= ($4, $5)
     ORDER BY name, folder LIMIT $6 OFFSET $7";

/// Changes the number of entries of a folder. Returns the new number; `None` if the folder does not exist.
async fn add_children(
    session: &Session,
    tenant: i64,
    tree: i64,
    folder: &FolderPath,
    by: i64,
    now: Micros,
) -> Result<Option<i64>, Failure> {
    let (parent, name) = folder.place();
    let row = session
        .query_opt(
            "UPDATE entries SET child_count = child_count + $5, modified = greatest(modified, $6)
             WHERE tenant = $1 AND tree = $2 AND parent = $3 AND name = $4 AND folder = true RETURNING child_count",
            &[
                Value::Int(tenant),
                Value::Int(tree),
                Value::Text(parent),
                Value::Text(name),
                Value::Int(by),
                Value::Int(now.0),
            ],
        )
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Counts a new file in its folder. Creates missing folders up to the root.
pub(super) async fn count_child(
    session: &Session,
    tenant: i64,
    tree: i64,
    folder: FolderPath,
    child: &str,
    now: Micros,
) -> Result<(), Failure> {
    let mut next = Some((folder, EntryKey::file(child)));
    while let Some((folder, child)) = next {
        if let Some(count) = add_children(session, tenant, tree, &folder, 1, now).await? {
            let path = folder.as_str();
            let index = OffsetIndex {
                session,
                tenant,
                tree,
                path,
            };
            return index.insert(&child, count).await;
        }
        let (parent, name) = folder.place();
        session
            .execute(
                "INSERT INTO entries (tenant, tree, parent, name, folder, id, created, modified, child_count)
                 VALUES ($1, $2, $3, $4, true, $5, $6, $6, 1)",
                &[
                    Value::Int(tenant),
                    Value::Int(tree),
                    Value::Text(parent),
                    Value::Text(name),
                    Value::Text(&format!("folder-{}", alphanumeric(20)?)),
                    Value::Int(now.0),
                ],
            )
            .await?;
        next = folder
            .parent()
            .map(|above| (above, EntryKey::folder(folder.place().1)));
    }
    Ok(())
}

/// Removes a file from the count of its folder. Deletes folders that are now empty, except the root.
pub(super) async fn uncount_child(
    session: &Session,
    tenant: i64,
    tree: i64,
    folder: FolderPath,
    child: &str,
    now: Micros,
) -> Result<(), Failure> {
    let mut next = Some((folder, EntryKey::file(child)));
    while let Some((folder, child)) = next {
        let missing = || StoreError::Failed("the row of a folder is missing".to_owned());
        let left = add_children(session, tenant, tree, &folder, -1, now)
            .await?
            .ok_or_else(missing)?;
        let path = folder.as_str();
        let index = OffsetIndex {
            session,
            tenant,
            tree,
            path,
        };
        index.remove(&child, left).await?;
        if left > 0 || folder.is_root() {
            return Ok(());
        }
        let (parent, name) = folder.place();
        session
            .execute(
                "DELETE FROM entries WHERE tenant = $1 AND tree = $2 AND parent = $3 AND name = $4 AND folder = true",
                &[
                    Value::Int(tenant),
                    Value::Int(tree),
                    Value::Text(parent),
                    Value::Text(name),
                ],
            )
            .await?;
        next = folder
            .parent()
            .map(|above| (above, EntryKey::folder(folder.place().1)));
    }
    Ok(())
}
