//! The statements of a check: what the rows say about each other, and the repair of what can be told from the rest.

mod folders;
mod sums;

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::schema::{self, Unusable};
use super::{BUSY, clear, content, marks, quota, row_sums};
use crate::fsck::{Finding, FindingKind, FsckReport};
use crate::metadata::{Content, StoreError};

/// The path of a folder, from its row.
const PATH: &str = "CASE WHEN f.parent = '' THEN '/' WHEN f.parent = '/' THEN '/' || f.name
     ELSE f.parent || '/' || f.name END";

/// Keeps a content of the database, which has this number, somewhere else.
pub(crate) type Keep<'a> = &'a dyn Fn(i64, &[u8]) -> io::Result<()>;

/// Why a check did not come to its end.
#[derive(Debug)]
pub(crate) enum Trouble {
    Store(StoreError),
    Io(io::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A database that is to be checked. Its folder belongs to the caller.
pub(crate) struct Check {
    db: Connection,
    /// The folder of blobs.
    blobs: PathBuf,
}

impl Check {
    pub(crate) fn open(path: &Path, blobs: &Path) -> Result<Self, Unusable> {
        let db = Connection::open(path)?;
        db.busy_timeout(BUSY)?;
        db.pragma_update(None, "synchronous", "FULL")?;
        row_sums::register(&db)?;
        Ok(Self {
            db,
            blobs: blobs.to_owned(),
        })
    }

    /// Looks at one state of the store, of this version whatever it was; what is changed stays only in a repair.
    pub(crate) fn run<T>(
        &mut self,
        repair: bool,
        look: impl FnOnce(&Rows<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Unusable> {
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        schema::migrate(&transaction, Some(&self.blobs))?;
        let rows = Rows {
            db: transaction,
            repair,
        };
        let result = look(&rows).map_err(|trouble| {
            Unusable::Failed(match trouble {
                Trouble::Store(error) => error.to_string(),
                Trouble::Io(error) => error.to_string(),
            })
        })?;
        if repair {
            rows.db.commit()?;
        } else {
            rows.db.rollback()?;
        }
        Ok(result)
    }
}

/// A file as its row has it.
pub(crate) struct StoredFile {
    pub(crate) context: String,
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) sha256: Option<String>,
    pub(crate) crc64: Option<u64>,
    /// None if the row names none, or one that the database does not have.
    pub(crate) content: Option<Content>,
}

/// The rows of one state of the store.
pub(crate) struct Rows<'a> {
    db: Transaction<'a>,
    repair: bool,
}

impl Rows<'_> {
    /// What the database finds about itself.
    pub(crate) fn database(&self, report: &mut FsckReport) -> Result<(), Trouble> {
        let damage = |detail| Finding::new(FindingKind::Database, detail);
        let found = self.integrity()?;
        let mut left = found.clone();
        if self.repair && !found.is_empty() && self.reindex() {
            left = self.integrity()?;
        }
        // Of what is told now some was not among the first lines before.
        let mended = found.iter().filter(|line| !left.contains(line)).cloned();
        report
            .findings
            .extend(mended.map(|line| damage(line).repaired(true)));
        report.findings.extend(left.into_iter().map(damage));
        for name in schema::wrong_objects(&self.db)? {
            let detail = format!("{name:?} is missing in its schema, or not as it should be");
            report.findings.push(damage(detail));
        }
        let mut check = self.db.prepare("PRAGMA foreign_key_check")?;
        for table in check.query_map([], |row| row.get::<_, String>(0))? {
            let detail = format!("a row of {} belongs to nothing", table?);
            report.findings.push(damage(detail));
        }
        Ok(())
    }

    /// The first lines of what the database has to complain of.
    fn integrity(&self) -> Result<Vec<String>, Trouble> {
        let mut check = self.db.prepare("PRAGMA integrity_check(20)")?;
        let lines = check.query_map([], |row| row.get::<_, String>(0))?;
        let mut lines = lines.collect::<rusqlite::Result<Vec<_>>>()?;
        lines.retain(|line| line != "ok");
        Ok(lines)
    }

    /// Makes the indexes anew from the rows. False if the damage does not let it.
    fn reindex(&self) -> bool {
        let done = self
            .db
            .execute_batch("SAVEPOINT reindex; REINDEX; RELEASE reindex");
        if let Err(error) = &done {
            tracing::warn!(%error, "the indexes can't be made anew");
            let _ = self
                .db
                .execute_batch("ROLLBACK TO reindex; RELEASE reindex");
        }
        done.is_ok()
    }

    /// Contexts and the trees of their files belong together.
    pub(crate) fn trees(&self, report: &mut FsckReport) -> Result<(), Trouble> {
        let lost: i64 = self.db.query_row(
            "SELECT count(*) FROM trees WHERE doomed = 0 AND pk NOT IN (SELECT tree FROM contexts)",
            [],
            |row| row.get(0),
        )?;
        if lost > 0 {
            let detail = format!("{lost} trees of files belong to no context");
            report
                .findings
                .push(Finding::new(FindingKind::LostTree, detail));
        }
        let mut bad = self.db.prepare(
            "SELECT id FROM contexts WHERE tree NOT IN (SELECT pk FROM trees WHERE doomed = 0)",
        )?;
        for id in bad.query_map([], |row| row.get(0))? {
            let finding = Finding::new(FindingKind::LostTree, "it has no place for files");
            report.findings.push(Finding {
                context: Some(id?),
                ..finding
            });
        }
        Ok(())
    }

    /// Tenants know how many contexts they have.
    pub(crate) fn contexts(&self, report: &mut FsckReport) -> Result<(), Trouble> {
        let contexts: i64 = self
            .db
            .query_row("SELECT count(*) FROM contexts", [], |row| row.get(0))?;
        report.contexts = u64::try_from(contexts).unwrap_or(0);
        let mut wrong = self.db.prepare(
            "SELECT tenant, sum(told), sum(found) FROM (
                 SELECT tenant, contexts AS told, 0 AS found FROM tenants
                 UNION ALL SELECT tenant, 0, count(*) FROM contexts GROUP BY tenant)
             GROUP BY tenant HAVING sum(told) <> sum(found)",
        )?;
        let wrong = wrong
            .query_map([], |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<rusqlite::Result<Vec<(String, i64, i64)>>>()?;
        for (tenant, told, found) in wrong {
            if self.repair {
                self.db.execute(
                    "INSERT INTO tenants (tenant, contexts) VALUES (?1, ?2)
                     ON CONFLICT (tenant) DO UPDATE SET contexts = excluded.contexts",
                    params![tenant, found],
                )?;
            }
            let detail = format!("a tenant has {found} contexts, and is told to have {told}");
            let finding = Finding::new(FindingKind::WrongContextCount, detail);
            report.findings.push(finding.repaired(self.repair));
        }
        Ok(())
    }

    /// Contexts know how many files they have.
    pub(crate) fn file_counts(&self, report: &mut FsckReport) -> Result<(), Trouble> {
        for wrong in quota::wrong(&self.db)? {
            if self.repair {
                quota::correct(&self.db, &wrong)?;
            }
            let (found, told) = (wrong.found, wrong.told);
            let detail = format!("the context has {found} files, and is told to have {told}");
            let finding = Finding::new(FindingKind::WrongFileCount, detail);
            report.findings.push(Finding {
                context: Some(wrong.context),
                ..finding.repaired(self.repair)
            });
        }
        Ok(())
    }

    /// The marks of large folders.
    pub(crate) fn pages(&self, report: &mut FsckReport) -> Result<(), Trouble> {
        let mut folders = self.db.prepare(&format!(
            "SELECT contexts.id, f.tree, {PATH} AS path,
                    (SELECT count(*) FROM entries c WHERE c.tree = f.tree AND c.parent = {PATH}) AS found
             FROM entries f JOIN contexts ON contexts.tree = f.tree
             WHERE folder = 1 AND (found > ?1 OR EXISTS
                 (SELECT 1 FROM marks WHERE marks.tree = f.tree AND marks.parent = {PATH}))"
        ))?;
        let folders = folders
            .query_map([marks::BLOCK], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<rusqlite::Result<Vec<(Option<String>, i64, String, i64)>>>()?;
        for (context, tree, path, count) in folders {
            let place = marks::Place { tree, path: &path };
            if marks::are_right(&self.db, place, count)? {
                continue;
            }
            if self.repair {
                marks::forget(&self.db, place)?;
                marks::build(&self.db, Some(place))?;
            }
            let finding = Finding::new(FindingKind::WrongPages, "the index of its pages is wrong");
            report
                .findings
                .push(finding.at(context, path).repaired(self.repair));
        }
        Ok(())
    }

    /// Contents belong to one file each, and none of them is about to be deleted.
    pub(crate) fn contents(&self, report: &mut FsckReport) -> Result<(), Trouble> {
        let mut shared = self.db.prepare(
            "SELECT count(*) FROM entries WHERE small IS NOT NULL GROUP BY small HAVING count(*) > 1",
        )?;
        for files in shared.query_map([], |row| row.get::<_, i64>(0))? {
            let detail = format!("{} files name one content", files?);
            report
                .findings
                .push(Finding::new(FindingKind::SharedContent, detail));
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
                clear::spare_blob(&self.db, &blob)?;
            }
            let finding = Finding::new(
                FindingKind::DoomedContent,
                "its content was about to be deleted",
            );
            report.findings.push(
                finding
                    .at(context, join(&parent, &name))
                    .repaired(self.repair),
            );
        }
        Ok(())
    }

    /// Contents that no file names. They go only where they are kept somewhere else.
    pub(crate) fn orphan_contents(
        &self,
        keep: Option<Keep<'_>>,
        report: &mut FsckReport,
    ) -> Result<(), Trouble> {
        let mut orphans = self.db.prepare(
            "SELECT pk, bytes FROM contents
             WHERE pk NOT IN (SELECT small FROM entries WHERE small IS NOT NULL)",
        )?;
        let orphans = orphans
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<Vec<(i64, Vec<u8>)>>>()?;
        for (pk, bytes) in orphans {
            if let Some(keep) = keep {
                keep(pk, &bytes).map_err(Trouble::Io)?;
                let kept = content::Kept {
                    blob: None,
                    small: Some(pk),
                };
                content::release(&self.db, kept)?;
            }
            let detail = format!(
                "no file names a content of {} bytes in the database",
                bytes.len()
            );
            let finding = Finding::new(FindingKind::OrphanContent, detail);
            report.findings.push(finding.repaired(keep.is_some()));
        }
        Ok(())
    }

    /// Every file of every context, in no memory but that of one.
    pub(crate) fn each_file(&self, mut look: impl FnMut(&StoredFile)) -> Result<(), Trouble> {
        let mut files = self.db.prepare(
            "SELECT contexts.id, parent, entries.name, size, etag, sha256, crc64, blob, bytes
             FROM entries JOIN contexts ON contexts.tree = entries.tree
             LEFT JOIN contents ON contents.pk = small WHERE folder = 0",
        )?;
        let mut rows = files.query([])?;
        while let Some(row) = rows.next()? {
            let blob: Option<String> = row.get(7)?;
            let small: Option<Vec<u8>> = row.get(8)?;
            look(&StoredFile {
                context: row.get(0)?,
                path: join(&row.get::<_, String>(1)?, &row.get::<_, String>(2)?),
                size: u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
                etag: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
                sha256: row.get(5)?,
                crc64: row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned),
                content: match (small, blob) {
                    (Some(bytes), _) => Some(Content::Small(Bytes::from(bytes))),
                    (None, blob) => blob.map(Content::Blob),
                },
            });
        }
        Ok(())
    }

    /// Those of the blobs that no row names.
    pub(crate) fn unknown_blobs(&self, blobs: Vec<String>) -> Result<Vec<String>, Trouble> {
        Ok(clear::unknown_blobs(&self.db, blobs)?)
    }
}

fn join(parent: &str, name: &str) -> String {
    format!("{}/{name}", parent.trim_end_matches('/'))
}
