//! The statements of a check: find rows that contradict each other, and repair what follows from other rows.
//!
//! A check returns [`Problem`]s.

mod counts;
mod folders;
mod markers;
mod usage;

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::files::{self, ContentRef};
use super::meta::{self, DatabaseError};
use super::open::has_blobs;
use super::threads::BUSY_TIMEOUT;
use super::{deletion_queue, row_checksums, schema};
use crate::metadata::Content;
use crate::metadata::check::{Problem, ProblemKind, StoredFile};

/// The path of a folder, from its row.
const FOLDER_PATH: &str = "CASE WHEN f.parent = '' THEN '/' WHEN f.parent = '/' THEN '/' || f.name
     ELSE f.parent || '/' || f.name END";

/// Upper limit of a valid row id.
const MAX_SEQUENCE: i64 = 1 << 62;

type CheckResult<T, E = DatabaseError> = std::result::Result<T, E>;

/// Stores an inline content with this key elsewhere, before it is deleted.
pub(crate) type StoreContent<'a> = &'a dyn Fn(i64, &[u8]) -> io::Result<()>;

/// A database that is checked. The caller holds the lock on its folder.
pub(crate) struct DatabaseCheck {
    db: Connection,
    blobs: PathBuf,
    /// Whether an import into it may be unfinished.
    incomplete: bool,
}

impl DatabaseCheck {
    pub(crate) fn open(database: &Path, blobs: &Path) -> CheckResult<Self> {
        let db = Connection::open(database)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.pragma_update(None, "synchronous", "FULL")?;
        row_checksums::register(&db)?;
        Ok(Self {
            db,
            blobs: blobs.to_owned(),
            incomplete: false,
        })
    }

    /// Also checks a database into which an import is not finished.
    pub(crate) fn including_incomplete(self) -> Self {
        Self {
            incomplete: true,
            ..self
        }
    }

    /// Migrates the database to this version and runs a check, in one transaction. Commits it only with `repair`.
    pub(crate) fn run<T>(
        &mut self,
        repair: bool,
        check: impl FnOnce(&CheckTransaction<'_>) -> CheckResult<T>,
    ) -> CheckResult<T> {
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        schema::migrate(&transaction, || has_blobs(&self.blobs))?;
        if !self.incomplete {
            meta::check_complete(&transaction)?;
        }
        let transaction = CheckTransaction {
            db: transaction,
            repair,
        };
        let result = check(&transaction)?;
        match repair {
            true => transaction.db.commit()?,
            false => transaction.db.rollback()?,
        }
        Ok(result)
    }
}

/// The transaction of a check.
pub(crate) struct CheckTransaction<'a> {
    db: Transaction<'a>,
    repair: bool,
}

