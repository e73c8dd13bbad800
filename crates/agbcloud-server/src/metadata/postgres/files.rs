//! The statements about files and contents. All of them start at a context of the tenant.

use bytes::Bytes;
use tokio_postgres::Row;

use super::connection::{Failure, Session, Statement, Value};
use super::tenant_row::{TenantUsage, usage};
use super::{contexts, folders};
use crate::blobs::BlockChecksums;
use crate::crash;
use crate::metadata::{
    Conditions, Content, ContextState, File, FileKey, NewFile, OpenFile, PreparedUpload, Quotas,
    StoreError,
};
use crate::names::FilePath;
use crate::system::clock::Micros;
use crate::system::random::alphanumeric;

/// The columns of a file in a statement with a `LEFT JOIN`: all are null without a file.
pub(super) const FILE: &str = "entries.size, entries.etag, entries.modified, entries.crc64";

/// The entry at `parent` and `name` in the current tree of a context.
const JOIN_ENTRY: &str = "LEFT JOIN entries ON entries.tenant = $2 AND entries.tree = contexts.tree
    AND entries.parent = $3 AND entries.name = $4 AND entries.folder = false";

/// Parameters of statements with [`JOIN_ENTRY`].
struct Place<'a> {
    context: &'a str,
    tenant: i64,
    parent: String,
    name: &'a str,
}

impl<'a> Place<'a> {
    fn new(context: &'a str, tenant: i64, path: &'a FilePath) -> Self {
        Self {
            context,
            tenant,
            parent: path.parent().as_str().to_owned(),
            name: path.name(),
        }
    }

    fn values(&self) -> [Value<'_>; 4] {
        [
            Value::Text(self.context),
            Value::Int(self.tenant),
            Value::Text(&self.parent),
            Value::Text(self.name),
        ]
    }
}

/// Reads the columns of [`FILE`], starting at the column `first`. Returns `None` without a file.
pub(super) fn read_file(row: &Row, first: usize) -> Result<Option<File>, Failure> {
    let Some(etag) = row.try_get(first + 1)? else {
        return Ok(None);
    };
    Ok(Some(File {
        size: u64::try_from(row.try_get::<_, i64>(first)?).unwrap_or(0),
        etag,
        modified: Micros(row.try_get(first + 2)?),
        crc64: row
            .try_get::<_, Option<i64>>(first + 3)?
            .map(i64::cast_unsigned),
    }))
}

/// Returns the row if the context has the generation that a URL was signed for, which is in the first column.
fn signed<'a>(rows: &'a [Row], key: &FileKey) -> Result<&'a Row, Failure> {
    let row = rows.first().ok_or(StoreError::Stale)?;
    match row.try_get::<_, i64>(0)? == key.generation {
        true => Ok(row),
        false => Err(StoreError::Stale.into()),
    }
}

pub(super) async fn file(session: Session, tenant: i64, key: &FileKey) -> Result<File, Failure> {
    let place = Place::new(&key.context, tenant, &key.path);
    let query = format!(
        "SELECT generation, {FILE} FROM contexts {JOIN_ENTRY} WHERE contexts.id = $1 AND contexts.tenant = $2"
    );
    let rows = session.query_last(&query, &place.values()).await?;
    let row = signed(&rows, key)?;
    Ok(read_file(row, 1)?.ok_or(StoreError::NoFile)?)
}

