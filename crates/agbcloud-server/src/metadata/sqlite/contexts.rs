//! The statements about contexts. All of them are restricted to a tenant.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::crash;
use crate::metadata::{Context, ContextCursor, ContextPage, ContextState, Result, StoreError};
use crate::signing::Tenant;
use crate::system::clock::Micros;
use crate::system::random::alphanumeric;

/// The columns that [`context`] reads.
const COLUMNS: &str = "id, name, state, generation, create_time, last_used";

fn context(row: &Row<'_>) -> rusqlite::Result<Context> {
    Ok(Context {
        id: row.get(0)?,
        name: row.get(1)?,
        state: state(&row.get::<_, String>(2)?),
        generation: row.get(3)?,
        create_time: Micros(row.get(4)?),
        last_used: Micros(row.get(5)?),
    })
}

fn state(text: &str) -> ContextState {
    if text == ContextState::Clearing.as_str() {
        ContextState::Clearing
    } else {
        ContextState::Available
    }
}

/// The columns of a context that refer to its files.
pub(super) struct ContextRow {
    pub(super) pk: i64,
    pub(super) tree: i64,
    pub(super) generation: i64,
    pub(super) state: ContextState,
}

/// Finds a context of a tenant.
pub(super) fn find(db: &Connection, tenant: &Tenant, id: &str) -> Result<ContextRow> {
    db.prepare_cached(
        "SELECT pk, tree, generation, state FROM contexts WHERE id = ?1 AND tenant = ?2",
    )?
    .query_row(params![id, tenant.as_str()], |row| {
        Ok(ContextRow {
            pk: row.get(0)?,
            tree: row.get(1)?,
            generation: row.get(2)?,
            state: state(&row.get::<_, String>(3)?),
        })
    })
    .optional()?
    .ok_or(StoreError::NoContext)
}

pub(super) fn by_id(db: &Connection, tenant: &Tenant, id: &str) -> Result<Option<Context>> {
    let mut query = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM contexts WHERE id = ?1 AND tenant = ?2"
    ))?;
    Ok(query
        .query_row(params![id, tenant.as_str()], context)
        .optional()?)
}

pub(super) fn by_name(
    db: &Connection,
    tenant: &Tenant,
    region: &str,
    name: &str,
) -> Result<Option<Context>> {
    let mut query = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM contexts WHERE tenant = ?1 AND region = ?2 AND name = ?3"
    ))?;
    Ok(query
        .query_row(params![tenant.as_str(), region, name], context)
        .optional()?)
}

pub(super) fn create(
    db: &Connection,
    tenant: &Tenant,
    region: &str,
    name: &str,
    now: Micros,
) -> Result<Context> {
    if let Some(existing) = by_name(db, tenant, region, name)? {
        return Ok(existing);
    }
    let new = Context {
        id: format!("SdkCtx-{}", alphanumeric(20)?),
        name: name.to_owned(),
        state: ContextState::Available,
        generation: 1,
        create_time: new_create_time(db, tenant, now)?,
        last_used: now,
    };
    let tree = new_tree(db, now)?;
    db.prepare_cached(
        "INSERT INTO contexts (id, tenant, region, name, state, generation, tree, create_time, last_used)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        new.id,
        tenant.as_str(),
        region,
        new.name,
        new.state.as_str(),
        new.generation,
        tree,
        new.create_time.0,
        new.last_used.0
    ])?;
    let pk = db.last_insert_rowid();
    db.prepare_cached("UPDATE trees SET context = ?2 WHERE pk = ?1")?
        .execute([tree, pk])?;
    db.prepare_cached(
        "INSERT INTO tenants (tenant, contexts) VALUES (?1, 1)
         ON CONFLICT (tenant) DO UPDATE SET contexts = contexts + 1",
    )?
    .execute([tenant.as_str()])?;
    crash::point("create-after-row");
    Ok(new)
}

/// Returns the create time of a new context.
fn new_create_time(db: &Connection, tenant: &Tenant, now: Micros) -> Result<Micros> {
    let newest: Option<i64> = db
        .prepare_cached("SELECT max(create_time) FROM contexts WHERE tenant = ?1")?
        .query_row([tenant.as_str()], |row| row.get(0))?;
    Ok(now.after_newest(newest.map(Micros)))
}

