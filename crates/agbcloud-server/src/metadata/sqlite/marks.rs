//! Where the n-th entry of a large folder is, without stepping over those before it.
//!
//! Pages are numbered, so a page begins at an offset, and SQL steps over all that is before one. A large folder is
//! therefore cut into blocks, and the blocks into groups: a *mark* is the key where one begins, with the number of
//! entries up to the next mark of its level. An offset is found by adding up the groups, then the blocks of one group,
//! then stepping within one block, whatever else is in the folder. Marks are changed in the transaction that changes
//! the folder, so they are right in every snapshot.
//!
//! A key stays the beginning of its block when its entry is deleted. The first mark of a folder is before all names.
//! Groups begin where blocks begin.

use rusqlite::{Connection, OptionalExtension, params};

use crate::metadata::Result;

/// Entries of a new block. One holds at most a little over twice as many. Tests want many blocks of few entries.
pub(super) const BLOCK: i64 = if cfg!(test) { 4 } else { 256 };
/// Entries of a new group.
const GROUP: i64 = BLOCK * if cfg!(test) { 4 } else { 64 };
/// A folder that has more gets marks. It loses them when it has half of that, so that a folder around the limit does
/// not get and lose them all the time.
const FEW: i64 = 4 * BLOCK;

/// Blocks or groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Blocks = 1,
    Groups = 2,
}

impl Level {
    /// Entries between two new marks.
    fn size(self) -> i64 {
        match self {
            Self::Blocks => BLOCK,
            Self::Groups => GROUP,
        }
    }
}

/// What a folder is ordered by: the name, and of one name the file before the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) folder: bool,
}

/// A folder of a tree.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) tree: i64,
    pub(super) path: &'a str,
}

/// A mark, and the entries from it to the next of its level.
struct Mark {
    key: Key,
    entries: i64,
}

/// The last mark that is not behind an offset: its key, and how many entries lie between it and the offset.
pub(super) fn seek(db: &Connection, place: Place<'_>, offset: i64) -> Result<(Key, i64)> {
    let (mut start, mut left) = (Key::default(), offset);
    for level in [Level::Groups, Level::Blocks] {
        let mut query = db.prepare_cached(
            "SELECT name, folder, entries FROM marks
             WHERE tree = ?1 AND parent = ?2 AND level = ?3 AND (name, folder) >= (?4, ?5) ORDER BY name, folder",
        )?;
        let mut rows = query.query(params![
            place.tree,
            place.path,
            level as i64,
            start.name,
            start.folder
        ])?;
        while let Some(row) = rows.next()? {
            let entries: i64 = row.get(2)?;
            if left < entries {
                start = Key {
                    name: row.get(0)?,
                    folder: row.get(1)?,
                };
                break;
            }
            left -= entries;
        }
    }
    Ok((start, left))
}

/// Notes an entry that is new in a folder, which has so many with it.
pub(super) fn added(db: &Connection, place: Place<'_>, key: &Key, count: i64) -> Result<()> {
    if count <= FEW / 2 {
        return Ok(());
    }
    let Some(block) = shift(db, place, Level::Blocks, key, 1)? else {
        return if count > FEW {
            build(db, Some(place))
        } else {
            Ok(())
        };
    };
    if block.entries > 2 * BLOCK {
        split_block(db, place, &block)?;
    }
    match shift(db, place, Level::Groups, key, 1)? {
        Some(group) if group.entries > 2 * GROUP => split_group(db, place, &group),
        _ => Ok(()),
    }
}

/// Notes an entry that went from a folder, which has so many left.
pub(super) fn removed(db: &Connection, place: Place<'_>, key: &Key, count: i64) -> Result<()> {
    if count <= FEW / 2 {
        // It had marks at most until this one went.
        return if count == FEW / 2 {
            forget(db, place)
        } else {
            Ok(())
        };
    }
    if let Some(group) = shift(db, place, Level::Groups, key, -1)?
        && group.entries <= GROUP / 4
    {
        merge(db, place, Level::Groups, &group)?;
    }
    if let Some(block) = shift(db, place, Level::Blocks, key, -1)?
        && block.entries <= BLOCK / 4
        && !begins_group(db, place, &block.key)?
    {
        merge(db, place, Level::Blocks, &block)?;
    }
    Ok(())
}

