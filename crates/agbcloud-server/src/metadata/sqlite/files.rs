//! The statements about files, folders and contents. All of them start at a context of the tenant.

use std::sync::LazyLock;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::offset_index::OffsetIndex;
use super::{contexts, row_checksums, usage};
use crate::blobs::BlockChecksums;
use crate::crash;
use crate::metadata::offset_index::EntryKey;
use crate::metadata::record::{FileRecord, FolderRecord};
use crate::metadata::{
    Conditions, Content, ContextState, File, FileKey, FilePage, ListedEntry, NewFile, OpenFile,
    PreparedUpload, Quotas, Result, StoreError,
};
use crate::names::{FilePath, FolderPath};
use crate::signing::Tenant;
use crate::system::clock::Micros;
use crate::system::random::alphanumeric;

pub(super) fn list(
    db: &Connection,
    tenant: &Tenant,
    context: &str,
    folder: &FolderPath,
    offset: i64,
    limit: u32,
) -> Result<FilePage> {
    let tree = contexts::find(db, tenant, context)?.tree;
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
    let (start, skip) = OffsetIndex { db, tree, path }.seek(offset)?;
    let mut query = db.prepare_cached(
        "SELECT id, name, folder, size, created, modified, etag, crc64 FROM entries
         WHERE tree = ?1 AND parent = ?2 AND (name, folder) >= (?3, ?4) ORDER BY name, folder LIMIT ?5 OFFSET ?6",
    )?;
    let parameters = params![tree, path, start.name, start.folder, limit, skip];
    let entries = query
        .query_map(parameters, |row| {
            Ok(ListedEntry {
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

/// Returns the tree that a URL was signed for. Fails if the context has another one.
fn signed_tree(db: &Connection, key: &FileKey) -> Result<(i64, ContextState)> {
    match contexts::find(db, &key.tenant, &key.context) {
        Ok(context) if context.generation == key.generation => Ok((context.tree, context.state)),
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
        return Err(StoreError::Damaged(
            "the row of the file does not match its checksum",
        ));
    }
    let content = read_content(db, found.content)?;
    let blocks = match &content {
        Content::Inline(_) => None,
        Content::Blob(blob) => block_checksums(db, blob, &found.file)?,
    };
    Ok(OpenFile {
        file: found.file,
        content,
        blocks,
    })
}

/// The row of a file.
struct FileRow {
    file: File,
    content: ContentRef,
    /// Whether the row matches its checksum.
    valid: bool,
}

fn find(db: &Connection, tree: i64, path: &FilePath) -> Result<Option<FileRow>> {
    static QUERY: LazyLock<String> = LazyLock::new(|| {
        let sum = row_checksums::expression("entries", "");
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
            Ok(FileRow {
                file,
                content: ContentRef::from_row(row, 4)?,
                valid: row.get(6)?,
            })
        })
        .optional()?;
    Ok(found)
}

/// Returns the state before an upload of `size` bytes. Fails if it would exceed a quota.
pub(super) fn prepare(
    db: &Connection,
    key: &FileKey,
    size: u64,
    quotas: &Quotas,
) -> Result<PreparedUpload> {
    let (tree, _) = signed_tree(db, key)?;
    let replaced = find(db, tree, &key.path)?.map(|found| found.file);
    let size_before = replaced.as_ref().map(|file| file.size);
    let (tenant, context) = usage::check_quotas(db, &key.tenant, tree, quotas, size, size_before)?;
    Ok(PreparedUpload {
        replaced,
        tenant,
        context,
    })
}

pub(super) fn put(
    db: &Connection,
    key: &FileKey,
    new: &NewFile,
    conditions: &Conditions,
    quotas: &Quotas,
    now: Micros,
) -> Result<bool> {
    let (tree, state) = signed_tree(db, key)?;
    if state == ContextState::Clearing {
        return Err(StoreError::Stale);
    }
    let before = find(db, tree, &key.path)?;
    if !conditions.are_met_by(before.as_ref().map(|found| found.file.etag.as_str())) {
        return Err(StoreError::Precondition);
    }
    let size_before = before.as_ref().map(|found| found.file.size);
    let size = new.checksums.size;
    usage::check_quotas(db, &key.tenant, tree, quotas, size, size_before)?;
    let modified = modified_after(before.as_ref(), now);
    let checksums = &new.checksums;
    let size = i64::try_from(checksums.size)
        .map_err(|_| StoreError::Failed("the file is too large".to_owned()))?;
    let (parent, name) = (key.path.parent(), key.path.name());
    let replaced = before.is_some();
    if let Some(found) = before {
        release(db, found.content)?;
    }
    crash::point("put-before-row");
    let content = store_content(db, &new.content)?;
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
                checksums.etag,
                checksums.sha256,
                content.blob,
                modified.0,
                checksums.crc64.cast_signed(),
                content.inline
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
                checksums.etag,
                checksums.sha256,
                content.blob,
                checksums.crc64.cast_signed(),
                content.inline
            ])?;
            crash::point("put-before-count");
            count_child(db, tree, parent, name, now)?;
        }
    }
    if let (Some(blob), Some(blocks)) = (&content.blob, &new.blocks) {
        store_block_checksums(db, blob, checksums.crc64, blocks)?;
    }
    contexts::touch(db, &key.tenant, &key.context, now)?;
    crash::point("put-after-row");
    Ok(replaced)
}

/// Writes a folder of another store.
pub(super) fn import_folder(db: &Connection, tree: i64, folder: &FolderRecord) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO entries (tree, parent, name, folder, id, created, modified, child_count)
         VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        tree,
        folder.parent,
        folder.name,
        folder.id,
        folder.created.0,
        folder.modified.0,
        folder.entries
    ])?;
    Ok(())
}