/// Creates a tree with a root folder. The caller assigns it to a context.
fn new_tree(db: &Connection, now: Micros) -> Result<i64> {
    db.prepare_cached("INSERT INTO trees (context) VALUES (0)")?
        .execute([])?;
    let tree = db.last_insert_rowid();
    db.prepare_cached(
        "INSERT INTO entries (tree, parent, name, folder, id, created, modified) VALUES (?1, '', '', 1, '', ?2, ?2)",
    )?
    .execute([tree, now.0])?;
    Ok(tree)
}

pub(super) fn rename(
    db: &Connection,
    tenant: &Tenant,
    id: &str,
    name: &str,
    now: Micros,
) -> Result<()> {
    let changed = db
        .prepare_cached(
            "UPDATE contexts SET name = ?3, last_used = max(last_used, ?4) WHERE id = ?1 AND tenant = ?2",
        )?
        .execute(params![id, tenant.as_str(), name, now.0])
        .map_err(|error| match error.sqlite_error() {
            // A name can violate only the uniqueness constraint.
            Some(cause) if cause.code == rusqlite::ErrorCode::ConstraintViolation => {
                StoreError::NameTaken
            }
            _ => error.into(),
        })?;
    crash::point("rename-after-row");
    if changed == 0 {
        Err(StoreError::NoContext)
    } else {
        Ok(())
    }
}

pub(super) fn delete(db: &Connection, tenant: &Tenant, id: &str) -> Result<()> {
    let context = find(db, tenant, id)?;
    db.prepare_cached("DELETE FROM contexts WHERE pk = ?1 AND tenant = ?2")?
        .execute(params![context.pk, tenant.as_str()])?;
    db.prepare_cached("UPDATE trees SET doomed = 1 WHERE pk = ?1")?
        .execute([context.tree])?;
    db.prepare_cached("UPDATE tenants SET contexts = contexts - 1 WHERE tenant = ?1")?
        .execute([tenant.as_str()])?;
    crash::point("delete-context-after-row");
    Ok(())
}

pub(super) fn clear(db: &Connection, tenant: &Tenant, id: &str, now: Micros) -> Result<()> {
    let context = find(db, tenant, id)?;
    if context.state == ContextState::Clearing {
        return Ok(());
    }
    let tree = new_tree(db, now)?;
    db.prepare_cached("UPDATE trees SET context = ?2 WHERE pk = ?1")?
        .execute([tree, context.pk])?;
    db.prepare_cached(
        "UPDATE contexts SET state = 'clearing', generation = generation + 1, tree = ?3, last_used = max(last_used, ?4)
         WHERE pk = ?1 AND tenant = ?2",
    )?
    .execute(params![context.pk, tenant.as_str(), tree, now.0])?;
    crash::point("clear-before-doom");
    db.prepare_cached("UPDATE trees SET doomed = 1 WHERE pk = ?1")?
        .execute([context.tree])?;
    crash::point("clear-after-row");
    Ok(())
}

pub(super) fn list(
    db: &Connection,
    tenant: &Tenant,
    after: Option<&ContextCursor>,
    limit: u32,
) -> Result<ContextPage> {
    // Sorts before all contexts.
    let (time, id) = after.map_or((i64::MIN, ""), |cursor| {
        (cursor.create_time.0, cursor.id.as_str())
    });
    let mut query = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM contexts WHERE tenant = ?1 AND (create_time, id) > (?2, ?3)
         ORDER BY create_time, id LIMIT ?4"
    ))?;
    // One more than requested, to detect whether there is a next page.
    let rows = query.query_map(
        params![tenant.as_str(), time, id, i64::from(limit) + 1],
        context,
    )?;
    let mut contexts = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let more = contexts.len() > limit as usize;
    contexts.truncate(limit as usize);
    let total = db
        .prepare_cached("SELECT contexts FROM tenants WHERE tenant = ?1")?
        .query_row([tenant.as_str()], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    Ok(ContextPage {
        contexts,
        more,
        total,
    })
}

pub(super) fn touch(db: &Connection, tenant: &Tenant, id: &str, now: Micros) -> Result<()> {
    db.prepare_cached(
        "UPDATE contexts SET last_used = ?3 WHERE id = ?1 AND tenant = ?2 AND last_used < ?3",
    )?
    .execute(params![id, tenant.as_str(), now.0])?;
    Ok(())
}