impl CheckTransaction<'_> {
    /// Runs SQLite's own checks, and compares the schema.
    pub(crate) fn database(&self) -> CheckResult<Vec<Problem>> {
        let found = self.integrity()?;
        let mut left = found.clone();
        if self.repair && !found.is_empty() && self.reindex() {
            left = self.integrity()?;
        }
        let mut problems = Vec::new();
        // Not all of the remaining lines were among the first ones before.
        for line in found.into_iter().filter(|line| !left.contains(line)) {
            problems.push(Problem::from(ProblemKind::Integrity(line)).repaired(true));
        }
        for line in left {
            problems.push(ProblemKind::Integrity(line).into());
        }
        for name in schema::wrong_objects(&self.db)? {
            problems.push(ProblemKind::SchemaObject(name).into());
        }
        let mut check = self.db.prepare("PRAGMA foreign_key_check")?;
        for table in check.query_map([], |row| row.get(0))? {
            problems.push(ProblemKind::ForeignKey(table?).into());
        }
        Ok(problems)
    }

    /// The first lines of SQLite's integrity check.
    fn integrity(&self) -> CheckResult<Vec<String>> {
        let mut check = self.db.prepare("PRAGMA integrity_check(20)")?;
        let lines = check.query_map([], |row| row.get::<_, String>(0))?;
        let mut lines = lines.collect::<rusqlite::Result<Vec<_>>>()?;
        lines.retain(|line| line != "ok");
        Ok(lines)
    }

    /// Rebuilds the indexes. Returns false if the damage prevents it.
    fn reindex(&self) -> bool {
        let done = self
            .db
            .execute_batch("SAVEPOINT reindex; REINDEX; RELEASE reindex");
        if let Err(error) = &done {
            tracing::warn!(%error, "failed to rebuild the indexes");
            let _ = self
                .db
                .execute_batch("ROLLBACK TO reindex; RELEASE reindex");
        }
        done.is_ok()
    }

    /// Checks the table `meta` except for the marker. A store whose secret is lost or damaged does not start.
    pub(crate) fn meta(&self) -> CheckResult<Vec<Problem>> {
        let mut problems = Vec::new();
        for name in meta::damaged_rows(&self.db)? {
            if !meta::MARKER.contains(&&*name) {
                problems.push(ProblemKind::MetaChecksum(name).into());
            }
        }
        if let Err(error) = meta::secret(&self.db) {
            problems.push(ProblemKind::Unreadable(error.to_string()).into());
        }
        Ok(problems)
    }

    /// Checks that every context has a tree, and every tree a context.
    pub(crate) fn trees(&self) -> CheckResult<Vec<Problem>> {
        let mut problems = Vec::new();
        let count: i64 = self.db.query_row(
            "SELECT count(*) FROM trees WHERE doomed = 0 AND pk NOT IN (SELECT tree FROM contexts)",
            [],
            |row| row.get(0),
        )?;
        if count > 0 {
            problems.push(ProblemKind::UnreferencedTrees(count).into());
        }
        let mut missing = self.db.prepare(
            "SELECT id FROM contexts WHERE tree NOT IN (SELECT pk FROM trees WHERE doomed = 0)",
        )?;
        for context in missing.query_map([], |row| row.get(0))? {
            problems.push(ProblemKind::MissingTree.at(Some(context?), None));
        }
        Ok(problems)
    }

    /// Checks that every content belongs to one file, and that no referenced blob is queued for deletion.
    pub(crate) fn contents(&self) -> CheckResult<Vec<Problem>> {
        let mut problems = Vec::new();
        let mut shared = self.db.prepare(
            "SELECT count(*) FROM entries WHERE small IS NOT NULL GROUP BY small HAVING count(*) > 1",
        )?;
        for files in shared.query_map([], |row| row.get(0))? {
            problems.push(ProblemKind::SharedContent(files?).into());
        }
        let mut doomed = self.db.prepare(
            "SELECT contexts.id, parent, entries.name, blob FROM entries JOIN contexts ON contexts.tree = entries.tree
             WHERE blob IN (SELECT blob FROM dead_blobs)",
        )?;
        let doomed = doomed
            .query_map([], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<rusqlite::Result<Vec<(Option<String>, String, String, String)>>>()?;
        for (context, parent, name, blob) in doomed {
            if self.repair {
                deletion_queue::keep_blob(&self.db, &blob)?;
            }
            let problem = ProblemKind::DoomedContent.at(context, Some(join(&parent, &name)));
            problems.push(problem.repaired(self.repair));
        }
        Ok(problems)
    }

    /// Finds inline contents that no file references. Deletes them if `store` is given, which stores them elsewhere.
    pub(crate) fn orphan_contents(
        &self,
        store: Option<StoreContent<'_>>,
    ) -> CheckResult<Vec<Problem>> {
        let mut orphans = self.db.prepare(
            "SELECT pk, bytes FROM contents
             WHERE pk NOT IN (SELECT small FROM entries WHERE small IS NOT NULL)",
        )?;
        let orphans = orphans
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<Vec<(i64, Vec<u8>)>>>()?;
        let mut problems = Vec::new();
        for (pk, bytes) in orphans {
            if let Some(store) = store {
                store(pk, &bytes)?;
                let content = ContentRef {
                    blob: None,
                    inline: Some(pk),
                };
                files::release(&self.db, content)?;
            }
            let problem = Problem::from(ProblemKind::OrphanContent(bytes.len()));
            problems.push(problem.repaired(store.is_some()));
        }
        Ok(problems)
    }

    /// Finds rows that do not match their checksums. The table `meta` has its own check.
    pub(crate) fn row_checksums(&self) -> CheckResult<Vec<Problem>> {
        let mut problems = Vec::new();
        let sum = row_checksums::expression("entries", "entries.");
        let mut entries = self.db.prepare(&format!(
            "SELECT contexts.id, parent, entries.name FROM entries LEFT JOIN contexts ON contexts.tree = entries.tree
             WHERE entries.sum <> {sum}"
        ))?;
        let mut rows = entries.query([])?;
        while let Some(row) = rows.next()? {
            let (parent, name): (String, String) = (row.get(1)?, row.get(2)?);
            let path = join(&parent, &name);
            problems.push(ProblemKind::EntryChecksum.at(row.get(0)?, Some(path)));
        }
        let sum = row_checksums::expression("contexts", "");
        let mut contexts = self
            .db
            .prepare(&format!("SELECT id FROM contexts WHERE sum <> {sum}"))?;
        for context in contexts.query_map([], |row| row.get(0))? {
            problems.push(ProblemKind::ContextChecksum.at(context?, None));
        }
        for table in ["trees", "block_sums"] {
            let count = row_checksums::count_damaged(&self.db, table)?;
            if count > 0 {
                problems.push(ProblemKind::RowChecksums(table, count).into());
            }
        }
        let query = "SELECT count(*) FROM sqlite_sequence WHERE seq NOT BETWEEN 0 AND ?1";
        let wrong: i64 = self.db.query_row(query, [MAX_SEQUENCE], |row| row.get(0))?;
        if wrong > 0 {
            problems.push(ProblemKind::RowNumbering.into());
        }
        Ok(problems)
    }

    /// Visits every file of every context, one at a time.
    pub(crate) fn each_file(
        &self,
        mut visit: impl FnMut(&StoredFile) -> io::Result<()>,
    ) -> CheckResult<()> {
        let mut files = self.db.prepare(
            "SELECT contexts.id, parent, entries.name, size, etag, sha256, crc64, blob, bytes
             FROM entries JOIN contexts ON contexts.tree = entries.tree
             LEFT JOIN contents ON contents.pk = small WHERE folder = 0",
        )?;
        let mut rows = files.query([])?;
        while let Some(row) = rows.next()? {
            let blob: Option<String> = row.get(7)?;
            let inline: Option<Vec<u8>> = row.get(8)?;
            visit(&StoredFile {
                context: row.get(0)?,
                path: join(&row.get::<_, String>(1)?, &row.get::<_, String>(2)?),
                size: u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
                etag: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
                sha256: row.get(5)?,
                crc64: row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned),
                content: match (inline, blob) {
                    (Some(bytes), _) => Some(Content::Inline(Bytes::from(bytes))),
                    (None, blob) => blob.map(Content::Blob),
                },
            })?;
        }
        Ok(())
    }

    /// Returns those of the blobs that are neither referenced nor queued for deletion.
    pub(crate) fn unreferenced_blobs(&self, blobs: Vec<String>) -> CheckResult<Vec<String>> {
        Ok(deletion_queue::unreferenced_blobs(&self.db, blobs)?)
    }
}

fn join(parent: &str, name: &str) -> String {
    format!("{}/{name}", parent.trim_end_matches('/'))
}