/// Writes a file of another store. Its folder counts it already.
pub(super) fn import_file(
    db: &Connection,
    tree: i64,
    file: &FileRecord,
    content: &Content,
) -> Result<()> {
    let content = store_content(db, content)?;
    let size = i64::try_from(file.size)
        .map_err(|_| StoreError::Failed("the file is too large".to_owned()))?;
    db.prepare_cached(
        "INSERT INTO entries (tree, parent, name, folder, id, created, modified, size, etag, sha256, blob, crc64,
                              small)
         VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        tree,
        file.parent,
        file.name,
        file.id,
        file.created.0,
        file.modified.0,
        size,
        file.etag,
        file.sha256,
        content.blob,
        file.crc64.map(u64::cast_signed),
        content.inline
    ])?;
    Ok(())
}

/// The modification time of a new or replaced file. The time of a damaged row is unreliable.
fn modified_after(before: Option<&FileRow>, now: Micros) -> Micros {
    let valid = before.filter(|found| found.valid);
    now.after_previous(valid.map(|found| found.file.modified))
}

pub(super) fn delete(
    db: &Connection,
    tenant: &Tenant,
    context: &str,
    path: &FilePath,
    now: Micros,
) -> Result<()> {
    let tree = contexts::find(db, tenant, context)?.tree;
    let parent = path.parent();
    let content = db
        .prepare_cached(
            "DELETE FROM entries WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 0 RETURNING blob, small",
        )?
        .query_row(params![tree, parent.as_str(), path.name()], |row| ContentRef::from_row(row, 0))
        .optional()?
        .ok_or(StoreError::NoFile)?;
    release(db, content)?;
    crash::point("delete-before-count");
    uncount_child(db, tree, parent, path.name(), now)?;
    contexts::touch(db, tenant, context, now)?;
    crash::point("delete-after-row");
    Ok(())
}

/// Counts a new file in its folder. Creates missing folders up to the root.
fn count_child(
    db: &Connection,
    tree: i64,
    folder: FolderPath,
    child: &str,
    now: Micros,
) -> Result<()> {
    let mut next = Some((folder, EntryKey::file(child)));
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
            return OffsetIndex { db, tree, path }.insert(&child, count);
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
        next = folder.parent().map(|above| (above, EntryKey::folder(name)));
    }
    Ok(())
}

/// Removes a file from the count of its folder. Deletes folders that are now empty, except the root.
fn uncount_child(
    db: &Connection,
    tree: i64,
    folder: FolderPath,
    child: &str,
    now: Micros,
) -> Result<()> {
    let mut next = Some((folder, EntryKey::file(child)));
    while let Some((folder, child)) = next {
        let (parent, name) = folder.place();
        let left: i64 = db
            .prepare_cached(
                "UPDATE entries SET child_count = child_count - 1, modified = max(modified, ?4)
                 WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 1 RETURNING child_count",
            )?
            .query_row(params![tree, parent, name, now.0], |row| row.get(0))?;
        let path = folder.as_str();
        OffsetIndex { db, tree, path }.remove(&child, left)?;
        if left > 0 || folder.is_root() {
            return Ok(());
        }
        db.prepare_cached(
            "DELETE FROM entries WHERE tree = ?1 AND parent = ?2 AND name = ?3 AND folder = 1",
        )?
        .execute(params![tree, parent, name])?;
        next = folder.parent().map(|above| (above, EntryKey::folder(name)));
    }
    Ok(())
}