/// Forgets the marks of a folder.
pub(super) fn forget(db: &Connection, place: Place<'_>) -> Result<()> {
    db.prepare_cached("DELETE FROM marks WHERE tree = ?1 AND parent = ?2")?
        .execute(params![place.tree, place.path])?;
    Ok(())
}

/// Marks a folder that has none, or all folders, where there is more than a few.
pub(super) fn build(db: &Connection, place: Option<Place<'_>>) -> Result<()> {
    let which = match place {
        Some(_) => "WHERE tree = ?3 AND parent = ?4",
        None => "WHERE ?3 IS NULL AND ?4 IS NULL",
    };
    for level in [Level::Blocks, Level::Groups] {
        let mut query = db.prepare_cached(&format!(
            "INSERT INTO marks (tree, parent, level, name, folder, entries)
             SELECT tree, parent, ?1, iif(i = 0, '', name), iif(i = 0, 0, folder), min(?2, n - i)
             FROM (SELECT tree, parent, name, folder,
                          row_number() OVER (PARTITION BY tree, parent ORDER BY name, folder) - 1 AS i,
                          count(*) OVER (PARTITION BY tree, parent) AS n
                   FROM entries {which})
             WHERE n > {FEW} AND i % ?2 = 0"
        ))?;
        let (tree, path) = (place.map(|place| place.tree), place.map(|place| place.path));
        query.execute(params![level as i64, level.size(), tree, path])?;
    }
    Ok(())
}

/// Whether the marks of a folder with so many entries are right, or it needs none and has none.
pub(super) fn are_right(db: &Connection, place: Place<'_>, count: i64) -> Result<bool> {
    let blocks = all(db, place, Level::Blocks)?;
    let groups = all(db, place, Level::Groups)?;
    if blocks.is_empty() && groups.is_empty() {
        return Ok(count <= FEW);
    }
    let begins = |marks: &[Mark]| marks.first().is_some_and(|mark| mark.key == Key::default());
    let within = groups
        .iter()
        .all(|group| blocks.iter().any(|block| block.key == group.key));
    Ok(begins(&blocks)
        && begins(&groups)
        && within
        && counted(db, place, &blocks)?
        && counted(db, place, &groups)?)
}

/// Whether each mark has the entries up to the next. One walk over the folder.
fn counted(db: &Connection, place: Place<'_>, marks: &[Mark]) -> Result<bool> {
    let mut query = db.prepare_cached(
        "SELECT name, folder FROM entries WHERE tree = ?1 AND parent = ?2 ORDER BY name, folder",
    )?;
    let mut rows = query.query(params![place.tree, place.path])?;
    let mut counts = vec![0; marks.len()];
    let mut at = 0;
    while let Some(row) = rows.next()? {
        let key = Key {
            name: row.get(0)?,
            folder: row.get(1)?,
        };
        while marks.get(at + 1).is_some_and(|next| next.key <= key) {
            at += 1;
        }
        counts[at] += 1;
    }
    Ok(marks.iter().map(|mark| mark.entries).eq(counts))
}

fn all(db: &Connection, place: Place<'_>, level: Level) -> Result<Vec<Mark>> {
    let mut query = db.prepare_cached(
        "SELECT name, folder, entries FROM marks WHERE tree = ?1 AND parent = ?2 AND level = ?3
         ORDER BY name, folder",
    )?;
    let marks = query.query_map(params![place.tree, place.path, level as i64], |row| {
        Ok(Mark {
            key: Key {
                name: row.get(0)?,
                folder: row.get(1)?,
            },
            entries: row.get(2)?,
        })
    })?;
    Ok(marks.collect::<rusqlite::Result<_>>()?)
}

