//! Checks the counts of contexts and of pages.

use rusqlite::params;

use super::{CheckResult, CheckTransaction, FOLDER_PATH};
use crate::metadata::check::{Problem, ProblemKind, WrongCount};
use crate::metadata::offset_index::BLOCK;
use crate::metadata::sqlite::offset_index::OffsetIndex;

impl CheckTransaction<'_> {
    /// The number of contexts of all tenants.
    pub(crate) fn count_contexts(&self) -> CheckResult<u64> {
        let count: i64 = self
            .db
            .query_row("SELECT count(*) FROM contexts", [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Checks the number of contexts of each tenant.
    pub(crate) fn context_counts(&self) -> CheckResult<Vec<Problem>> {
        let mut wrong = self.db.prepare(
            "SELECT tenant, sum(stored), sum(found) FROM (
                 SELECT tenant, contexts AS stored, 0 AS found FROM tenants
                 UNION ALL SELECT tenant, 0, count(*) FROM contexts GROUP BY tenant)
             GROUP BY tenant HAVING sum(stored) <> sum(found)",
        )?;
        let wrong = wrong
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<Vec<(String, i64, i64)>>>()?;
        let mut problems = Vec::new();
        for (tenant, stored, found) in wrong {
            if self.repair {
                self.db.execute(
                    "INSERT INTO tenants (tenant, contexts) VALUES (?1, ?2)
                     ON CONFLICT (tenant) DO UPDATE SET contexts = excluded.contexts",
                    params![tenant, found],
                )?;
            }
            let problem = Problem::from(ProblemKind::ContextCount(WrongCount { stored, found }));
            problems.push(problem.repaired(self.repair));
        }
        Ok(problems)
    }

    /// Checks the offset index of each large folder.
    pub(crate) fn offset_indexes(&self) -> CheckResult<Vec<Problem>> {
        let mut folders = self.db.prepare(&format!(
            "SELECT contexts.id, f.tree, {FOLDER_PATH} AS path,
                    (SELECT count(*) FROM entries c WHERE c.tree = f.tree AND c.parent = {FOLDER_PATH}) AS found
             FROM entries f JOIN contexts ON contexts.tree = f.tree
             WHERE folder = 1 AND (found > ?1 OR EXISTS
                 (SELECT 1 FROM marks WHERE marks.tree = f.tree AND marks.parent = {FOLDER_PATH}))"
        ))?;
        let folders = folders
            .query_map([BLOCK], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<rusqlite::Result<Vec<(Option<String>, i64, String, i64)>>>()?;
        let mut problems = Vec::new();
        for (context, tree, path, count) in folders {
            let index = OffsetIndex {
                db: &self.db,
                tree,
                path: &path,
            };
            if index.is_correct(count)? {
                continue;
            }
            if self.repair {
                index.delete()?;
                index.build()?;
            }
            let problem = ProblemKind::OffsetIndex.at(context, Some(path));
            problems.push(problem.repaired(self.repair));
        }
        Ok(problems)
    }
}