pub(super) async fn open(
    session: Session,
    tenant: i64,
    key: &FileKey,
) -> Result<OpenFile, Failure> {
    let place = Place::new(&key.context, tenant, &key.path);
    let query = format!(
        "SELECT generation, {FILE}, entries.blob, contents.bytes, block_sums.crc64, block_sums.sums
         FROM contexts {JOIN_ENTRY}
         LEFT JOIN contents ON contents.pk = entries.inline AND contents.tenant = $2
         LEFT JOIN block_sums ON block_sums.blob = entries.blob AND block_sums.tenant = $2
         WHERE contexts.id = $1 AND contexts.tenant = $2"
    );
    let rows = session.query_last(&query, &place.values()).await?;
    let row = signed(&rows, key)?;
    let file = read_file(row, 1)?.ok_or(StoreError::NoFile)?;
    let (blob, inline): (Option<String>, Option<Vec<u8>>) = (row.try_get(5)?, row.try_get(6)?);
    let content = match (blob, inline) {
        (Some(blob), _) => Content::Blob(blob),
        (None, Some(bytes)) => Content::Inline(Bytes::from(bytes)),
        (None, None) => {
            return Err(StoreError::Damaged("the content of the file is missing").into());
        }
    };
    let (crc64, sums): (Option<i64>, Option<Vec<u8>>) = (row.try_get(7)?, row.try_get(8)?);
    let blocks = match (&content, crc64, sums) {
        (Content::Blob(_), Some(crc64), Some(sums)) => {
            let belongs = file
                .crc64
                .is_none_or(|whole| whole == crc64.cast_unsigned());
            match BlockChecksums::from_bytes(&sums, file.size) {
                Some(checksums) if belongs => Some(checksums),
                _ => {
                    return Err(StoreError::Damaged(
                        "the checksums of the blocks do not belong to the file",
                    )
                    .into());
                }
            }
        }
        _ => None,
    };
    Ok(OpenFile {
        file,
        content,
        blocks,
    })
}

pub(super) async fn prepare(
    session: Session,
    tenant: i64,
    key: &FileKey,
    size: u64,
    quotas: &Quotas,
) -> Result<PreparedUpload, Failure> {
    let place = Place::new(&key.context, tenant, &key.path);
    let query = format!(
        "SELECT generation, {FILE}, trees.files, trees.bytes, tenants.files, tenants.bytes
         FROM contexts JOIN trees ON trees.pk = contexts.tree JOIN tenants ON tenants.pk = contexts.tenant {JOIN_ENTRY}
         WHERE contexts.id = $1 AND contexts.tenant = $2"
    );
    let rows = session.query_last(&query, &place.values()).await?;
    let row = signed(&rows, key)?;
    let replaced = read_file(row, 1)?;
    let context = usage(row.try_get(5)?, row.try_get(6)?);
    let tenant = usage(row.try_get(7)?, row.try_get(8)?);
    let size_before = replaced.as_ref().map(|file| file.size);
    quotas
        .check(tenant, context, size, size_before)
        .map_err(StoreError::QuotaExceeded)?;
    Ok(PreparedUpload {
        replaced,
        tenant,
        context,
    })
}

/// The context and the file of a change.
struct Target {
    tree: i64,
    generation: i64,
    state: ContextState,
    /// What the context stores.
    files: i64,
    bytes: i64,
    file: Option<File>,
    content: ContentRef,
}

/// The content columns of a file's row.
#[derive(Debug, Default)]
struct ContentRef {
    blob: Option<String>,
    /// The key of an inline content in the table `contents`.
    inline: Option<i64>,
}

/// Returns `None` if there is no such context.
async fn find(session: &Session, place: &Place<'_>) -> Result<Option<Target>, Failure> {
    let query = format!(
        "SELECT generation, {FILE}, contexts.tree, contexts.state, trees.files, trees.bytes, entries.blob, entries.inline
         FROM contexts JOIN trees ON trees.pk = contexts.tree {JOIN_ENTRY}
         WHERE contexts.id = $1 AND contexts.tenant = $2"
    );
    let Some(row) = session.query_opt(&query, &place.values()).await? else {
        return Ok(None);
    };
    Ok(Some(Target {
        generation: row.try_get(0)?,
        file: read_file(&row, 1)?,
        tree: row.try_get(5)?,
        state: contexts::state(row.try_get(6)?),
        files: row.try_get(7)?,
        bytes: row.try_get(8)?,
        content: ContentRef {
            blob: row.try_get(9)?,
            inline: row.try_get(10)?,
        },
    }))
}

/// The size of a file as the database stores it.
fn stored_size(size: u64) -> Result<i64, Failure> {
    let too_large = |_| StoreError::Failed("the file is too large".to_owned());
    Ok(i64::try_from(size).map_err(too_large)?)
}

