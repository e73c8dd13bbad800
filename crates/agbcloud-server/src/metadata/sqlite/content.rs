//! Where the content of a file is: in a table of its own if it is small, else in a blob.

use bytes::Bytes;
use rusqlite::{Connection, Row};

use crate::metadata::{Content, Result, StoreError};

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
        // It is there already if the store is damaged so that it was taken for dead before.
        db.prepare_cached("INSERT OR IGNORE INTO dead_blobs (blob) VALUES (?1)")?
            .execute([blob])?;
    }
    Ok(())
}