/// The content columns of a file's row. A folder has none.
pub(super) struct ContentRef {
    pub(super) blob: Option<String>,
    /// The key of an inline content in the table `contents`.
    pub(super) inline: Option<i64>,
}

impl ContentRef {
    /// Reads the columns `blob` and `small`, starting at the column `first`.
    pub(super) fn from_row(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            blob: row.get(first)?,
            inline: row.get(first + 1)?,
        })
    }
}

/// Stores an inline content, or refers to a blob. The caller stores the row of the file in the same transaction.
fn store_content(db: &Connection, content: &Content) -> Result<ContentRef> {
    Ok(match content {
        Content::Inline(bytes) => {
            db.prepare_cached("INSERT INTO contents (bytes) VALUES (?1)")?
                .execute([&bytes[..]])?;
            ContentRef {
                blob: None,
                inline: Some(db.last_insert_rowid()),
            }
        }
        Content::Blob(blob) => ContentRef {
            blob: Some(blob.clone()),
            inline: None,
        },
    })
}

fn read_content(db: &Connection, content: ContentRef) -> Result<Content> {
    if let Some(inline) = content.inline {
        let bytes: Vec<u8> = db
            .prepare_cached("SELECT bytes FROM contents WHERE pk = ?1")?
            .query_row([inline], |row| row.get(0))?;
        return Ok(Content::Inline(Bytes::from(bytes)));
    }
    let missing = || StoreError::Failed("the row of the file references no content".to_owned());
    content.blob.map(Content::Blob).ok_or_else(missing)
}

/// Deletes an inline content, or queues a blob for deletion.
pub(super) fn release(db: &Connection, content: ContentRef) -> Result<()> {
    if let Some(inline) = content.inline {
        db.prepare_cached("DELETE FROM contents WHERE pk = ?1")?
            .execute([inline])?;
    }
    if let Some(blob) = content.blob {
        db.prepare_cached("DELETE FROM block_sums WHERE blob = ?1")?
            .execute([&blob])?;
        // A damaged database may have queued it before.
        db.prepare_cached("INSERT OR IGNORE INTO dead_blobs (blob) VALUES (?1)")?
            .execute([blob])?;
    }
    Ok(())
}

/// Stores the block checksums of a blob with the CRC-64 of the whole blob, if a file references it.
pub(super) fn store_block_checksums(
    db: &Connection,
    blob: &str,
    crc64: u64,
    checksums: &BlockChecksums,
) -> Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO block_sums (blob, crc64, sums)
         SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM entries WHERE blob = ?1)",
    )?
    .execute(params![blob, crc64.cast_signed(), checksums.as_bytes()])?;
    Ok(())
}

/// Returns the block checksums of a blob. `None` for a blob of an older version.
fn block_checksums(db: &Connection, blob: &str, file: &File) -> Result<Option<BlockChecksums>> {
    static QUERY: LazyLock<String> = LazyLock::new(|| {
        let sum = row_checksums::expression("block_sums", "");
        format!("SELECT crc64, sums, sum = {sum} FROM block_sums WHERE blob = ?1")
    });
    let found = db
        .prepare_cached(&QUERY)?
        .query_row([blob], |row| {
            let crc64 = row.get::<_, i64>(0)?.cast_unsigned();
            Ok((crc64, row.get::<_, Vec<u8>>(1)?, row.get::<_, bool>(2)?))
        })
        .optional()?;
    let Some((crc64, checksums, valid)) = found else {
        return Ok(None);
    };
    let belongs = valid && file.crc64.is_none_or(|whole| whole == crc64);
    match BlockChecksums::from_bytes(&checksums, file.size) {
        Some(checksums) if belongs => Ok(Some(checksums)),
        _ => Err(StoreError::Damaged(
            "the checksums of the blocks do not belong to the file",
        )),
    }
}
