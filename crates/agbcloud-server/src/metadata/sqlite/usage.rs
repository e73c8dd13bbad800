//! The kept counts of files and bytes: of a tenant, of a context and of the store.

use rusqlite::{Connection, OptionalExtension, Params};

use crate::metadata::{Quotas, Result, StoreError, Usage};
use crate::signing::Tenant;

pub(super) fn of_tenant(db: &Connection, tenant: &Tenant) -> Result<Usage> {
    read(
        db,
        "SELECT count(*), sum(size) FROM contexts JOIN entries ON entries.tree = contexts.tree
         WHERE tenant = ?1 AND folder = 0",
        [tenant.as_str()],
    )
}

fn of_tree(db: &Connection, tree: i64) -> Result<Usage> {
    read(
        db,
        "SELECT count(*), sum(size) FROM entries WHERE tree = ?1 AND folder = 0",
        [tree],
    )
}

pub(super) fn of_all(db: &Connection) -> Result<Usage> {
    read(
        db,
        "SELECT count(*), sum(size) FROM contexts JOIN entries ON entries.tree = contexts.tree WHERE folder = 0",
        [],
    )
}

/// Checks the quotas of a file of `size` bytes that replaces one of `replaced` bytes, or that is new.
pub(super) fn check_quotas(
    db: &Connection,
    tenant: &Tenant,
    tree: i64,
    quotas: &Quotas,
    size: u64,
    replaced: Option<u64>,
) -> Result<()> {
    let tenant = match quotas.limit_tenant() {
        true => of_tenant(db, tenant)?,
        false => Usage::default(),
    };
    let context = match quotas.limit_context() {
        true => of_tree(db, tree)?,
        false => Usage::default(),
    };
    quotas
        .check(tenant, context, size, replaced)
        .map_err(StoreError::QuotaExceeded)
}

fn read(db: &Connection, query: &str, parameters: impl Params) -> Result<Usage> {
    let (files, bytes) = db
        .prepare_cached(query)?
        .query_row(parameters, |row| {
            Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
        })
        .optional()?
        .unwrap_or_default();
    let count = |stored: Option<i64>| u64::try_from(stored.unwrap_or(0)).unwrap_or(0);
    Ok(Usage {
        files: count(files),
        bytes: count(bytes),
    })
}
