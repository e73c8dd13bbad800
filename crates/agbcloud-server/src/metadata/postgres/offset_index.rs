//! The offset index of large folders, in the table `segments`. See [`crate::metadata::offset_index`].

use tokio_postgres::Row;

use super::connection::{Failure, Session, Statement, Value};
use crate::metadata::offset_index::{
    BLOCK, EntryKey, GROUP, Level, MAX_UNINDEXED, Segment, should_merge, should_split,
};

/// Reads the columns `name` and `folder`, which come first.
fn key_from_row(row: &Row) -> Result<EntryKey, Failure> {
    Ok(EntryKey {
        name: row.try_get(0)?,
        folder: row.try_get(1)?,
    })
}

/// Reads the columns `name`, `folder` and `entries`.
fn segment_from_row(row: &Row) -> Result<Segment, Failure> {
    Ok(Segment {
        start: key_from_row(row)?,
        entries: row.try_get(2)?,
    })
}

/// The index of one folder.
pub(super) struct OffsetIndex<'a> {
    pub(super) session: &'a Session,
    pub(super) tenant: i64,
    pub(super) tree: i64,
    /// The path of the folder.
    pub(super) path: &'a str,
}

/// Maximum number of segments that are read at once. A group has fewer blocks.
const SEGMENTS: i64 = 8 * GROUP / BLOCK;

