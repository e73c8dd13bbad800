//! The checksums of rows, and whether the database belongs to the folder of blobs.

use std::path::Path;

use super::{Rows, Trouble, join, schema};
use crate::fsck::{Finding, FindingKind, FsckReport};
use crate::mark::{self, Mark, MarkFile, State, StoreMismatch};
use crate::metadata::StoreError;
use crate::metadata::sqlite::schema::Unusable;
use crate::metadata::sqlite::{quota, row_sums, state};

/// Beyond it the database soon has no number left for a new context. No store reaches it.
const MAX_SEQUENCE: i64 = 1 << 62;

/// The rows of `meta` that the mark of the folder of blobs is compared with.
const PAIR: [&str; 2] = [state::STORE, state::POSITION];

fn damaged_meta(name: &str) -> Finding {
    let detail = format!("the row {name:?} of the table \"meta\" does not have its checksum");
    Finding::new(FindingKind::DamagedRow, detail)
}

/// How a store and its folder of blobs go together.
pub(crate) struct Pair {
    state: Option<State>,
    mark: Option<Mark>,
    pub(crate) mismatch: Option<StoreMismatch>,
    /// The state or the mark is there and can't be read.
    damaged: bool,
}

impl Rows<'_> {
    /// The rows of `meta`: a start refuses a store whose secret is lost or damaged.
    pub(crate) fn meta(&self, report: &mut FsckReport) -> Result<(), Trouble> {
        for name in schema::damaged_meta(&self.db)? {
            if !PAIR.contains(&&*name) {
                let repaired = self.repair && name == quota::LIMIT;
                if repaired {
                    // Every start writes it again.
                    self.db
                        .execute("DELETE FROM meta WHERE name = ?1", [&name])?;
                }
                report.findings.push(damaged_meta(&name).repaired(repaired));
            }
        }
        if let Err(Unusable::Failed(detail)) = schema::stored_secret(&self.db) {
            let finding = Finding::new(FindingKind::Database, detail);
            report.findings.push(finding);
        }
        Ok(())
    }

    /// Compares the state of the database with the mark of the folder of blobs. With `accept` a mismatch counts as repaired.
    pub(crate) fn pair(
        &self,
        blobs: &Path,
        accept: bool,
        report: &mut FsckReport,
    ) -> Result<Pair, Trouble> {
        let mut pair = Pair {
            state: None,
            mark: None,
            mismatch: None,
            damaged: false,
        };
        for name in schema::damaged_meta(&self.db)? {
            if PAIR.contains(&&*name) {
                report.findings.push(damaged_meta(&name).repaired(accept));
                pair.damaged = true;
            }
        }
        let mut damage = |detail: String| {
            let finding = Finding::new(FindingKind::Database, detail);
            report.findings.push(finding.repaired(accept));
        };
        match state::stored(&self.db) {
            Ok(found) => pair.state = found,
            Err(Unusable::Failed(detail)) => {
                damage(detail);
                pair.damaged = true;
            }
            Err(_) => pair.damaged = true,
        }
        match MarkFile::read(blobs) {
            Ok(mark) => pair.mark = mark,
            Err(error) => {
                damage(error.to_string());
                pair.damaged = true;
            }
        }
        if !pair.damaged
            && let Err(mismatch) = mark::compare(pair.state.as_ref(), pair.mark.as_ref())
        {
            let finding = Finding::new(FindingKind::StoreMismatch, mismatch.to_string());
            report.findings.push(finding.repaired(accept));
            state::keep_log(blobs).map_err(Trouble::Io)?;
            pair.mismatch = Some(mismatch);
        }
        Ok(pair)
    }

    /// Begins a run for what a repair has changed, and returns the mark that the folder of blobs gets after the commit. None
    /// where the two do not belong together and that is not accepted.
    pub(crate) fn pair_again(&self, pair: &Pair, accept: bool) -> Result<Option<Mark>, Trouble> {
        let apart = pair.damaged || pair.mismatch.is_some();
        if apart && !accept {
            return Ok(None);
        }
        // A damaged id or position is replaced by a new one.
        let known = pair.state.filter(|_| !pair.damaged).map(|state| State {
            confirmed: state.confirmed.filter(|_| !apart),
            ..state
        });
        let at_least = pair.mark.map_or(0, |mark| mark.position.sequence);
        row_sums::keep(&self.db)?;
        let run = state::begin_run(&self.db, known, at_least)
            .map_err(|error| StoreError::Failed(format!("{error:?}")))?;
        Ok(Some(Mark {
            store: run.store,
            position: run.position,
            // What was staged before is as it was.
            strict: !apart && pair.mark.is_some_and(|mark| mark.strict),
        }))
    }

    /// Rows that do not have their checksum. The table `meta` has its own check.
    pub(crate) fn row_sums(&self, report: &mut FsckReport) -> Result<(), Trouble> {
        let mut damage = |context: Option<String>, path: String, detail: &str| {
            report.findings.push(Finding {
                context,
                path: (!path.is_empty()).then_some(path),
                ..Finding::new(FindingKind::DamagedRow, detail)
            });
        };
        let sum = row_sums::expression("entries", "entries.");
        let mut entries = self.db.prepare(&format!(
            "SELECT contexts.id, parent, entries.name FROM entries LEFT JOIN contexts ON contexts.tree = entries.tree
             WHERE entries.sum <> {sum}"
        ))?;
        let mut rows = entries.query([])?;
        while let Some(row) = rows.next()? {
            let (parent, name): (String, String) = (row.get(1)?, row.get(2)?);
            let path = join(&parent, &name);
            damage(row.get(0)?, path, "its row does not have its checksum");
        }
        let sum = row_sums::expression("contexts", "");
        let mut contexts = self
            .db
            .prepare(&format!("SELECT id FROM contexts WHERE sum <> {sum}"))?;
        let mut rows = contexts.query([])?;
        while let Some(row) = rows.next()? {
            let detail = "the row of the context does not have its checksum";
            damage(row.get(0)?, String::new(), detail);
        }
        for table in ["trees", "block_sums"] {
            let sum = row_sums::expression(table, "");
            let query = format!("SELECT count(*) FROM {table} WHERE sum <> {sum}");
            let wrong: i64 = self.db.query_row(&query, [], |row| row.get(0))?;
            if wrong > 0 {
                let detail = format!("{wrong} rows of {table:?} do not have their checksum");
                damage(None, String::new(), &detail);
            }
        }
        let query = "SELECT count(*) FROM sqlite_sequence WHERE seq NOT BETWEEN 0 AND ?1";
        let wrong: i64 = self.db.query_row(query, [MAX_SEQUENCE], |row| row.get(0))?;
        if wrong > 0 {
            damage(None, String::new(), "the numbering of rows is damaged");
        }
        Ok(())
    }
}
