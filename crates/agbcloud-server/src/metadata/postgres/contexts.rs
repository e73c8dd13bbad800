//! The statements about contexts. All of them are restricted to a tenant.

use tokio_postgres::Row;

use super::connection::{Failure, Session, Statement, Value};
use super::tenant_row::TenantUsage;
use crate::crash;
use crate::metadata::{Context, ContextCursor, ContextPage, ContextState, StoreError};
use crate::system::clock::Micros;
use crate::system::random::alphanumeric;

/// The columns that [`context`] reads.
const COLUMNS: &str = "id, name, state, generation, create_time, last_used";

fn context(row: &Row) -> Result<Context, Failure> {
    Ok(Context {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        state: state(row.try_get(2)?),
        generation: row.try_get(3)?,
        create_time: Micros(row.try_get(4)?),
        last_used: Micros(row.try_get(5)?),
    })
}

pub(super) fn state(text: &str) -> ContextState {
    if text == ContextState::Clearing.as_str() {
        ContextState::Clearing
    } else {
        ContextState::Available
    }
}

/// The columns of a context that refer to its files.
struct ContextRow {
    pk: i64,
    tree: i64,
    state: ContextState,
    files: i64,
    bytes: i64,
}

async fn find(session: &Session, tenant: i64, id: &str) -> Result<ContextRow, Failure> {
    let row = session
        .query_opt(
            "SELECT contexts.pk, tree, state, files, bytes FROM contexts JOIN trees ON trees.pk = tree
             WHERE id = $1 AND contexts.tenant = $2",
            &[Value::Text(id), Value::Int(tenant)],
        )
        .await?;
    let row = row.ok_or(StoreError::NoContext)?;
    Ok(ContextRow {
        pk: row.try_get(0)?,
        tree: row.try_get(1)?,
        state: state(row.try_get(2)?),
        files: row.try_get(3)?,
        bytes: row.try_get(4)?,
    })
}

pub(super) async fn by_id(
    session: Session,
    tenant: i64,
    id: &str,
) -> Result<Option<Context>, Failure> {
    let rows = session
        .query_last(
            &format!("SELECT {COLUMNS} FROM contexts WHERE id = $1 AND tenant = $2"),
            &[Value::Text(id), Value::Int(tenant)],
        )
        .await?;
    rows.first().map(context).transpose()
}

/// The statement for the context with a name.
fn named() -> String {
    format!("SELECT {COLUMNS} FROM contexts WHERE tenant = $1 AND region = $2 AND name = $3")
}

pub(super) async fn by_name(
    session: Session,
    tenant: i64,
    region: &str,
    name: &str,
) -> Result<Option<Context>, Failure> {
    let key = [Value::Int(tenant), Value::Text(region), Value::Text(name)];
    let rows = session.query_last(&named(), &key).await?;
    rows.first().map(context).transpose()
}

pub(super) async fn create(
    session: &Session,
    tenant: i64,
    usage: &mut TenantUsage,
    region: &str,
    name: &str,
    now: Micros,
) -> Result<Context, Failure> {
    let key = [Value::Int(tenant), Value::Text(region), Value::Text(name)];
    if let Some(existing) = session.query_opt(&named(), &key).await? {
        return context(&existing);
    }
    let row = session
        .query_opt(
            "SELECT nextval('contexts_pk_seq'), nextval('trees_pk_seq'),
                    (SELECT max(create_time) FROM contexts WHERE tenant = $1)",
            &[Value::Int(tenant)],
        )
        .await?;
    let row = row.ok_or_else(|| StoreError::Failed("there are no new keys".to_owned()))?;
    let (pk, tree): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let new = Context {
        id: format!("SdkCtx-{}", alphanumeric(20)?),
        name: name.to_owned(),
        state: ContextState::Available,
        generation: 1,
        create_time: now.after_newest(row.try_get::<_, Option<i64>>(2)?.map(Micros)),
        last_used: now,
    };
    let mut statements = new_tree(tenant, tree, pk, now);
    statements.push((
        "INSERT INTO contexts (pk, id, tenant, region, name, state, generation, tree, create_time, last_used)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        vec![
            Value::Int(pk),
            Value::Text(&new.id),
            Value::Int(tenant),
            Value::Text(region),
            Value::Text(name),
            Value::Text(new.state.as_str()),
            Value::Int(new.generation),
            Value::Int(tree),
            Value::Int(new.create_time.0),
            Value::Int(new.last_used.0),
        ],
    ));
    session.execute_all(&statements).await?;
    usage.contexts += 1;
    crash::point("create-after-row");
    Ok(new)
}