/// The arguments of [`Metadata::put_file`](crate::metadata::Metadata::put_file).
#[derive(Debug)]
pub(super) struct PutFile {
    pub(super) key: FileKey,
    pub(super) file: NewFile,
    pub(super) conditions: Conditions,
    pub(super) quotas: Quotas,
    pub(super) now: Micros,
}

/// Publishes a file. Returns whether a file was replaced.
pub(super) async fn put(
    session: &Session,
    tenant: i64,
    usage_of_tenant: &mut TenantUsage,
    put: &PutFile,
) -> Result<bool, Failure> {
    let (key, new, now) = (&put.key, &put.file, put.now);
    let place = Place::new(&key.context, tenant, &key.path);
    let target = find(session, &place).await?.ok_or(StoreError::Stale)?;
    if target.generation != key.generation || target.state == ContextState::Clearing {
        return Err(StoreError::Stale.into());
    }
    let before = target.file.as_ref();
    if !put
        .conditions
        .are_met_by(before.map(|file| file.etag.as_str()))
    {
        return Err(StoreError::Precondition.into());
    }
    let (checksums, size_before) = (&new.checksums, before.map(|file| file.size));
    put.quotas
        .check(
            usage_of_tenant.files(),
            usage(target.files, target.bytes),
            checksums.size,
            size_before,
        )
        .map_err(StoreError::QuotaExceeded)?;
    let modified = now.after_previous(before.map(|file| file.modified));
    let size = stored_size(checksums.size)?;
    let growth = size - stored_size(size_before.unwrap_or(0))?;
    let files = i64::from(before.is_none());
    crash::point("put-before-row");
    let (blob, bytes) = match &new.content {
        Content::Blob(blob) => (Some(blob.as_str()), None),
        Content::Inline(bytes) => (None, Some(bytes)),
    };
    if let Some(blob) = blob {
        publish_upload(session, blob).await?;
    }
    let id = format!("file-{}", alphanumeric(20)?);
    let mut statements = release(&target.content, tenant);
    let row = [
        Value::Int(tenant),
        Value::Int(target.tree),
        Value::Text(&place.parent),
        Value::Text(place.name),
        Value::Int(size),
        Value::Text(&checksums.etag),
        Value::OptText(checksums.sha256.as_deref()),
        Value::Int(checksums.crc64.cast_signed()),
        Value::OptText(blob),
        Value::Int(modified.0),
    ];
    // An inline content has a row of its own, so that listings read small rows.
    let content = bytes.map_or(Value::Bytes(&[]), |bytes| Value::Bytes(bytes));
    let has_content = Value::Bool(bytes.is_some());
    statements.push(match before {
        Some(_) => (
            "WITH content AS (INSERT INTO contents (tenant, bytes) SELECT $1, $11 WHERE $12 RETURNING pk)
             UPDATE entries SET size = $5, etag = $6, sha256 = $7, crc64 = $8, blob = $9, modified = $10,
                                inline = (SELECT pk FROM content)
             WHERE tenant = $1 AND tree = $2 AND parent = $3 AND name = $4 AND folder = false",
            [&row[..], &[content, has_content]].concat(),
        ),
        None => (
            "WITH content AS (INSERT INTO contents (tenant, bytes) SELECT $1, $11 WHERE $12 RETURNING pk)
             INSERT INTO entries (tenant, tree, parent, name, folder, id, created, modified, size, etag, sha256, crc64, blob,
                                  inline)
             VALUES ($1, $2, $3, $4, false, $13, $10, $10, $5, $6, $7, $8, $9, (SELECT pk FROM content))",
            [&row[..], &[content, has_content, Value::Text(&id)]].concat(),
        ),
    });
    if let (Some(blob), Some(blocks)) = (blob, &new.blocks) {
        statements.push((
            "INSERT INTO block_sums (blob, tenant, crc64, sums) VALUES ($1, $2, $3, $4)",
            vec![
                Value::Text(blob),
                Value::Int(tenant),
                Value::Int(checksums.crc64.cast_signed()),
                Value::Bytes(blocks.as_bytes()),
            ],
        ));
    }
    statements.push(count(tenant, target.tree, files, growth));
    statements.push(contexts::touch(tenant, &key.context, now));
    session.execute_all(&statements).await?;
    if before.is_none() {
        crash::point("put-before-count");
        let folder = key.path.parent();
        folders::count_child(session, tenant, target.tree, folder, place.name, now).await?;
    }
    usage_of_tenant.files += files;
    usage_of_tenant.bytes += growth;
    crash::point("put-after-row");
    Ok(before.is_some())
}