impl OffsetIndex<'_> {
    /// The parameters of the folder.
    fn folder(&self) -> Vec<Value<'_>> {
        vec![
            Value::Int(self.tenant),
            Value::Int(self.tree),
            Value::Text(self.path),
        ]
    }

    /// The parameters of a segment.
    fn segment<'b>(&'b self, level: Level, key: &'b EntryKey) -> Vec<Value<'b>> {
        let key = [
            Value::Int(level as i64),
            Value::Text(&key.name),
            Value::Bool(key.folder),
        ];
        [self.folder(), key.to_vec()].concat()
    }

    /// Returns the start of the last segment that is not after an offset, and the number of entries between them, for a folder
    /// with `count` entries.
    pub(super) async fn seek(&self, offset: i64, count: i64) -> Result<(EntryKey, i64), Failure> {
        let (mut start, mut left) = (EntryKey::default(), offset);
        if count <= MAX_UNINDEXED / 2 {
            return Ok((start, left));
        }
        for level in [Level::Groups, Level::Blocks] {
            let mut after: Option<EntryKey> = None;
            'segments: loop {
                let segments = self.segments(level, &start, after.as_ref()).await?;
                for segment in &segments {
                    if left < segment.entries {
                        start = segment.start.clone();
                        break 'segments;
                    }
                    left -= segment.entries;
                }
                match segments.last() {
                    Some(last) if segments.len() as i64 == SEGMENTS => {
                        after = Some(last.start.clone());
                    }
                    _ => break,
                }
            }
        }
        Ok((start, left))
    }

    /// Returns segments in order, at or after a key, or after another one.
    async fn segments(
        &self,
        level: Level,
        from: &EntryKey,
        after: Option<&EntryKey>,
    ) -> Result<Vec<Segment>, Failure> {
        let comparison = if after.is_some() { ">" } else { ">=" };
        let rows = self
            .session
            .query(
                &format!(
                    "SELECT name, folder, entries FROM segments
                     WHERE tenant = $1 AND tree = $2 AND parent = $3 AND level = $4 AND (name, folder) {comparison} ($5, $6)
                     ORDER BY name, folder LIMIT {SEGMENTS}"
                ),
                &self.segment(level, after.unwrap_or(from)),
            )
            .await?;
        rows.iter().map(segment_from_row).collect()
    }

    /// Adds an entry to a folder that now has `count` entries.
    pub(super) async fn insert(&self, key: &EntryKey, count: i64) -> Result<(), Failure> {
        if count <= MAX_UNINDEXED / 2 {
            return Ok(());
        }
        let Some(block) = self.add_entries(Level::Blocks, key, 1).await? else {
            return match count > MAX_UNINDEXED {
                true => self.build().await,
                false => Ok(()),
            };
        };
        if should_split(Level::Blocks, &block) {
            self.split_block(&block).await?;
        }
        match self.add_entries(Level::Groups, key, 1).await? {
            Some(group) if should_split(Level::Groups, &group) => self.split_group(&group).await,
            _ => Ok(()),
        }
    }

    /// Removes an entry from a folder that now has `count` entries.
    pub(super) async fn remove(&self, key: &EntryKey, count: i64) -> Result<(), Failure> {
        if count == MAX_UNINDEXED / 2 {
            return self.delete().await;
        }
        if count < MAX_UNINDEXED / 2 {
            return Ok(());
        }
        if let Some(group) = self.add_entries(Level::Groups, key, -1).await?
            && should_merge(Level::Groups, &group)
        {
            self.merge(Level::Groups, &group).await?;
        }
        if let Some(block) = self.add_entries(Level::Blocks, key, -1).await?
            && should_merge(Level::Blocks, &block)
            && !self.starts_group(&block.start).await?
        {
            self.merge(Level::Blocks, &block).await?;
        }
        Ok(())
    }

    /// Deletes the index.
    pub(super) async fn delete(&self) -> Result<(), Failure> {
        let delete = "DELETE FROM segments WHERE tenant = $1 AND tree = $2 AND parent = $3";
        self.session.execute(delete, &self.folder()).await?;
        Ok(())
    }

    /// Whether the index of a folder with `count` entries exists if it has to, and is correct. Reads all entries of the folder.
    pub(super) async fn is_correct(&self, count: i64) -> Result<bool, Failure> {
        let row = self
            .session
            .query_opt(
                "WITH found AS MATERIALIZED (
                     SELECT level, name, folder, entries, lead(name) OVER levels AS next_name, lead(folder) OVER levels AS next_folder
                     FROM segments WHERE tenant = $1 AND tree = $2 AND parent = $3
                     WINDOW levels AS (PARTITION BY level ORDER BY name, folder))
                 SELECT (SELECT count(*) FROM found) = 0,
                        (SELECT count(*) FROM found WHERE name = '' AND NOT folder) = 2
                        AND NOT EXISTS (SELECT 1 FROM found WHERE level NOT IN ($4, $5))
                        AND NOT EXISTS (SELECT name, folder FROM found WHERE level = $5
                                        EXCEPT SELECT name, folder FROM found WHERE level = $4)
                        AND NOT EXISTS (SELECT 1 FROM found WHERE entries <> CASE
                            WHEN next_name IS NULL THEN
                                (SELECT count(*) FROM entries AS e WHERE e.tenant = $1 AND e.tree = $2 AND e.parent = $3
                                 AND (e.name, e.folder) >= (found.name, found.folder))
                            ELSE
                                (SELECT count(*) FROM entries AS e WHERE e.tenant = $1 AND e.tree = $2 AND e.parent = $3
                                 AND (e.name, e.folder) >= (found.name, found.folder)
                                 AND (e.name, e.folder) < (found.next_name, found.next_folder)) END)",
                &[
                    self.folder(),
                    vec![
                        Value::Int(Level::Blocks as i64),
                        Value::Int(Level::Groups as i64),
                    ],
                ]
                .concat(),
            )
            .await?;
        let Some(row) = row else {
            return Ok(false);
        };
        match row.try_get(0)? {
            true => Ok(count <= MAX_UNINDEXED),
            false => Ok(row.try_get(1)?),
        }
    }

    /// Creates the index.
    pub(super) async fn build(&self) -> Result<(), Failure> {
        let folder = self.folder();
        let statements: Vec<Statement<'_>> = [Level::Blocks, Level::Groups]
            .into_iter()
            .map(|level| {
                let size = [Value::Int(level as i64), Value::Int(level.size())];
                (
                    "INSERT INTO segments (tenant, tree, parent, level, name, folder, entries)
                     SELECT $1, $2, $3, $4, CASE WHEN i = 0 THEN '' ELSE name END, i > 0 AND folder, least($5, n - i)
                     FROM (SELECT name, folder, row_number() OVER (ORDER BY name, folder) - 1 AS i, count(*) OVER () AS n
                           FROM entries WHERE tenant = $1 AND tree = $2 AND parent = $3) AS numbered
                     WHERE i % $5 = 0",
                    [folder.clone(), size.to_vec()].concat(),
                )
            })
            .collect();
        self.session.execute_all(&statements).await?;
        Ok(())
    }

    /// Adds to the count of the segment that contains a key, and returns the changed segment. Returns `None` without an index.
    async fn add_entries(
        &self,
        level: Level,
        key: &EntryKey,
        by: i64,
    ) -> Result<Option<Segment>, Failure> {
        let row = self
            .session
            .query_opt(
                "UPDATE segments SET entries = entries + $7
                 WHERE tenant = $1 AND tree = $2 AND parent = $3 AND level = $4 AND (name, folder) =
                     (SELECT name, folder FROM segments
                      WHERE tenant = $1 AND tree = $2 AND parent = $3 AND level = $4 AND (name, folder) <= ($5, $6)
                      ORDER BY name DESC, folder DESC LIMIT 1)
                 RETURNING name, folder, entries",
                &[self.segment(level, key), vec![Value::Int(by)]].concat(),
            )
            .await?;
        row.as_ref().map(segment_from_row).transpose()
    }

    /// The statement that stores a segment.
    fn store<'b>(&'b self, level: Level, key: &'b EntryKey, entries: i64) -> Statement<'b> {
        (
            "INSERT INTO segments (tenant, tree, parent, level, name, folder, entries) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tenant, tree, parent, level, name, folder) DO UPDATE SET entries = excluded.entries",
            [self.segment(level, key), vec![Value::Int(entries)]].concat(),
        )
    }

    async fn split_block(&self, block: &Segment) -> Result<(), Failure> {
        let from = [
            Value::Text(&block.start.name),
            Value::Bool(block.start.folder),
            Value::Int(BLOCK),
        ];
        let row = self
            .session
            .query_opt(
                "SELECT name, folder FROM entries
                 WHERE tenant = $1 AND tree = $2 AND parent = $3 AND (name, folder) >= ($4, $5)
                 ORDER BY name, folder LIMIT 1 OFFSET $6",
                &[self.folder(), from.to_vec()].concat(),
            )
            .await?;
        let Some(row) = row else {
            return Ok(());
        };
        let key = key_from_row(&row)?;
        self.split(Level::Blocks, block, &key, BLOCK).await
    }

    /// Splits a group at the start of a block, after at least half of its entries.
    async fn split_group(&self, group: &Segment) -> Result<(), Failure> {
        let mut before = 0;
        for block in self.segments(Level::Blocks, &group.start, None).await? {
            if before >= GROUP {
                return self.split(Level::Groups, group, &block.start, before).await;
            }
            before += block.entries;
        }
        Ok(())
    }

    /// Splits a segment at a key that `before` of its entries precede.
    async fn split(
        &self,
        level: Level,
        segment: &Segment,
        key: &EntryKey,
        before: i64,
    ) -> Result<(), Failure> {
        let first = self.store(level, &segment.start, before);
        let second = self.store(level, key, segment.entries - before);
        self.session.execute_all(&[first, second]).await?;
        Ok(())
    }

    async fn starts_group(&self, key: &EntryKey) -> Result<bool, Failure> {
        let found = self
            .session
            .query_opt(
                "SELECT 1 FROM segments
                 WHERE tenant = $1 AND tree = $2 AND parent = $3 AND level = $4 AND name = $5 AND folder = $6",
                &self.segment(Level::Groups, key),
            )
            .await?;
        Ok(found.is_some())
    }

    /// Merges a segment into the one before it. Does nothing for the first segment.
    async fn merge(&self, level: Level, segment: &Segment) -> Result<(), Failure> {
        let row = self
            .session
            .query_opt(
                "SELECT name, folder, entries FROM segments
                 WHERE tenant = $1 AND tree = $2 AND parent = $3 AND level = $4 AND (name, folder) < ($5, $6)
                 ORDER BY name DESC, folder DESC LIMIT 1",
                &self.segment(level, &segment.start),
            )
            .await?;
        let Some(row) = row else {
            return Ok(());
        };
        let before = segment_from_row(&row)?;
        let delete = (
            "DELETE FROM segments
             WHERE tenant = $1 AND tree = $2 AND parent = $3 AND level = $4 AND name = $5 AND folder = $6",
            self.segment(level, &segment.start),
        );
        let merged = self.store(level, &before.start, before.entries + segment.entries);
        self.session.execute_all(&[delete, merged]).await?;
        Ok(())
    }
}
