//! The folders of a check: whether those that something is in are there, and how much they say is in them.

use rusqlite::params;

use super::{PATH, Rows, Trouble};
use crate::fsck::{Finding, FindingKind, FsckReport};
use crate::metadata::StoreError;
use crate::metadata::sqlite::row_sums;
use crate::names::FolderPath;
use crate::random::alphanumeric;

/// How deep folders can be in each other, and so how often a repair can make another one needed.
const MAX_DEPTH: usize = 600;

/// Context and path; tree, parent and name; the count that is told and the one that is found.
type WrongCount = ((Option<String>, String), (i64, String, String), (i64, i64));

/// A folder by what is in it.
struct UsedFolder {
    context: Option<String>,
    tree: i64,
    path: String,
    count: i64,
}

impl UsedFolder {
    /// None if no folder is stored under this path.
    fn folder(&self) -> Option<FolderPath> {
        FolderPath::parse(&self.path).filter(|folder| folder.as_str() == self.path)
    }
}

impl Rows<'_> {
    /// Folders are there when something is in them, and know how much.
    pub(crate) fn folders(&self, report: &mut FsckReport) -> Result<(), Trouble> {
        self.missing_roots(report)?;
        self.stray_entries(report)?;
        for _ in 0..MAX_DEPTH {
            let before = report.findings.len();
            self.missing_folders(report)?;
            self.folder_counts(report)?;
            // A folder that came or went changes the one that it is in.
            if !self.repair || report.findings.len() == before {
                break;
            }
        }
        Ok(())
    }

    /// A context without files has its root folder all the same.
    fn missing_roots(&self, report: &mut FsckReport) -> Result<(), Trouble> {
        let mut missing = self.db.prepare(
            "SELECT id, tree, create_time FROM contexts WHERE tree IN (SELECT pk FROM trees WHERE doomed = 0)
             AND NOT EXISTS (SELECT 1 FROM entries
                             WHERE tree = contexts.tree AND parent = '' AND name = '' AND folder = 1)",
        )?;
        let missing = missing
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<Vec<(Option<String>, i64, i64)>>>()?;
        for (context, tree, made) in missing {
            if self.repair {
                self.db.execute(
                    "INSERT INTO entries (tree, parent, name, folder, id, created, modified, child_count)
                     SELECT ?1, '', '', 1, '', coalesce(min(created), ?2), coalesce(max(modified), ?2), count(*)
                     FROM entries WHERE tree = ?1 AND parent = '/'",
                    params![tree, made],
                )?;
                self.stamp(tree, "", "")?;
            }
            report.findings.push(self.missing(context, "/"));
        }
        Ok(())
    }

    fn missing(&self, context: Option<String>, path: &str) -> Finding {
        let finding = Finding::new(FindingKind::MissingFolder, "the folder is not listed");
        finding.at(context, path).repaired(self.repair)
    }

    /// What is in no folder that there could be can't be repaired, so this looks once.
    fn stray_entries(&self, report: &mut FsckReport) -> Result<(), Trouble> {
        for used in self.used_folders(|used| Ok(used.folder().is_none()))? {
            let detail = format!(
                "this is no path of a folder, but has {} entries",
                used.count
            );
            let finding = Finding::new(FindingKind::LostTree, detail);
            report.findings.push(finding.at(used.context, used.path));
        }
        Ok(())
    }

    /// Those that are chosen of the folders below the roots that something is in, whether they are there or not.
    fn used_folders(
        &self,
        mut choose: impl FnMut(&UsedFolder) -> Result<bool, Trouble>,
    ) -> Result<Vec<UsedFolder>, Trouble> {
        let mut used = self.db.prepare(
            "SELECT contexts.id, entries.tree, parent, count(*) FROM entries
             JOIN contexts ON contexts.tree = entries.tree
             WHERE parent NOT IN ('', '/') GROUP BY entries.tree, parent",
        )?;
        let mut rows = used.query([])?;
        let mut chosen = Vec::new();
        while let Some(row) = rows.next()? {
            let used = UsedFolder {
                context: row.get(0)?,
                tree: row.get(1)?,
                path: row.get(2)?,
                count: row.get(3)?,
            };
            if choose(&used)? {
                chosen.push(used);
            }
        }
        Ok(chosen)
    }

    fn missing_folders(&self, report: &mut FsckReport) -> Result<(), Trouble> {
        let mut exists = self.db.prepare(
            "SELECT EXISTS (SELECT 1 FROM entries WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 1)",
        )?;
        let missing = self.used_folders(|used| match used.folder() {
            Some(folder) => {
                let (parent, name) = folder.place();
                let exists: bool =
                    exists.query_row(params![used.tree, parent, name], |row| row.get(0))?;
                Ok(!exists)
            }
            None => Ok(false),
        })?;
        for used in missing {
            if self.repair {
                self.insert_folder(&used)?;
            }
            report.findings.push(self.missing(used.context, &used.path));
        }
        Ok(())
    }

    fn insert_folder(&self, used: &UsedFolder) -> Result<(), Trouble> {
        let Some(folder) = used.folder() else {
            return Ok(());
        };
        let (parent, name) = folder.place();
        let id = format!("folder-{}", alphanumeric(20).map_err(StoreError::from)?);
        self.db.execute(
            "INSERT INTO entries (tree, parent, name, folder, id, created, modified, child_count)
             SELECT ?1, ?2, ?3, 1, ?4, min(created), max(modified), ?5
             FROM entries WHERE tree = ?1 AND parent = ?6",
            params![used.tree, parent, name, id, used.count, used.path],
        )?;
        self.stamp(used.tree, parent, name)
    }

    /// Gives a folder that was made the checksum of its row.
    fn stamp(&self, tree: i64, parent: &str, name: &str) -> Result<(), Trouble> {
        let sum = row_sums::expression("entries", "");
        self.db.execute(
            &format!(
                "UPDATE entries SET sum = {sum} WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 1"
            ),
            params![tree, parent, name],
        )?;
        Ok(())
    }

    fn folder_counts(&self, report: &mut FsckReport) -> Result<(), Trouble> {
        let mut wrong = self.db.prepare(&format!(
            "SELECT contexts.id, f.tree, f.parent, f.name, {PATH}, child_count,
                    (SELECT count(*) FROM entries c WHERE c.tree = f.tree AND c.parent = {PATH}) AS found
             FROM entries f JOIN contexts ON contexts.tree = f.tree
             WHERE folder = 1 AND (child_count <> found OR (found = 0 AND f.parent <> ''))"
        ))?;
        let wrong = wrong
            .query_map([], |row| {
                Ok((
                    (row.get(0)?, row.get(4)?),
                    (row.get(1)?, row.get(2)?, row.get(3)?),
                    (row.get(5)?, row.get(6)?),
                ))
            })?
            .collect::<rusqlite::Result<Vec<WrongCount>>>()?;
        for ((context, path), (tree, parent, name), (told, found)) in wrong {
            let empty = found == 0 && !parent.is_empty();
            let place = params![tree, parent, name];
            if self.repair && empty {
                self.db.execute(
                    "DELETE FROM entries WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 1",
                    place,
                )?;
            } else if self.repair {
                // A row that did not have its checksum gets none that fits: the count may not be all that is wrong.
                let old = row_sums::expression("entries", "");
                let new = old.replace(", child_count", ", ?4");
                self.db.execute(
                    &format!(
                        "UPDATE entries SET child_count = ?4, sum = iif(sum = {old}, {new}, sum)
                         WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 1"
                    ),
                    params![tree, parent, name, found],
                )?;
            }
            let finding = if empty {
                Finding::new(FindingKind::EmptyFolder, "the folder has no entries")
            } else {
                let detail = format!("the folder has {found} entries, and is told to have {told}");
                Finding::new(FindingKind::WrongChildCount, detail)
            };
            report
                .findings
                .push(finding.at(context, path).repaired(self.repair));
        }
        Ok(())
    }
}