/// The statements that create a tree with a root folder.
fn new_tree<'a>(tenant: i64, tree: i64, context: i64, now: Micros) -> Vec<Statement<'a>> {
    let keys = vec![Value::Int(tenant), Value::Int(tree)];
    vec![
        (
            "INSERT INTO trees (tenant, pk, context) VALUES ($1, $2, $3)",
            [keys.clone(), vec![Value::Int(context)]].concat(),
        ),
        (
            "INSERT INTO entries (tenant, tree, parent, name, folder, id, created, modified)
             VALUES ($1, $2, '', '', true, '', $3, $3)",
            [keys, vec![Value::Int(now.0)]].concat(),
        ),
    ]
}

/// The statement that marks a tree for deletion.
fn doom<'a>(tenant: i64, tree: i64) -> Statement<'a> {
    (
        "UPDATE trees SET doomed = true WHERE pk = $1 AND tenant = $2",
        vec![Value::Int(tree), Value::Int(tenant)],
    )
}

pub(super) async fn rename(
    session: &Session,
    tenant: i64,
    id: &str,
    name: &str,
    now: Micros,
) -> Result<(), Failure> {
    let changed = session
        .execute(
            "UPDATE contexts SET name = $3, last_used = greatest(last_used, $4) WHERE id = $1 AND tenant = $2",
            &[
                Value::Text(id),
                Value::Int(tenant),
                Value::Text(name),
                Value::Int(now.0),
            ],
        )
        .await;
    crash::point("rename-after-row");
    match changed {
        Ok(0) => Err(StoreError::NoContext.into()),
        Ok(_) => Ok(()),
        Err(Failure::NotUnique) => Err(StoreError::NameTaken.into()),
        Err(failure) => Err(failure),
    }
}

pub(super) async fn delete(
    session: &Session,
    tenant: i64,
    usage: &mut TenantUsage,
    id: &str,
) -> Result<(), Failure> {
    let context = find(session, tenant, id).await?;
    session
        .execute_all(&[
            (
                "DELETE FROM contexts WHERE pk = $1 AND tenant = $2",
                vec![Value::Int(context.pk), Value::Int(tenant)],
            ),
            doom(tenant, context.tree),
        ])
        .await?;
    usage.contexts -= 1;
    usage.files -= context.files;
    usage.bytes -= context.bytes;
    crash::point("delete-context-after-row");
    Ok(())
}

pub(super) async fn clear(
    session: &Session,
    tenant: i64,
    usage: &mut TenantUsage,
    id: &str,
    now: Micros,
) -> Result<(), Failure> {
    let context = find(session, tenant, id).await?;
    if context.state == ContextState::Clearing {
        return Ok(());
    }
    let row = session
        .query_opt("SELECT nextval('trees_pk_seq')", &[])
        .await?;
    let row = row.ok_or_else(|| StoreError::Failed("there are no new keys".to_owned()))?;
    let tree = row.try_get(0)?;
    let mut statements = new_tree(tenant, tree, context.pk, now);
    statements.push((
        "UPDATE contexts SET state = 'clearing', generation = generation + 1, tree = $3, last_used = greatest(last_used, $4)
         WHERE pk = $1 AND tenant = $2",
        vec![
            Value::Int(context.pk),
            Value::Int(tenant),
            Value::Int(tree),
            Value::Int(now.0),
        ],
    ));
    crash::point("clear-before-doom");
    statements.push(doom(tenant, context.tree));
    session.execute_all(&statements).await?;
    usage.files -= context.files;
    usage.bytes -= context.bytes;
    crash::point("clear-after-row");
    Ok(())
}

pub(super) async fn list(
    session: Session,
    tenant: i64,
    after: Option<&ContextCursor>,
    limit: u32,
) -> Result<ContextPage, Failure> {
    // Sorts before all contexts.
    let (time, id) = after.map_or((i64::MIN, ""), |cursor| {
        (cursor.create_time.0, cursor.id.as_str())
    });
    let rows = session
        .query(
            &format!(
                "SELECT {COLUMNS} FROM contexts WHERE tenant = $1 AND (create_time, id) > ($2, $3)
                 ORDER BY create_time, id LIMIT $4"
            ),
            &[
                Value::Int(tenant),
                Value::Int(time),
                Value::Text(id),
                // One more than requested, to detect whether there is a next page.
                Value::Int(i64::from(limit) + 1),
            ],
        )
        .await?;
    let total = session
        .query_last(
            "SELECT contexts FROM tenants WHERE pk = $1",
            &[Value::Int(tenant)],
        )
        .await?;
    let mut contexts = rows.iter().map(context).collect::<Result<Vec<_>, _>>()?;
    let more = contexts.len() > limit as usize;
    contexts.truncate(limit as usize);
    Ok(ContextPage {
        contexts,
        more,
        total: match total.first() {
            Some(row) => row.try_get(0)?,
            None => 0,
        },
    })
}

/// The statement that updates the time of the last use.
pub(super) fn touch(tenant: i64, id: &str, now: Micros) -> Statement<'_> {
    (
        "UPDATE contexts SET last_used = $3 WHERE id = $1 AND tenant = $2 AND last_used < $3",
        vec![Value::Text(id), Value::Int(tenant), Value::Int(now.0)],
    )
}
