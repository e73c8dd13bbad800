//! Checks the kept usage of contexts, of tenants and of the store.

use rusqlite::{OptionalExtension, Row};

use super::{CheckResult, CheckTransaction};
use crate::metadata::check::{CountedUsage, Problem, ProblemKind, WrongUsage};

/// A context whose kept usage is wrong.
struct WrongTree {
    context: String,
    tree: i64,
    usage: WrongUsage,
}

impl CheckTransaction<'_> {
    /// Checks the files and bytes of each context, of each tenant and of the store. Ignores doomed trees, which no upload adds to
    /// and which count for no tenant.
    pub(crate) fn usage(&self) -> CheckResult<Vec<Problem>> {
        // All are compared before one is repaired, because a trigger adds a repair of a context to the usage of its tenant.
        let (contexts, tenants) = (self.wrong_contexts()?, self.wrong_tenants()?);
        let total = self.wrong_total()?;
        if self.repair && !(contexts.is_empty() && tenants.is_empty() && total.is_none()) {
            self.recount(&contexts)?;
        }
        let contexts = contexts.into_iter().map(|wrong| {
            let kind = ProblemKind::ContextUsage(wrong.usage);
            kind.at(Some(wrong.context), None)
        });
        let tenants = tenants.into_iter().map(ProblemKind::TenantUsage);
        let totals = total.into_iter().map(ProblemKind::TotalUsage);
        Ok(contexts
            .chain(tenants.chain(totals).map(Problem::from))
            .map(|problem| problem.repaired(self.repair))
            .collect())
    }

    fn wrong_contexts(&self) -> CheckResult<Vec<WrongTree>> {
        let mut wrong = self.db.prepare(
            "SELECT * FROM (
                 SELECT coalesce(kept.files, 0) AS kept_files, coalesce(kept.bytes, 0) AS kept_bytes,
                        coalesce(found.files, 0) AS found_files, coalesce(found.bytes, 0) AS found_bytes,
                        contexts.id, contexts.tree
                 FROM contexts LEFT JOIN file_counts kept ON kept.tree = contexts.tree
                 LEFT JOIN (SELECT tree, count(*) AS files, CAST(total(size) AS INTEGER) AS bytes
                            FROM entries WHERE folder = 0 GROUP BY tree) found ON found.tree = contexts.tree)
             WHERE (kept_files, kept_bytes) <> (found_files, found_bytes)",
        )?;
        let wrong = wrong.query_map([], |row| {
            Ok(WrongTree {
                usage: usage(row)?,
                context: row.get(4)?,
                tree: row.get(5)?,
            })
        })?;
        Ok(wrong.collect::<rusqlite::Result<_>>()?)
    }

    fn wrong_tenants(&self) -> CheckResult<Vec<WrongUsage>> {
        let mut wrong = self.db.prepare(
            "SELECT * FROM (
                 SELECT sum(kept_files) AS kept_files, sum(kept_bytes) AS kept_bytes,
                        sum(found_files) AS found_files, sum(found_bytes) AS found_bytes
                 FROM (SELECT tenant, files AS kept_files, bytes AS kept_bytes, 0 AS found_files, 0 AS found_bytes FROM tenants
                       UNION ALL
                       SELECT tenant, 0, 0, count(*), CAST(total(size) AS INTEGER)
                       FROM contexts JOIN entries ON entries.tree = contexts.tree WHERE folder = 0 GROUP BY tenant)
                 GROUP BY tenant)
             WHERE (kept_files, kept_bytes) <> (found_files, found_bytes)",
        )?;
        let wrong = wrong.query_map([], usage)?;
        Ok(wrong.collect::<rusqlite::Result<_>>()?)
    }

    fn wrong_total(&self) -> CheckResult<Option<WrongUsage>> {
        let total = self
            .db
            .query_row(
                "SELECT coalesce(kept.files, 0), coalesce(kept.bytes, 0), found.files, found.bytes
                 FROM (SELECT count(*) AS files, CAST(total(size) AS INTEGER) AS bytes
                       FROM contexts JOIN entries ON entries.tree = contexts.tree WHERE folder = 0) found
                 LEFT JOIN total_usage kept
                 WHERE kept.pk IS NULL OR (kept.files, kept.bytes) <> (found.files, found.bytes)",
                [],
                usage,
            )
            .optional()?;
        Ok(total)
    }

    /// Repairs the usage of these contexts, and derives that of all tenants and of the store from it.
    fn recount(&self, contexts: &[WrongTree]) -> CheckResult<()> {
        let mut repair = self.db.prepare(
            "INSERT INTO file_counts (tree, files, bytes) VALUES (?1, ?2, ?3)
             ON CONFLICT (tree) DO UPDATE SET files = excluded.files, bytes = excluded.bytes",
        )?;
        for WrongTree { tree, usage, .. } in contexts {
            repair.execute([*tree, usage.found.files, usage.found.bytes])?;
        }
        self.db.execute_batch(
            "UPDATE tenants SET (files, bytes) =
                 (SELECT CAST(total(c.files) AS INTEGER), CAST(total(c.bytes) AS INTEGER)
                  FROM contexts JOIN file_counts c ON c.tree = contexts.tree WHERE contexts.tenant = tenants.tenant);
             INSERT OR REPLACE INTO total_usage
                 SELECT 1, CAST(total(files) AS INTEGER), CAST(total(bytes) AS INTEGER) FROM tenants",
        )?;
        Ok(())
    }
}

/// Reads the first four columns of a row.
fn usage(row: &Row<'_>) -> rusqlite::Result<WrongUsage> {
    Ok(WrongUsage {
        stored: CountedUsage {
            files: row.get(0)?,
            bytes: row.get(1)?,
        },
        found: CountedUsage {
            files: row.get(2)?,
            bytes: row.get(3)?,
        },
    })
}