/// Changes the count of the block or group that a key is in, and returns it as it is then. None without marks.
fn shift(
    db: &Connection,
    place: Place<'_>,
    level: Level,
    key: &Key,
    by: i64,
) -> Result<Option<Mark>> {
    let found = last(db, place, level, "<=", key)?;
    found
        .map(|mark| {
            let entries = mark.entries + by;
            set(db, place, level, &mark.key, entries)?;
            Ok(Mark { entries, ..mark })
        })
        .transpose()
}

/// The last mark that is before a key (`<`), or may be at it (`<=`).
fn last(
    db: &Connection,
    place: Place<'_>,
    level: Level,
    side: &str,
    key: &Key,
) -> Result<Option<Mark>> {
    let mut query = db.prepare_cached(&format!(
        "SELECT name, folder, entries FROM marks
         WHERE tree = ?1 AND parent = ?2 AND level = ?3 AND (name, folder) {side} (?4, ?5)
         ORDER BY name DESC, folder DESC LIMIT 1"
    ))?;
    let parameters = params![place.tree, place.path, level as i64, key.name, key.folder];
    let found = query.query_row(parameters, |row| {
        Ok(Mark {
            key: Key {
                name: row.get(0)?,
                folder: row.get(1)?,
            },
            entries: row.get(2)?,
        })
    });
    Ok(found.optional()?)
}

fn set(db: &Connection, place: Place<'_>, level: Level, key: &Key, entries: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO marks (tree, parent, level, name, folder, entries) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET entries = excluded.entries",
    )?
    .execute(params![
        place.tree,
        place.path,
        level as i64,
        key.name,
        key.folder,
        entries
    ])?;
    Ok(())
}

fn split_block(db: &Connection, place: Place<'_>, block: &Mark) -> Result<()> {
    let key = db
        .prepare_cached(
            "SELECT name, folder FROM entries
             WHERE tree = ?1 AND parent = ?2 AND (name, folder) >= (?3, ?4)
             ORDER BY name, folder LIMIT 1 OFFSET ?5",
        )?
        .query_row(
            params![
                place.tree,
                place.path,
                block.key.name,
                block.key.folder,
                BLOCK
            ],
            |row| {
                Ok(Key {
                    name: row.get(0)?,
                    folder: row.get(1)?,
                })
            },
        )?;
    set(db, place, Level::Blocks, &block.key, BLOCK)?;
    set(db, place, Level::Blocks, &key, block.entries - BLOCK)
}

/// Splits a group where a block begins, after at least half of its entries.
fn split_group(db: &Connection, place: Place<'_>, group: &Mark) -> Result<()> {
    let mut query = db.prepare_cached(
        "SELECT name, folder, entries FROM marks
         WHERE tree = ?1 AND parent = ?2 AND level = ?3 AND (name, folder) >= (?4, ?5) ORDER BY name, folder",
    )?;
    let mut blocks = query.query(params![
        place.tree,
        place.path,
        Level::Blocks as i64,
        group.key.name,
        group.key.folder
    ])?;
    let mut before = 0;
    while let Some(block) = blocks.next()? {
        if before >= GROUP {
            let key = Key {
                name: block.get(0)?,
                folder: block.get(1)?,
            };
            set(db, place, Level::Groups, &group.key, before)?;
            return set(db, place, Level::Groups, &key, group.entries - before);
        }
        before += block.get::<_, i64>(2)?;
    }
    Ok(())
}

fn begins_group(db: &Connection, place: Place<'_>, key: &Key) -> Result<bool> {
    Ok(last(db, place, Level::Groups, "<=", key)?.is_some_and(|group| group.key == *key))
}

/// Gives the entries of a block or group to the one before it. The first stays however few it has.
fn merge(db: &Connection, place: Place<'_>, level: Level, mark: &Mark) -> Result<()> {
    let Some(before) = last(db, place, level, "<", &mark.key)? else {
        return Ok(());
    };
    db.prepare_cached(
        "DELETE FROM marks WHERE tree = ?1 AND parent = ?2 AND level = ?3 AND name = ?4 AND folder = ?5",
    )?
    .execute(params![
        place.tree,
        place.path,
        level as i64,
        mark.key.name,
        mark.key.folder
    ])?;
    set(db, place, level, &before.key, before.entries + mark.entries)
}

#[cfg(test)]
mod tests;
