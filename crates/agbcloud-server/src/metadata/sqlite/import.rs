//! Writes a whole store into a new database.
//!
//! Until everything is written and verified, the row `importing` of the table `meta` names the source. No service uses such a
//! store, and an import from the same source starts its rows again.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::meta::{self, DatabaseError};
use super::offset_index::OffsetIndex;
use super::{contexts, deletion_queue, files, open, row_checksums, schema};
use crate::durability::Durability;
use crate::markers::DatabaseMarker;
use crate::metadata::record::{
    BlobChecksums, ContentRecord, FileRecord, ImportSource, Record, StoreIdentity,
};
use crate::metadata::{Content, Result, StoreError};

/// A database that is being filled. The caller holds the lock on its folder.
pub(crate) struct Import {
    db: Connection,
    /// The tree of the last context.
    tree: i64,
    /// The folder of the last entry, and the number of its entries so far.
    folder: Option<(String, i64)>,
}

/// The start of an import.
pub(crate) struct StartedImport {
    pub(crate) import: Import,
    pub(crate) marker: DatabaseMarker,
    /// Whether an earlier attempt has left contents.
    pub(crate) resumed: bool,
}

impl Import {
    /// Creates the store, or continues an import from the same source. Fails with [`DatabaseError::NotEmpty`] if there is another
    /// store, and with [`DatabaseError::OtherImport`] if there is an import from another source.
    pub(crate) fn start(
        database: &Path,
        source: &ImportSource,
        store: &StoreIdentity,
    ) -> Result<StartedImport, DatabaseError> {
        let mut db = open::connect(database, Durability::Strict)?;
        // Not while tables are dropped.
        db.pragma_update(None, "foreign_keys", false)?;
        row_checksums::register(&db)?;
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let known = match schema::is_empty(&transaction)? {
            true => None,
            false => match meta::importing(&transaction)? {
                None => return Err(DatabaseError::NotEmpty),
                Some(found) if found != *source => return Err(DatabaseError::OtherImport),
                Some(_) => {
                    let marker = meta::marker(&transaction)?;
                    schema::drop_all(&transaction)?;
                    marker
                }
            },
        };
        let resumed = known.is_some();
        schema::migrate(&transaction, || false)?;
        row_checksums::create_triggers(&transaction)?;
        meta::set_secret(&transaction, &store.secret)?;
        meta::set_importing(&transaction, source)?;
        let marker = meta::start_run_of(&transaction, store.id, known)?;
        transaction.commit()?;
        db.pragma_update(None, "foreign_keys", true)?;
        db.set_prepared_statement_cache_capacity(64);
        let import = Self {
            db,
            tree: 0,
            folder: None,
        };
        Ok(StartedImport {
            import,
            marker,
            resumed,
        })
    }

    /// Writes records in one transaction. Their blobs are stored already, with these checksums by key.
    pub(crate) fn write(
        &mut self,
        records: &[Record],
        blobs: &HashMap<String, BlobChecksums>,
    ) -> Result<()> {
        let (mut tree, mut folder) = (self.tree, self.folder.take());
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for record in records {
            let parent = match record {
                // SQLite stores no keys.
                Record::Key(_) => continue,
                Record::Context(context) => {
                    index(&transaction, tree, folder.take())?;
                    tree = contexts::import(&transaction, context)?;
                    continue;
                }
                Record::Folder(entry) => {
                    files::import_folder(&transaction, tree, entry)?;
                    &entry.parent
                }
                Record::File(file) => {
                    write_file(&transaction, tree, file, blobs)?;
                    &file.parent
                }
            };
            match &mut folder {
                Some((last, count)) if last == parent => *count += 1,
                _ => index(&transaction, tree, folder.replace((parent.clone(), 1)))?,
            }
        }
        transaction.commit()?;
        (self.tree, self.folder) = (tree, folder);
        Ok(())
    }

    /// Returns those of the blobs that no file references.
    pub(crate) fn unreferenced_blobs(&self, blobs: Vec<String>) -> Result<Vec<String>> {
        deletion_queue::unreferenced_blobs(&self.db, blobs)
    }

    /// Completes the rows. The store stays closed to services.
    pub(crate) fn complete(&mut self) -> Result<()> {
        let transaction = self.db.transaction()?;
        index(&transaction, self.tree, self.folder.take())?;
        transaction.commit()?;
        Ok(())
    }

    /// Opens the store to services.
    pub(crate) fn publish(self) -> Result<()> {
        meta::clear_importing(&self.db)?;
        // The last connection moves the log into the database.
        self.db
            .close()
            .map_err(|(_, error)| StoreError::from(error))
    }
}

/// Creates the offset index of a folder whose entries are all written.
fn index(transaction: &Transaction<'_>, tree: i64, folder: Option<(String, i64)>) -> Result<()> {
    let Some((path, count)) = folder else {
        return Ok(());
    };
    let index = OffsetIndex {
        db: transaction,
        tree,
        path: &path,
    };
    index.build_if_large(count)
}

fn write_file(
    transaction: &Transaction<'_>,
    tree: i64,
    file: &FileRecord,
    blobs: &HashMap<String, BlobChecksums>,
) -> Result<()> {
    let content = match &file.content {
        ContentRecord::Inline(bytes) => Content::Inline(bytes.clone()),
        ContentRecord::Blob(blob) => Content::Blob(blob.clone()),
    };
    files::import_file(transaction, tree, file, &content)?;
    if let Content::Blob(blob) = &content
        && let Some(checksums) = blobs.get(blob)
    {
        files::store_block_checksums(transaction, blob, checksums.crc64, &checksums.blocks)?;
    }
    Ok(())
}
