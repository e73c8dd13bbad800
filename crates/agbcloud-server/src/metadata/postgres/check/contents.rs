//! Checks which contents the files reference, and reads the rows of all files.

use bytes::Bytes;
use tokio_postgres::Row;

use super::{Damage, Repair, Snapshot};
use crate::blobs::BlockChecksums;
use crate::metadata::check::{ProblemKind, StoredFile};
use crate::metadata::postgres::connection::Failure;
use crate::metadata::record::join;
use crate::metadata::{Content, Result};
use crate::names::{FilePath, FolderPath};

/// Number of files that are read at once, with their contents in the database.
const FILES: usize = 64;

/// A file, and what else its content must match.
pub(crate) struct CheckedFile {
    pub(crate) file: StoredFile,
    /// The checksums of the blocks of the blob; `None` if they are not stored.
    pub(crate) blocks: Option<StoredBlocks>,
    /// Whether the name is invalid, although the folder is valid.
    pub(crate) is_misnamed: bool,
}

/// A row of the table `block_sums`.
pub(crate) struct StoredBlocks {
    crc64: u64,
    sums: Vec<u8>,
}

impl StoredBlocks {
    /// Whether these are the checksums of a blob.
    pub(crate) fn match_blob(&self, crc64: u64, blocks: &BlockChecksums) -> bool {
        self.crc64 == crc64 && self.sums == blocks.as_bytes()
    }
}

impl Snapshot {
    /// Checks that every content belongs to one file, and that no referenced blob is queued for deletion.
    pub(super) async fn content_references(&mut self) -> Result<Vec<Damage>, Failure> {
        let mut damage = Vec::new();
        for column in ["inline", "blob"] {
            let shared = self
                .query(&format!(
                    "SELECT contexts.id, parent, entries.name, shared.files
                     FROM (SELECT {column}, count(*) AS files FROM entries WHERE {column} IS NOT NULL
                           GROUP BY {column} HAVING count(*) > 1) AS shared
                     JOIN entries USING ({column})
                     LEFT JOIN contexts ON contexts.tenant = entries.tenant AND contexts.tree = entries.tree
                     ORDER BY shared.{column}, contexts.id, parent, entries.name"
                ))
                .await?;
            for row in shared {
                let problem = ProblemKind::SharedContent(row.try_get(3)?);
                let problem = problem.at(row.try_get(0)?, Some(path(&row)?));
                damage.push(Damage::lasting(problem));
            }
        }
        let doomed = self
            .query(
                "SELECT contexts.id, parent, entries.name, contexts.tenant, blob
                 FROM entries JOIN contexts ON contexts.tenant = entries.tenant AND contexts.tree = entries.tree
                 WHERE blob IN (SELECT blob FROM dead_blobs UNION ALL SELECT blob FROM quarantine
                                UNION ALL SELECT blob FROM uploads)",
            )
            .await?;
        for row in doomed {
            let problem = ProblemKind::DoomedContent.at(row.try_get(0)?, Some(path(&row)?));
            let repair = Repair::DoomedBlob {
                tenant: row.try_get(3)?,
                blob: row.try_get(4)?,
            };
            damage.push(Damage::new(problem, repair));
        }
        Ok(damage)
    }

    /// Starts to read the files of all contexts.
    pub(crate) async fn open_files(&mut self) -> Result<()> {
        self.open_cursor(
            "SELECT contexts.id, parent, entries.name, size, etag, sha256, entries.crc64, entries.blob, contents.bytes,
                    block_sums.crc64, block_sums.sums
             FROM entries JOIN contexts ON contexts.tenant = entries.tenant AND contexts.tree = entries.tree
             LEFT JOIN contents ON contents.pk = inline AND contents.tenant = entries.tenant
             LEFT JOIN block_sums ON block_sums.blob = entries.blob AND block_sums.tenant = entries.tenant
             WHERE NOT folder",
        )
        .await
        .map_err(Failure::into_store_error)
    }

    /// Returns the next files. None are left if there are none.
    pub(crate) async fn next_files(&mut self) -> Result<Vec<CheckedFile>> {
        let rows = self.fetch(FILES).await;
        let files = rows.and_then(|rows| rows.iter().map(checked_file).collect());
        files.map_err(Failure::into_store_error)
    }
}

/// Joins the columns `parent` and `name`, which are the second and third ones.
fn path(row: &Row) -> Result<String, Failure> {
    Ok(join(row.try_get(1)?, row.try_get(2)?))
}

fn checked_file(row: &Row) -> Result<CheckedFile, Failure> {
    let (blob, inline): (Option<String>, Option<Vec<u8>>) = (row.try_get(7)?, row.try_get(8)?);
    let (crc64, sums): (Option<i64>, Option<Vec<u8>>) = (row.try_get(9)?, row.try_get(10)?);
    let path = path(row)?;
    let (parent, name): (&str, &str) = (row.try_get(1)?, row.try_get(2)?);
    // An invalid folder has a finding of its own.
    let in_folder = FolderPath::parse(parent).is_some_and(|folder| folder.as_str() == parent);
    let is_valid = FilePath::parse(&path).is_some_and(|path| path.name() == name);
    Ok(CheckedFile {
        blocks: match (crc64, sums) {
            (Some(crc64), Some(sums)) => Some(StoredBlocks {
                crc64: crc64.cast_unsigned(),
                sums,
            }),
            _ => None,
        },
        is_misnamed: in_folder && !is_valid,
        file: StoredFile {
            context: row.try_get(0)?,
            path,
            size: u64::try_from(row.try_get::<_, i64>(3)?).unwrap_or(0),
            etag: row.try_get::<_, Option<String>>(4)?.unwrap_or_default(),
            sha256: row.try_get(5)?,
            crc64: row.try_get::<_, Option<i64>>(6)?.map(i64::cast_unsigned),
            content: match (blob, inline) {
                (Some(blob), _) => Some(Content::Blob(blob)),
                (None, inline) => inline.map(|bytes| Content::Inline(Bytes::from(bytes))),
            },
        },
    })
}
