//! Checks that the folders of all entries exist, and that their counts are correct.

use rusqlite::params;

use super::{CheckResult, CheckTransaction, FOLDER_PATH};
use crate::metadata::check::{Problem, ProblemKind, WrongCount};
use crate::metadata::sqlite::row_checksums;
use crate::names::FolderPath;
use crate::system::random::alphanumeric;

/// Maximum depth of folders, and so the number of passes of a repair.
const MAX_DEPTH: usize = 600;

/// A folder that has entries, according to their parent column.
struct UsedFolder {
    context: Option<String>,
    tree: i64,
    path: String,
    count: i64,
}

impl UsedFolder {
    /// Returns `None` unless this is the path of a folder.
    fn folder(&self) -> Option<FolderPath> {
        FolderPath::parse(&self.path).filter(|folder| folder.as_str() == self.path)
    }
}

impl CheckTransaction<'_> {
    /// Checks that a folder exists if and only if it has entries, and that its count is correct. The root folder always exists.
    pub(crate) fn folders(&self) -> CheckResult<Vec<Problem>> {
        let mut problems = self.missing_roots()?;
        problems.extend(self.invalid_parents()?);
        for _ in 0..MAX_DEPTH {
            let mut found = self.missing_folders()?;
            found.extend(self.child_counts()?);
            let done = !self.repair || found.is_empty();
            problems.extend(found);
            // A created or deleted folder changes the count of its parent.
            if done {
                break;
            }
        }
        Ok(problems)
    }

    fn missing_roots(&self) -> CheckResult<Vec<Problem>> {
        let mut missing = self.db.prepare(
            "SELECT id, tree, create_time FROM contexts WHERE tree IN (SELECT pk FROM trees WHERE doomed = 0)
             AND NOT EXISTS (SELECT 1 FROM entries
                             WHERE tree = contexts.tree AND parent = '' AND name = '' AND folder = 1)",
        )?;
        let missing = missing
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<Vec<(Option<String>, i64, i64)>>>()?;
        let mut problems = Vec::new();
        for (context, tree, created) in missing {
            if self.repair {
                self.db.execute(
                    "INSERT INTO entries (tree, parent, name, folder, id, created, modified, child_count)
                     SELECT ?1, '', '', 1, '', coalesce(min(created), ?2), coalesce(max(modified), ?2), count(*)
                     FROM entries WHERE tree = ?1 AND parent = '/'",
                    params![tree, created],
                )?;
                self.update_checksum(tree, "", "")?;
            }
            problems.push(self.missing(context, "/"));
        }
        Ok(problems)
    }

    fn missing(&self, context: Option<String>, path: &str) -> Problem {
        let problem = ProblemKind::MissingFolder.at(context, Some(path.to_owned()));
        problem.repaired(self.repair)
    }

    /// Finds entries whose parent is not the path of a folder. They can't be repaired.
    fn invalid_parents(&self) -> CheckResult<Vec<Problem>> {
        let invalid = self.used_folders(|used| Ok(used.folder().is_none()))?;
        let problems = invalid
            .into_iter()
            .map(|used| ProblemKind::InvalidParent(used.count).at(used.context, Some(used.path)));
        Ok(problems.collect())
    }

    /// Returns the folders below the root that have entries and that the filter selects, whether they exist or not.
    fn used_folders(
        &self,
        mut filter: impl FnMut(&UsedFolder) -> CheckResult<bool>,
    ) -> CheckResult<Vec<UsedFolder>> {
        let mut used = self.db.prepare(
            "SELECT contexts.id, entries.tree, parent, count(*) FROM entries
             JOIN contexts ON contexts.tree = entries.tree
             WHERE parent NOT IN ('', '/') GROUP BY entries.tree, parent",
        )?;
        let mut rows = used.query([])?;
        let mut folders = Vec::new();
        while let Some(row) = rows.next()? {
            let used = UsedFolder {
                context: row.get(0)?,
                tree: row.get(1)?,
                path: row.get(2)?,
                count: row.get(3)?,
            };
            if filter(&used)? {
                folders.push(used);
            }
        }
        Ok(folders)
    }

    fn missing_folders(&self) -> CheckResult<Vec<Problem>> {
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
        let mut problems = Vec::new();
        for used in missing {
            if self.repair {
                self.insert_folder(&used)?;
            }
            problems.push(self.missing(used.context, &used.path));
        }
        Ok(problems)
    }

    fn insert_folder(&self, used: &UsedFolder) -> CheckResult<()> {
        let Some(folder) = used.folder() else {
            return Ok(());
        };
        let (parent, name) = folder.place();
        let id = format!("folder-{}", alphanumeric(20)?);
        self.db.execute(
            "INSERT INTO entries (tree, parent, name, folder, id, created, modified, child_count)
             SELECT ?1, ?2, ?3, 1, ?4, min(created), max(modified), ?5
             FROM entries WHERE tree = ?1 AND parent = ?6",
            params![used.tree, parent, name, id, used.count, used.path],
        )?;
        self.update_checksum(used.tree, parent, name)
    }

    /// Sets the checksum of a folder's row.
    fn update_checksum(&self, tree: i64, parent: &str, name: &str) -> CheckResult<()> {
        let sum = row_checksums::expression("entries", "");
        self.db.execute(
            &format!(
                "UPDATE entries SET sum = {sum} WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 1"
            ),
            params![tree, parent, name],
        )?;
        Ok(())
    }

    fn child_counts(&self) -> CheckResult<Vec<Problem>> {
        let mut wrong = self.db.prepare(&format!(
            "SELECT contexts.id, {FOLDER_PATH}, f.tree, f.parent, f.name, child_count,
                    (SELECT count(*) FROM entries c WHERE c.tree = f.tree AND c.parent = {FOLDER_PATH}) AS found
             FROM entries f JOIN contexts ON contexts.tree = f.tree
             WHERE folder = 1 AND (child_count <> found OR (found = 0 AND f.parent <> ''))"
        ))?;
        let wrong = wrong
            .query_map([], |row| {
                let (stored, found) = (row.get(5)?, row.get(6)?);
                let key = (row.get(2)?, row.get(3)?, row.get(4)?);
                Ok((row.get(0)?, row.get(1)?, key, WrongCount { stored, found }))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut problems = Vec::new();
        for (context, path, key, count) in wrong {
            let (tree, parent, name): (i64, String, String) = key;
            let empty = count.found == 0 && !parent.is_empty();
            if self.repair && empty {
                self.db.execute(
                    "DELETE FROM entries WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 1",
                    params![tree, parent, name],
                )?;
            } else if self.repair {
                // A row that did not match its checksum still does not: other columns may be damaged too.
                let old = row_checksums::expression("entries", "");
                let new = old.replace(", child_count", ", ?4");
                self.db.execute(
                    &format!(
                        "UPDATE entries SET child_count = ?4, sum = iif(sum = {old}, {new}, sum)
                         WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 1"
                    ),
                    params![tree, parent, name, count.found],
                )?;
            }
            let kind = match empty {
                true => ProblemKind::EmptyFolder,
                false => ProblemKind::ChildCount(count),
            };
            problems.push(kind.at(context, Some(path)).repaired(self.repair));
        }
        Ok(problems)
    }
}
