//! Writes records of an import in one transaction.

use std::collections::HashMap;

use super::super::connection::{Failure, Session, Statement, Value};
use super::super::{meta, tenants};
use crate::metadata::StoreError;
use crate::metadata::offset_index::MAX_UNINDEXED;
use crate::metadata::record::{
    BlobChecksums, ContentRecord, ContextRecord, FileRecord, KeyRecord, Record,
};

/// Where the next record belongs.
#[derive(Debug, Clone, Default)]
pub(super) struct Position {
    tenant: i64,
    tree: i64,
    /// The folder of the last entry, and the number of its entries so far.
    folder: Option<(String, i64)>,
}

impl Position {
    /// Counts an entry. Returns the folder of the last entry if it is another, large one.
    fn add_entry(&mut self, parent: &str) -> Option<LargeFolder> {
        match &mut self.folder {
            Some((last, count)) if last == parent => {
                *count += 1;
                None
            }
            _ => {
                let ended = self.end_folder();
                self.folder = Some((parent.to_owned(), 1));
                ended
            }
        }
    }

    /// Ends the folder of the last entry. Returns it if it is large.
    pub(super) fn end_folder(&mut self) -> Option<LargeFolder> {
        let (path, count) = self.folder.take()?;
        (count > MAX_UNINDEXED).then_some(LargeFolder {
            tenant: self.tenant,
            tree: self.tree,
            path,
        })
    }
}

/// A folder that needs an offset index.
pub(super) struct LargeFolder {
    pub(super) tenant: i64,
    pub(super) tree: i64,
    pub(super) path: String,
}

/// A transaction that writes records.
pub(super) struct Batch<'a> {
    session: &'a Session,
    position: Position,
    /// Large folders whose entries are all written.
    large_folders: Vec<LargeFolder>,
    /// What was added to the tree since the last count.
    files: i64,
    bytes: i64,
}

impl<'a> Batch<'a> {
    pub(super) fn new(session: &'a Session, position: Position) -> Self {
        Self {
            session,
            position,
            large_folders: Vec::new(),
            files: 0,
            bytes: 0,
        }
    }

    /// Returns the position after the records, and the folders that need an index.
    pub(super) async fn finish(mut self) -> Result<(Position, Vec<LargeFolder>), Failure> {
        self.count().await?;
        Ok((self.position, self.large_folders))
    }

    pub(super) async fn write(
        &mut self,
        records: &[Record],
        blobs: &HashMap<String, BlobChecksums>,
    ) -> Result<(), Failure> {
        let mut statements: Vec<Statement<'_>> = Vec::new();
        for record in records {
            let parent = match record {
                Record::Key(key) => {
                    self.write_key(key).await?;
                    continue;
                }
                Record::Context(context) => {
                    self.session.execute_all(&statements).await?;
                    statements.clear();
                    self.count().await?;
                    self.large_folders.extend(self.position.end_folder());
                    self.write_context(context).await?;
                    continue;
                }
                Record::Folder(folder) => {
                    statements.push((
                        "INSERT INTO entries (tenant, tree, parent, name, folder, id, created, modified, child_count)
                         VALUES ($1, $2, $3, $4, true, $5, $6, $7, $8)",
                        vec![
                            Value::Int(self.position.tenant),
                            Value::Int(self.position.tree),
                            Value::Text(&folder.parent),
                            Value::Text(&folder.name),
                            Value::Text(&folder.id),
                            Value::Int(folder.created.0),
                            Value::Int(folder.modified.0),
                            Value::Int(folder.entries),
                        ],
                    ));
                    &folder.parent
                }
                Record::File(file) => {
                    self.add_file(file, blobs, &mut statements)?;
                    &file.parent
                }
            };
            self.large_folders.extend(self.position.add_entry(parent));
        }
        self.session.execute_all(&statements).await?;
        Ok(())
    }

