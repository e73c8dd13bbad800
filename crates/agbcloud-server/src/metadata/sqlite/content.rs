//! Where the content of a file is: in a table of its own if it is small, else in a blob.

use std::sync::LazyLock;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::row_sums;
use crate::blobs::BlockSums;
use crate::metadata::{Content, File, Result, StoreError};

/// What a file's row says about its content: one of the two, and neither for a folder.
pub(super) struct Kept {
    pub(super) blob: Option<String>,
    /// Key in the table `contents`.
    pub(super) small: Option<i64>,
}

impl Kept {
    /// From the columns `blob` and `small`, which stand in this order from `first` on.
    pub(super) fn of(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            blob: row.get(first)?,
            small: row.get(first + 1)?,
        })
    }
}

/// Stores a small content, or notes the blob. The row that names it has to be written in the same transaction.
pub(super) fn keep(db: &Connection, content: &Content) -> Result<Kept> {
    Ok(match content {
        Content::Small(bytes) => {
            db.prepare_cached("INSERT INTO contents (bytes) VALUES (?1)")?
                .execute([&bytes[..]])?;
            Kept {
                blob: None,
                small: Some(db.last_insert_rowid()),
            }
        }
        Content::Blob(blob) => Kept {
            blob: Some(blob.clone()),
            small: None,
        },
    })
}

pub(super) fn read(db: &Connection, kept: Kept) -> Result<Content> {
    if let Some(small) = kept.small {
        let bytes: Vec<u8> = db
            .prepare_cached("SELECT bytes FROM contents WHERE pk = ?1")?
            .query_row([small], |row| row.get(0))?;
        return Ok(Content::Small(Bytes::from(bytes)));
    }
    let lost = || StoreError::Failed("a file's row names no content".to_owned());
    kept.blob.map(Content::Blob).ok_or_else(lost)
}

/// Deletes a small content, and hands a blob to the worker: nothing names them any more.
pub(super) fn release(db: &Connection, kept: Kept) -> Result<()> {
    if let Some(small) = kept.small {
        db.prepare_cached("DELETE FROM contents WHERE pk = ?1")?
            .execute([small])?;
    }
    if let Some(blob) = kept.blob {
        db.prepare_cached("DELETE FROM block_sums WHERE blob = ?1")?
            .execute([&blob])?;
        // It is there already if the store is damaged so that it was taken for dead before.
        db.prepare_cached("INSERT OR IGNORE INTO dead_blobs (blob) VALUES (?1)")?
            .execute([blob])?;
    }
    Ok(())
}

/// Keeps the sums of the blocks of a blob, with the checksum of the whole that they belong to.
pub(super) fn keep_sums(db: &Connection, blob: &str, crc64: u64, sums: &BlockSums) -> Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO block_sums (blob, crc64, sums) VALUES (?1, ?2, ?3)")?
        .execute(params![blob, crc64.cast_signed(), sums.as_bytes()])?;
    Ok(())
}

/// The same for a blob that was there before, unless its file was deleted or replaced meanwhile.
pub(super) fn keep_late_sums(
    db: &Connection,
    blob: &str,
    crc64: u64,
    sums: &BlockSums,
) -> Result<()> {
    let named: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM entries WHERE blob = ?1)")?
        .query_row([blob], |row| row.get(0))?;
    match named {
        true => keep_sums(db, blob, crc64, sums),
        false => Ok(()),
    }
}

/// The sums of the blocks of the blob of a file; none if they are not known yet.
pub(super) fn sums(db: &Connection, blob: &str, file: &File) -> Result<Option<BlockSums>> {
    static QUERY: LazyLock<String> = LazyLock::new(|| {
        let sum = row_sums::expression("block_sums", "");
        format!("SELECT crc64, sums, sum = {sum} FROM block_sums WHERE blob = ?1")
    });
    let found = db
        .prepare_cached(&QUERY)?
        .query_row([blob], |row| {
            let crc64 = row.get::<_, i64>(0)?.cast_unsigned();
            Ok((crc64, row.get::<_, Vec<u8>>(1)?, row.get::<_, bool>(2)?))
        })
        .optional()?;
    let Some((crc64, sums, valid)) = found else {
        return Ok(None);
    };
    if !valid || file.crc64.is_some_and(|whole| whole != crc64) {
        return Err(StoreError::Damaged(
            "the checksums of the blocks do not belong to the file",
        ));
    }
    match BlockSums::of(&sums, file.size) {
        Some(sums) => Ok(Some(sums)),
        None => Err(StoreError::Damaged(
            "the checksums of the blocks do not fit the size of the file",
        )),
    }
}
