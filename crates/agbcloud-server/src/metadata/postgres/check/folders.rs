//! Checks that the folders of all entries exist, that their counts are correct, and that large ones have a correct offset index.

use tokio_postgres::Row;

use super::{BATCH, Damage, FOLDER_PATH, Repair, Snapshot};
use crate::metadata::check::{ProblemKind, WrongCount};
use crate::metadata::offset_index::MAX_UNINDEXED;
use crate::metadata::postgres::connection::Failure;
use crate::metadata::postgres::offset_index::OffsetIndex;
use crate::names::FolderPath;

/// The folders that have entries, according to the parents of these, with their own rows.
const USED_FOLDERS: &str =
    "SELECT contexts.id, contexts.tenant, contexts.tree, used.parent, used.entries, above.child_count,
            EXISTS (SELECT 1 FROM segments WHERE segments.tenant = contexts.tenant AND segments.tree = contexts.tree
                                             AND segments.parent = used.parent)
     FROM contexts JOIN trees ON trees.pk = contexts.tree AND trees.tenant = contexts.tenant AND NOT doomed
     CROSS JOIN LATERAL (
         SELECT parent, count(*) AS entries, substring(parent FROM '[^/]*$') AS name FROM entries
         WHERE entries.tenant = contexts.tenant AND entries.tree = contexts.tree AND parent <> '' GROUP BY parent) AS used
     LEFT JOIN entries AS above ON above.tenant = contexts.tenant AND above.tree = contexts.tree
         AND above.name = used.name AND above.folder AND above.parent = CASE
             WHEN used.parent = '/' THEN ''
             WHEN strpos(substr(used.parent, 2), '/') = 0 THEN '/'
             ELSE left(used.parent, -(length(used.name) + 1)) END";

/// The place of a folder, in the first columns of a row.
struct Place {
    context: String,
    tenant: i64,
    tree: i64,
    path: String,
}

impl Place {
    fn of(row: &Row) -> Result<Self, Failure> {
        Ok(Self {
            context: row.try_get(0)?,
            tenant: row.try_get(1)?,
            tree: row.try_get(2)?,
            path: row.try_get(3)?,
        })
    }

    /// Returns `None` unless this is the path of a folder.
    fn folder(&self) -> Option<FolderPath> {
        FolderPath::parse(&self.path).filter(|folder| folder.as_str() == self.path)
    }

    fn damage(self, kind: ProblemKind) -> Damage {
        let repair = self.folder().map(|folder| Repair::Folder {
            tenant: self.tenant,
            tree: self.tree,
            folder,
        });
        Damage {
            problem: kind.at(Some(self.context), Some(self.path)),
            repair,
        }
    }
}

impl Snapshot {
    /// Checks that a folder exists if and only if it has entries, and that its count and offset index are correct. The root folder
    /// always exists.
    pub(super) async fn folders(&mut self) -> Result<Vec<Damage>, Failure> {
        // Missing folders are repaired first: without its row, a folder counts as no entry of the one above.
        let (mut missing, mut others) = (self.missing_roots().await?, Vec::new());
        self.open_cursor(USED_FOLDERS).await?;
        loop {
            let rows = self.fetch(BATCH).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                self.used_folder(&row, &mut missing, &mut others).await?;
            }
        }
        missing.extend(others);
        missing.extend(self.empty_folders().await?);
        missing.extend(self.unused_segments().await?);
        Ok(missing)
    }

    /// Checks a folder that has entries.
    async fn used_folder(
        &self,
        row: &Row,
        missing: &mut Vec<Damage>,
        others: &mut Vec<Damage>,
    ) -> Result<(), Failure> {
        let place = Place::of(row)?;
        let (found, stored): (i64, Option<i64>) = (row.try_get(4)?, row.try_get(5)?);
        if place.folder().is_none() {
            others.push(place.damage(ProblemKind::InvalidParent(found)));
            return Ok(());
        }
        if found > MAX_UNINDEXED || row.try_get(6)? {
            let index = OffsetIndex {
                session: &self.session,
                tenant: place.tenant,
                tree: place.tree,
                path: &place.path,
            };
            if !index.is_correct(found).await? {
                others.push(Place::of(row)?.damage(ProblemKind::OffsetIndex));
            }
        }
        match stored {
            // A missing root is known.
            None if place.path == "/" => {}
            None => missing.push(place.damage(ProblemKind::MissingFolder)),
            Some(stored) if stored != found => {
                others.push(place.damage(ProblemKind::ChildCount(WrongCount { stored, found })));
            }
            Some(_) => {}
        }
        Ok(())
    }

    async fn missing_roots(&mut self) -> Result<Vec<Damage>, Failure> {
        let rows = self
            .query(
                "SELECT contexts.id, contexts.tenant, contexts.tree, '/'
                 FROM contexts JOIN trees ON trees.pk = contexts.tree AND trees.tenant = contexts.tenant AND NOT doomed
                 WHERE NOT EXISTS (SELECT 1 FROM entries WHERE entries.tenant = contexts.tenant AND entries.tree = contexts.tree
                                                           AND parent = '' AND entries.name = '' AND folder)",
            )
            .await?;
        let damage = rows
            .iter()
            .map(|row| Ok(Place::of(row)?.damage(ProblemKind::MissingFolder)));
        damage.collect()
    }

    /// Finds folders without entries, and roots without entries whose count is not 0.
    async fn empty_folders(&mut self) -> Result<Vec<Damage>, Failure> {
        let rows = self
            .query(&format!(
                "SELECT contexts.id, contexts.tenant, contexts.tree, {FOLDER_PATH}, f.child_count
                 FROM contexts JOIN entries AS f ON f.tenant = contexts.tenant AND f.tree = contexts.tree
                 WHERE f.folder AND (f.parent <> '' OR f.child_count <> 0)
                   AND NOT EXISTS (SELECT 1 FROM entries AS c
                                   WHERE c.tenant = f.tenant AND c.tree = f.tree AND c.parent = {FOLDER_PATH})"
            ))
            .await?;
        let damage = rows.iter().map(|row| {
            let (place, stored) = (Place::of(row)?, row.try_get(4)?);
            let kind = match place.path.as_str() {
                "/" => ProblemKind::ChildCount(WrongCount { stored, found: 0 }),
                _ => ProblemKind::EmptyFolder,
            };
            Ok(place.damage(kind))
        });
        damage.collect()
    }

    /// Finds offset indexes of folders without entries.
    async fn unused_segments(&mut self) -> Result<Vec<Damage>, Failure> {
        let rows = self
            .query(
                "SELECT DISTINCT contexts.id, contexts.tenant, contexts.tree, parent
                 FROM segments JOIN contexts ON contexts.tenant = segments.tenant AND contexts.tree = segments.tree
                 WHERE NOT EXISTS (SELECT 1 FROM entries AS c WHERE c.tenant = segments.tenant AND c.tree = segments.tree
                                                                AND c.parent = segments.parent)",
            )
            .await?;
        let damage = rows
            .iter()
            .map(|row| Ok(Place::of(row)?.damage(ProblemKind::OffsetIndex)));
        damage.collect()
    }
}