    fn add_file<'b>(
        &mut self,
        file: &'b FileRecord,
        blobs: &'b HashMap<String, BlobChecksums>,
        statements: &mut Vec<Statement<'b>>,
    ) -> Result<(), Failure> {
        let too_large = |_| StoreError::Failed("the file is too large".to_owned());
        let size = i64::try_from(file.size).map_err(too_large)?;
        self.files += 1;
        self.bytes += size;
        let (blob, bytes) = match &file.content {
            ContentRecord::Blob(blob) => (Some(blob.as_str()), None),
            ContentRecord::Inline(bytes) => (None, Some(&bytes[..])),
        };
        statements.push((
            "WITH content AS (INSERT INTO contents (tenant, bytes) SELECT $1, $12 WHERE $13 RETURNING pk)
             INSERT INTO entries (tenant, tree, parent, name, folder, id, created, modified, size, etag, sha256, crc64, blob,
                                  inline)
             VALUES ($1, $2, $3, $4, false, $5, $6, $7, $8, $9, $10, CASE WHEN $15 THEN $14 END, $11,
                     (SELECT pk FROM content))",
            vec![
                Value::Int(self.position.tenant),
                Value::Int(self.position.tree),
                Value::Text(&file.parent),
                Value::Text(&file.name),
                Value::Text(&file.id),
                Value::Int(file.created.0),
                Value::Int(file.modified.0),
                Value::Int(size),
                Value::Text(&file.etag),
                Value::OptText(file.sha256.as_deref()),
                Value::OptText(blob),
                Value::Bytes(bytes.unwrap_or_default()),
                Value::Bool(bytes.is_some()),
                Value::Int(file.crc64.unwrap_or(0).cast_signed()),
                Value::Bool(file.crc64.is_some()),
            ],
        ));
        let Some(blob) = blob else {
            return Ok(());
        };
        statements.push((
            "DELETE FROM uploads WHERE blob = $1",
            vec![Value::Text(blob)],
        ));
        if let Some(checksums) = blobs.get(blob) {
            statements.push((
                "INSERT INTO block_sums (blob, tenant, crc64, sums) VALUES ($1, $2, $3, $4)",
                vec![
                    Value::Text(blob),
                    Value::Int(self.position.tenant),
                    Value::Int(checksums.crc64.cast_signed()),
                    Value::Bytes(checksums.blocks.as_bytes()),
                ],
            ));
        }
        Ok(())
    }

    async fn write_context(&mut self, context: &ContextRecord) -> Result<(), Failure> {
        let missing = || StoreError::Failed("a new row has no key".to_owned());
        let tenant = self
            .session
            .query_opt(
                "INSERT INTO tenants (pk, id, contexts) VALUES ($1, $2, 1)
                 ON CONFLICT (id) DO UPDATE SET contexts = tenants.contexts + 1 RETURNING pk",
                &[
                    Value::Int(tenants::new_key()?),
                    Value::Text(&context.tenant),
                ],
            )
            .await?;
        self.position.tenant = tenant.ok_or_else(missing)?.try_get(0)?;
        let tree = self
            .session
            .query_opt(
                "INSERT INTO trees (tenant, context) VALUES ($1, 0) RETURNING pk",
                &[Value::Int(self.position.tenant)],
            )
            .await?;
        self.position.tree = tree.ok_or_else(missing)?.try_get(0)?;
        self.session
            .execute(
                "WITH context AS (
                     INSERT INTO contexts (id, tenant, region, name, state, generation, tree, create_time, last_used)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING pk)
                 UPDATE trees SET context = (SELECT pk FROM context) WHERE pk = $7",
                &[
                    Value::Text(&context.id),
                    Value::Int(self.position.tenant),
                    Value::Text(&context.region),
                    Value::Text(&context.name),
                    Value::Text(ContextRecord::STATE.as_str()),
                    Value::Int(context.generation),
                    Value::Int(self.position.tree),
                    Value::Int(context.create_time.0),
                    Value::Int(context.last_used.0),
                ],
            )
            .await?;
        Ok(())
    }

    async fn write_key(&self, key: &KeyRecord) -> Result<(), Failure> {
        match key {
            KeyRecord::Required => meta::set(self.session, meta::REQUIRES_KEYS, "true").await,
            KeyRecord::Api { issuer, entry } => {
                let key = key.api_entry().ok_or_else(|| {
                    StoreError::Failed("the row of an API key is invalid".to_owned())
                })?;
                let insert =
                    "INSERT INTO api_keys (id, sha256, issuer, entry) VALUES ($1, $2, $3, $4)";
                let row = [
                    Value::Text(key.id()),
                    Value::Bytes(&key.hash()),
                    Value::Text(issuer),
                    Value::Text(entry),
                ];
                self.session.execute(insert, &row).await?;
                Ok(())
            }
            KeyRecord::Signing { entry } => {
                let insert = "INSERT INTO signing_keys (position, entry)
                              SELECT coalesce(max(position), 0) + 1, $1 FROM signing_keys";
                self.session.execute(insert, &[Value::Text(entry)]).await?;
                Ok(())
            }
        }
    }

    /// Adds the files to the counts of the tree and of the tenant.
    async fn count(&mut self) -> Result<(), Failure> {
        let (files, bytes) = (
            std::mem::take(&mut self.files),
            std::mem::take(&mut self.bytes),
        );
        if files == 0 {
            return Ok(());
        }
        let counts = [Value::Int(files), Value::Int(bytes)];
        let of = |key: i64| [&[Value::Int(key)][..], &counts].concat();
        self.session
            .execute_all(&[
                (
                    "UPDATE trees SET files = files + $2, bytes = bytes + $3 WHERE pk = $1",
                    of(self.position.tree),
                ),
                (
                    "UPDATE tenants SET files = files + $2, bytes = bytes + $3 WHERE pk = $1",
                    of(self.position.tenant),
                ),
            ])
            .await?;
        Ok(())
    }
}
