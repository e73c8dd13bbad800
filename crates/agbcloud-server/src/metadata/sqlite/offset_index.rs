//! The offset index of large folders, in the table `marks`. See [`crate::metadata::offset_index`].

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::metadata::Result;
use crate::metadata::offset_index::{
    BLOCK, EntryKey, GROUP, Level, MAX_UNINDEXED, Segment, should_merge, should_split,
};

/// Reads the columns `name` and `folder`, which come first.
fn key_from_row(row: &Row<'_>) -> rusqlite::Result<EntryKey> {
    Ok(EntryKey {
        name: row.get(0)?,
        folder: row.get(1)?,
    })
}

/// Reads the columns `name`, `folder` and `entries`.
fn segment_from_row(row: &Row<'_>) -> rusqlite::Result<Segment> {
    Ok(Segment {
        start: key_from_row(row)?,
        entries: row.get(2)?,
    })
}

/// The index of one folder.
pub(super) struct OffsetIndex<'a> {
    pub(super) db: &'a Connection,
    pub(super) tree: i64,
    /// The path of the folder.
    pub(super) path: &'a str,
}

/// The columns of a [`Segment`], from a start key on.
const FROM_KEY: &str = "SELECT name, folder, entries FROM marks
     WHERE tree = ?1 AND parent = ?2 AND level = ?3 AND (name, folder) >= (?4, ?5) ORDER BY name, folder";

