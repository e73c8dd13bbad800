//! The statements about files and folders. Each begins at a context of the tenant.

use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension, params};

use super::content::{self, Kept};
use super::contexts::place;
use super::marks::{self, Key};
use super::row_sums;
use crate::clock::Micros;
use crate::crash;
use crate::metadata::{
    Conditions, Content, Entry, File, FileKey, FilePage, NewFile, OpenFile, Result, State,
    StoreError,
};
use crate::names::{FilePath, FolderPath};
use crate::random::alphanumeric;
use crate::signing::Tenant;

pub(super) fn list(
    db: &Connection,
    tenant: &Tenant,
    context: &str,
    folder: &FolderPath,
    offset: i64,
    limit: u32,
) -> Result<FilePage> {
    let tree = place(db, tenant, context)?.tree;
    let (parent, name) = folder.place();
    let count = db
        .prepare_cached(
            "SELECT child_count FROM entries WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 1",
        )?
        .query_row(params![tree, parent, name], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    if offset >= count {
        return Ok(FilePage {
            entries: Vec::new(),
            count,
        });
    }
    let path = folder.as_str();
    let (start, skip) = marks::seek(db, marks::Place { tree, path }, offset)?;
    let mut query = db.prepare_cached(
        "SELECT id, name, folder, size, created, modified, etag, crc64 FROM entries
         WHERE tree = ?1 AND parent = ?2 AND (name, folder) >= (?3, ?4) ORDER BY name, folder LIMIT ?5 OFFSET ?6",
    )?;
    let parameters = params![tree, path, start.name, start.folder, limit, skip];
    let entries = query
        .query_map(parameters, |row| {
            Ok(Entry {
                id: row.get(0)?,
                name: row.get(1)?,
                folder: row.get(2)?,
                size: row.get(3)?,
                created: Micros(row.get(4)?),
                modified: Micros(row.get(5)?),
                etag: row.get(6)?,
                crc64: row.get::<_, Option<i64>>(7)?.map(i64::cast_unsigned),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(FilePage { entries, count })
}

/// The tree that a URL was signed for, if the context still has it.
fn signed_tree(db: &Connection, key: &FileKey) -> Result<(i64, State)> {
    match place(db, &key.tenant, &key.context) {
        Ok(place) if place.generation == key.generation => Ok((place.tree, place.state)),
        Ok(_) | Err(StoreError::NoContext) => Err(StoreError::Stale),
        Err(error) => Err(error),
    }
}

pub(super) fn file(db: &Connection, key: &FileKey) -> Result<File> {
    let (tree, _) = signed_tree(db, key)?;
    Ok(find(db, tree, &key.path)?.ok_or(StoreError::NoFile)?.file)
}

pub(super) fn open(db: &Connection, key: &FileKey) -> Result<OpenFile> {
    let (tree, _) = signed_tree(db, key)?;
    let found = find(db, tree, &key.path)?.ok_or(StoreError::NoFile)?;
    if !found.valid {
        return Err(StoreError::Damaged("its row does not have its checksum"));
    }
    let content = content::read(db, found.kept)?;
    let blocks = match &content {
        Content::Small(_) => None,
        Content::Blob(blob) => content::sums(db, blob, &found.file)?,
    };
    Ok(OpenFile {
        file: found.file,
        content,
        blocks,
    })
}

/// The row of a file.
struct Found {
    file: File,
    kept: Kept,
    /// Whether it has its checksum.
    valid: bool,
}

fn find(db: &Connection, tree: i64, path: &FilePath) -> Result<Option<Found>> {
    static QUERY: LazyLock<String> = LazyLock::new(|| {
        let sum = row_sums::expression("entries", "");
        format!(
            "SELECT size, etag, modified, crc64, blob, small, sum = {sum} FROM entries
             WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 0"
        )
    });
    let found = db
        .prepare_cached(&QUERY)?
        .query_row(params![tree, path.parent().as_str(), path.name()], |row| {
            let file = File {
                size: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
                etag: row.get(1)?,
                modified: Micros(row.get(2)?),
                crc64: row.get::<_, Option<i64>>(3)?.map(i64::cast_unsigned),
            };
            Ok(Found {
                file,
                kept: Kept::of(row, 4)?,
                valid: row.get(6)?,
            })
        })
        .optional()?;
    Ok(found)
}

pub(super) fn put(
    db: &Connection,
    key: &FileKey,
    new: &NewFile,
    conditions: &Conditions,
    now: Micros,
) -> Result<bool> {
    let (tree, state) = signed_tree(db, key)?;
    if state == State::Clearing {
        return Err(StoreError::Stale);
    }
    let before = find(db, tree, &key.path)?;
    if !conditions.hold(before.as_ref().map(|found| found.file.etag.as_str())) {
        return Err(StoreError::Precondition);
    }
    let modified = modified_after(before.as_ref(), now);
    let sums = &new.sums;
    let size = i64::try_from(sums.size)
        .map_err(|_| StoreError::Failed("the file is too large".to_owned()))?;
    let (parent, name) = (key.path.parent(), key.path.name());
    let replaced = before.is_some();
    if let Some(found) = before {
        content::release(db, found.kept)?;
    }
    crash::point("put-before-row");
    let kept = content::keep(db, &new.content)?;
    if let (Some(blob), Some(blocks)) = (&kept.blob, &new.blocks) {
        content::keep_sums(db, blob, sums.crc64, blocks)?;
    }
    match replaced {
        true => {
            db.prepare_cached(
                "UPDATE entries SET size = ?4, etag = ?5, sha256 = ?6, blob = ?7, modified = ?8, crc64 = ?9, small = ?10
                 WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 0",
            )?
            .execute(params![
                tree,
                parent.as_str(),
                name,
                size,
                sums.etag,
                sums.sha256,
                kept.blob,
                modified.0,
                sums.crc64.cast_signed(),
                kept.small
            ])?;
        }
        false => {
            db.prepare_cached(
                "INSERT INTO entries (tree, parent, name, folder, id, created, modified, size, etag, sha256, blob,
                                      crc64, small)
                 VALUES (?1, ?2, ?3, 0, ?4, ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                tree,
                parent.as_str(),
                name,
                format!("file-{}", alphanumeric(20)?),
                now.0,
                size,
                sums.etag,
                sums.sha256,
                kept.blob,
                sums.crc64.cast_signed(),
                kept.small
            ])?;
            crash::point("put-before-count");
            count_child(db, tree, parent, name, now)?;
        }
    }
    touch(db, &key.tenant, &key.context, now)?;
    crash::point("put-after-row");
    Ok(replaced)
}

/// When a file that replaces another was modified: later than the one before, also where the clock was set back.
fn modified_after(before: Option<&Found>, now: Micros) -> Micros {
    match before {
        // A damaged row says nothing about the time.
        Some(found) if found.valid => now.max(Micros(found.file.modified.0.saturating_add(1))),
        _ => now,
    }
}

pub(super) fn delete(
    db: &Connection,
    tenant: &Tenant,
    context: &str,
    path: &FilePath,
    now: Micros,
) -> Result<()> {
    let tree = place(db, tenant, context)?.tree;
    let parent = path.parent();
    let kept = db
        .prepare_cached(
            "DELETE FROM entries WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 0 RETURNING blob, small",
        )?
        .query_row(params![tree, parent.as_str(), path.name()], |row| Kept::of(row, 0))
        .optional()?
        .ok_or(StoreError::NoFile)?;
    content::release(db, kept)?;
    crash::point("delete-before-count");
    discount_child(db, tree, parent, path.name(), now)?;
    touch(db, tenant, context, now)?;
    crash::point("delete-after-row");
    Ok(())
}

fn touch(db: &Connection, tenant: &Tenant, context: &str, now: Micros) -> Result<()> {
    super::contexts::touch(db, tenant, context, now)
}

/// Notes a new file in a folder; a folder that had nothing comes into being, in its own parent too, up to the root.
fn count_child(
    db: &Connection,
    tree: i64,
    folder: FolderPath,
    child: &str,
    now: Micros,
) -> Result<()> {
    let mut next = Some((folder, file_key(child)));
    while let Some((folder, child)) = next {
        let (parent, name) = folder.place();
        let count = db
            .prepare_cached(
                "UPDATE entries SET child_count = child_count + 1, modified = max(modified, ?4)
                 WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 1 RETURNING child_count",
            )?
            .query_row(params![tree, parent, name, now.0], |row| row.get(0))
            .optional()?;
        let path = folder.as_str();
        if let Some(count) = count {
            return marks::added(db, marks::Place { tree, path }, &child, count);
        }
        db.prepare_cached(
            "INSERT INTO entries (tree, parent, name, folder, id, created, modified, child_count)
             VALUES (?1, ?2, ?3, 1, ?4, ?5, ?5, 1)",
        )?
        .execute(params![
            tree,
            parent,
            name,
            format!("folder-{}", alphanumeric(20)?),
            now.0
        ])?;
        next = folder.parent().map(|above| (above, folder_key(name)));
    }
    Ok(())
}

/// Notes that a file of a folder went; a folder goes with its last child, in its own parent too, but the root stays.
fn discount_child(
    db: &Connection,
    tree: i64,
    folder: FolderPath,
    child: &str,
    now: Micros,
) -> Result<()> {
    let mut next = Some((folder, file_key(child)));
    while let Some((folder, child)) = next {
        let (parent, name) = folder.place();
        let left: i64 = db
            .prepare_cached(
                "UPDATE entries SET child_count = child_count - 1, modified = max(modified, ?4)
                 WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 1 RETURNING child_count",
            )?
            .query_row(params![tree, parent, name, now.0], |row| row.get(0))?;
        let path = folder.as_str();
        marks::removed(db, marks::Place { tree, path }, &child, left)?;
        if left > 0 || folder.is_root() {
            return Ok(());
        }
        db.prepare_cached(
            "DELETE FROM entries WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 1",
        )?
        .execute(params![tree, parent, name])?;
        next = folder.parent().map(|above| (above, folder_key(name)));
    }
    Ok(())
}

fn file_key(name: &str) -> Key {
    Key {
        name: name.to_owned(),
        folder: false,
    }
}

fn folder_key(name: &str) -> Key {
    Key {
        name: name.to_owned(),
        folder: true,
    }
}
