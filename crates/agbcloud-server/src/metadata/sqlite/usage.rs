//! The kept counts of files and bytes: of a tenant, of a context and of the store. Triggers of the schema maintain them.

use rusqlite::{Connection, OptionalExtension, Params};

use crate::metadata::{Quotas, Result, StoreError, Usage};
use crate::signing::Tenant;

pub(super) fn of_tenant(db: &Connection, tenant: &Tenant) -> Result<Usage> {
    let query = "SELECT files, bytes FROM tenants WHERE tenant = ?1";
    read(db, query, [tenant.as_str()])
}

/// Returns the usage of the tree of a context.
pub(super) fn of_tree(db: &Connection, tree: i64) -> Result<Usage> {
    let query = "SELECT files, bytes FROM file_counts WHERE tree = ?1";
    read(db, query, [tree])
}

pub(super) fn of_all(db: &Connection) -> Result<Usage> {
    read(db, "SELECT files, bytes FROM total_usage", [])
}

/// Checks the quotas of a file of `size` bytes that replaces one of `replaced` bytes, or that is new. Returns the usage of the
/// tenant and of the context, as far as quotas limit it.
pub(super) fn check_quotas(
    db: &Connection,
    tenant: &Tenant,
    tree: i64,
    quotas: &Quotas,
    size: u64,
    replaced: Option<u64>,
) -> Result<(Usage, Usage)> {
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
        .map_err(StoreError::QuotaExceeded)?;
    Ok((tenant, context))
}

/// Reads a row of files and bytes. Without one, nothing is stored.
fn read(db: &Connection, query: &str, parameters: impl Params) -> Result<Usage> {
    let counts: Option<(i64, i64)> = db
        .prepare_cached(query)?
        .query_row(parameters, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (files, bytes) = counts.unwrap_or_default();
    Ok(Usage {
        files: u64::try_from(files).unwrap_or(0),
        bytes: u64::try_from(bytes).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::metadata::sqlite::Sqlite;
    use crate::metadata::usage_model::{check_usage, operations};
    use crate::signing::Secret;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_usage_equals_a_model(operations in operations()) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (store, _) = Sqlite::memory(Secret([1; 32])).await.unwrap();
                check_usage(&store, &operations).await;
            });
        }
    }
}