impl OffsetIndex<'_> {
    /// Returns the start of the last segment that is not after an offset, and the number of entries between them.
    pub(super) fn seek(&self, offset: i64) -> Result<(EntryKey, i64)> {
        let (mut start, mut left) = (EntryKey::default(), offset);
        for level in [Level::Groups, Level::Blocks] {
            let mut query = self.db.prepare_cached(FROM_KEY)?;
            let key = params![self.tree, self.path, level as i64, start.name, start.folder];
            let mut rows = query.query(key)?;
            while let Some(row) = rows.next()? {
                let entries: i64 = row.get(2)?;
                if left < entries {
                    start = key_from_row(row)?;
                    break;
                }
                left -= entries;
            }
        }
        Ok((start, left))
    }

    /// Adds an entry to a folder that now has `count` entries.
    pub(super) fn insert(&self, key: &EntryKey, count: i64) -> Result<()> {
        if count <= MAX_UNINDEXED / 2 {
            return Ok(());
        }
        let Some(block) = self.add_entries(Level::Blocks, key, 1)? else {
            return match count > MAX_UNINDEXED {
                true => self.build(),
                false => Ok(()),
            };
        };
        if should_split(Level::Blocks, &block) {
            self.split_block(&block)?;
        }
        match self.add_entries(Level::Groups, key, 1)? {
            Some(group) if should_split(Level::Groups, &group) => self.split_group(&group),
            _ => Ok(()),
        }
    }

    /// Removes an entry from a folder that now has `count` entries.
    pub(super) fn remove(&self, key: &EntryKey, count: i64) -> Result<()> {
        if count == MAX_UNINDEXED / 2 {
            return self.delete();
        }
        if count < MAX_UNINDEXED / 2 {
            return Ok(());
        }
        if let Some(group) = self.add_entries(Level::Groups, key, -1)?
            && should_merge(Level::Groups, &group)
        {
            self.merge(Level::Groups, &group)?;
        }
        if let Some(block) = self.add_entries(Level::Blocks, key, -1)?
            && should_merge(Level::Blocks, &block)
            && !self.starts_group(&block.start)?
        {
            self.merge(Level::Blocks, &block)?;
        }
        Ok(())
    }

    /// Deletes the index.
    pub(super) fn delete(&self) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM marks WHERE tree = ?1 AND parent = ?2")?
            .execute(params![self.tree, self.path])?;
        Ok(())
    }

    /// Creates the index, unless the folder is small.
    pub(super) fn build(&self) -> Result<()> {
        build(self.db, "WHERE tree = ?3 AND parent = ?4", Some(self))
    }

    /// Whether the index of a folder with `count` entries is correct, or missing in a small folder.
    pub(super) fn is_correct(&self, count: i64) -> Result<bool> {
        let (blocks, groups) = (self.segments(Level::Blocks)?, self.segments(Level::Groups)?);
        if blocks.is_empty() && groups.is_empty() {
            return Ok(count <= MAX_UNINDEXED);
        }
        let first = EntryKey::default();
        let complete =
            |segments: &[Segment]| segments.first().is_some_and(|found| found.start == first);
        let nested = groups
            .iter()
            .all(|group| blocks.iter().any(|block| block.start == group.start));
        Ok(complete(&blocks)
            && complete(&groups)
            && nested
            && self.counts_match(&blocks)?
            && self.counts_match(&groups)?)
    }

    /// Whether the number of entries of each segment is correct. Reads all entries of the folder.
    fn counts_match(&self, segments: &[Segment]) -> Result<bool> {
        let mut query = self.db.prepare_cached(
            "SELECT name, folder FROM entries WHERE tree = ?1 AND parent = ?2 ORDER BY name, folder",
        )?;
        let mut rows = query.query(params![self.tree, self.path])?;
        let mut counts = vec![0; segments.len()];
        let mut at = 0;
        while let Some(row) = rows.next()? {
            let key = key_from_row(row)?;
            while segments.get(at + 1).is_some_and(|next| next.start <= key) {
                at += 1;
            }
            counts[at] += 1;
        }
        Ok(segments.iter().map(|segment| segment.entries).eq(counts))
    }

    fn segments(&self, level: Level) -> Result<Vec<Segment>> {
        let mut query = self.db.prepare_cached(FROM_KEY)?;
        let all = params![self.tree, self.path, level as i64, "", false];
        let segments = query.query_map(all, segment_from_row)?;
        Ok(segments.collect::<rusqlite::Result<_>>()?)
    }

    /// Adds to the count of the segment that contains a key, and returns the changed segment. Returns `None` without an index.
    fn add_entries(&self, level: Level, key: &EntryKey, by: i64) -> Result<Option<Segment>> {
        let Some(segment) = self.last_segment(level, "<=", key)? else {
            return Ok(None);
        };
        let entries = segment.entries + by;
        self.store(level, &segment.start, entries)?;
        Ok(Some(Segment { entries, ..segment }))
    }

    /// Returns the last segment that starts before a key (`<`), or at or before it (`<=`).
    fn last_segment(
        &self,
        level: Level,
        comparison: &str,
        key: &EntryKey,
    ) -> Result<Option<Segment>> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT name, folder, entries FROM marks
             WHERE tree = ?1 AND parent = ?2 AND level = ?3 AND (name, folder) {comparison} (?4, ?5)
             ORDER BY name DESC, folder DESC LIMIT 1"
        ))?;
        let key = params![self.tree, self.path, level as i64, key.name, key.folder];
        Ok(query.query_row(key, segment_from_row).optional()?)
    }

    fn store(&self, level: Level, key: &EntryKey, entries: i64) -> Result<()> {
        let (name, folder) = (&key.name, key.folder);
        self.db
            .prepare_cached(
                "INSERT INTO marks (tree, parent, level, name, folder, entries) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET entries = excluded.entries",
            )?
            .execute(params![self.tree, self.path, level as i64, name, folder, entries])?;
        Ok(())
    }

    fn split_block(&self, block: &Segment) -> Result<()> {
        let (name, folder) = (&block.start.name, block.start.folder);
        let key = self
            .db
            .prepare_cached(
                "SELECT name, folder FROM entries
                 WHERE tree = ?1 AND parent = ?2 AND (name, folder) >= (?3, ?4)
                 ORDER BY name, folder LIMIT 1 OFFSET ?5",
            )?
            .query_row(
                params![self.tree, self.path, name, folder, BLOCK],
                key_from_row,
            )?;
        self.store(Level::Blocks, &block.start, BLOCK)?;
        self.store(Level::Blocks, &key, block.entries - BLOCK)
    }

    /// Splits a group at the start of a block, after at least half of its entries.
    fn split_group(&self, group: &Segment) -> Result<()> {
        let mut query = self.db.prepare_cached(FROM_KEY)?;
        let (level, start) = (Level::Blocks as i64, &group.start);
        let key = params![self.tree, self.path, level, start.name, start.folder];
        let mut blocks = query.query(key)?;
        let mut before = 0;
        while let Some(block) = blocks.next()? {
            if before >= GROUP {
                let key = key_from_row(block)?;
                self.store(Level::Groups, &group.start, before)?;
                return self.store(Level::Groups, &key, group.entries - before);
            }
            before += block.get::<_, i64>(2)?;
        }
        Ok(())
    }

    fn starts_group(&self, key: &EntryKey) -> Result<bool> {
        let group = self.last_segment(Level::Groups, "<=", key)?;
        Ok(group.is_some_and(|group| group.start == *key))
    }

    /// Merges a segment into the one before it. Does nothing for the first segment.
    fn merge(&self, level: Level, segment: &Segment) -> Result<()> {
        let Some(before) = self.last_segment(level, "<", &segment.start)? else {
            return Ok(());
        };
        let (name, folder) = (&segment.start.name, segment.start.folder);
        self.db
            .prepare_cached(
                "DELETE FROM marks WHERE tree = ?1 AND parent = ?2 AND level = ?3 AND name = ?4 AND folder = ?5",
            )?
            .execute(params![self.tree, self.path, level as i64, name, folder])?;
        self.store(level, &before.start, before.entries + segment.entries)
    }
}

/// Creates the indexes of all large folders.
pub(super) fn build_all(db: &Connection) -> Result<()> {
    build(db, "WHERE ?3 IS NULL AND ?4 IS NULL", None)
}

fn build(db: &Connection, filter: &str, index: Option<&OffsetIndex<'_>>) -> Result<()> {
    for level in [Level::Blocks, Level::Groups] {
        let mut query = db.prepare_cached(&format!(
            "INSERT INTO marks (tree, parent, level, name, folder, entries)
             SELECT tree, parent, ?1, iif(i = 0, '', name), iif(i = 0, 0, folder), min(?2, n - i)
             FROM (SELECT tree, parent, name, folder,
                          row_number() OVER (PARTITION BY tree, parent ORDER BY name, folder) - 1 AS i,
                          count(*) OVER (PARTITION BY tree, parent) AS n
                   FROM entries {filter})
             WHERE n > {MAX_UNINDEXED} AND i % ?2 = 0"
        ))?;
        let (tree, path) = (index.map(|index| index.tree), index.map(|index| index.path));
        query.execute(params![level as i64, level.size(), tree, path])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