/// Ends the lease of an upload. Fails if its content is being deleted.
async fn publish_upload(session: &Session, blob: &str) -> Result<(), Failure> {
    let ended = session
        .execute(
            "DELETE FROM uploads WHERE blob = $1 AND claimed_until IS NULL",
            &[Value::Text(blob)],
        )
        .await?;
    match ended {
        0 => Err(StoreError::UploadExpired.into()),
        _ => Ok(()),
    }
}

/// The statements that delete an inline content, or queue a blob for deletion.
fn release(content: &ContentRef, tenant: i64) -> Vec<Statement<'_>> {
    let mut statements: Vec<Statement<'_>> = Vec::new();
    if let Some(inline) = content.inline {
        statements.push((
            "DELETE FROM contents WHERE pk = $1 AND tenant = $2",
            vec![Value::Int(inline), Value::Int(tenant)],
        ));
    }
    if let Some(blob) = &content.blob {
        statements.push((
            "DELETE FROM block_sums WHERE blob = $1 AND tenant = $2",
            vec![Value::Text(blob), Value::Int(tenant)],
        ));
        statements.push((
            "INSERT INTO dead_blobs (blob) VALUES ($1) ON CONFLICT (blob) DO NOTHING",
            vec![Value::Text(blob)],
        ));
    }
    statements
}

/// The statement that changes the counts of a tree.
fn count<'a>(tenant: i64, tree: i64, files: i64, bytes: i64) -> Statement<'a> {
    (
        "UPDATE trees SET files = files + $3, bytes = bytes + $4 WHERE pk = $1 AND tenant = $2",
        vec![
            Value::Int(tree),
            Value::Int(tenant),
            Value::Int(files),
            Value::Int(bytes),
        ],
    )
}

pub(super) async fn delete(
    session: &Session,
    tenant: i64,
    usage: &mut TenantUsage,
    context: &str,
    path: &FilePath,
    now: Micros,
) -> Result<(), Failure> {
    let place = Place::new(context, tenant, path);
    let target = find(session, &place).await?.ok_or(StoreError::NoContext)?;
    let size = match &target.file {
        Some(file) => stored_size(file.size)?,
        None => return Err(StoreError::NoFile.into()),
    };
    let mut statements = vec![(
        "DELETE FROM entries WHERE tenant = $1 AND tree = $2 AND parent = $3 AND name = $4 AND folder = false",
        vec![
            Value::Int(tenant),
            Value::Int(target.tree),
            Value::Text(&place.parent),
            Value::Text(place.name),
        ],
    )];
    statements.extend(release(&target.content, tenant));
    statements.push(count(tenant, target.tree, -1, -size));
    statements.push(contexts::touch(tenant, context, now));
    session.execute_all(&statements).await?;
    crash::point("delete-before-count");
    folders::uncount_child(session, tenant, target.tree, path.parent(), place.name, now).await?;
    usage.files -= 1;
    usage.bytes -= size;
    crash::point("delete-after-row");
    Ok(())
}

/// Stores the checksums of the blocks of a blob with the CRC-64 of the whole blob, if a file references it.
pub(super) async fn store_block_checksums(
    session: &Session,
    blob: &str,
    crc64: u64,
    checksums: &BlockChecksums,
) -> Result<(), Failure> {
    session
        .execute(
            "INSERT INTO block_sums (blob, tenant, crc64, sums) SELECT $1, tenant, $2, $3 FROM entries WHERE blob = $1
             ON CONFLICT (blob) DO UPDATE SET crc64 = excluded.crc64, sums = excluded.sums",
            &[
                Value::Text(blob),
                Value::Int(crc64.cast_signed()),
                Value::Bytes(checksums.as_bytes()),
            ],
        )
        .await?;
    Ok(())
}
