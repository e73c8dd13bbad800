//! Reading several files of a context by one statement.

use super::Postgres;
use super::connection::{Failure, Session, Value};
use super::files::{FILE, read_file};
use crate::metadata::{File, FileKey, Metadata, Result, StoreError};

impl Postgres {
    /// Returns several files. Those of one context take one round trip, others one each.
    pub(super) async fn file_batch(&self, keys: &[FileKey]) -> Vec<Result<File>> {
        let Some(first) = keys.first() else {
            return Vec::new();
        };
        let is_same = |key: &FileKey| {
            (&key.tenant, &key.context, key.generation)
                == (&first.tenant, &first.context, first.generation)
        };
        if !keys.iter().all(is_same) {
            let mut files = Vec::with_capacity(keys.len());
            for key in keys {
                files.push(self.file(key).await);
            }
            return files;
        }
        let read = self.retry(move |deadline| async move {
            let (session, tenant) = self
                .read(&first.tenant, StoreError::Stale, deadline)
                .await?;
            files_of_context(session, tenant, first, keys).await
        });
        match read.await {
            Ok(files) => {
                let found = files.into_iter().map(|file| file.ok_or(StoreError::NoFile));
                found.collect()
            }
            Err(error) => vec![Err(error); keys.len()],
        }
    }
}

/// Returns the files of the keys, which have the context and the generation of `first`, in their order.
async fn files_of_context(
    session: Session,
    tenant: i64,
    first: &FileKey,
    keys: &[FileKey],
) -> Result<Vec<Option<File>>, Failure> {
    let parents = keys.iter().map(|key| key.path.parent().as_str().to_owned());
    let names = keys.iter().map(|key| key.path.name().to_owned());
    let (parents, names): (Vec<_>, Vec<_>) = (parents.collect(), names.collect());
    let query = format!(
        "SELECT generation, {FILE} FROM contexts
         CROSS JOIN unnest($3, $4) WITH ORDINALITY AS wanted (parent, name, number)
         LEFT JOIN entries ON entries.tenant = $2 AND entries.tree = contexts.tree
             AND entries.parent = wanted.parent AND entries.name = wanted.name AND entries.folder = false
         WHERE contexts.id = $1 AND contexts.tenant = $2
         ORDER BY wanted.number"
    );
    let parameters = [
        Value::Text(&first.context),
        Value::Int(tenant),
        Value::Texts(&parents),
        Value::Texts(&names),
    ];
    let rows = session.query_last(&query, &parameters).await?;
    if rows.len() != keys.len() {
        // The context does not exist.
        return Err(StoreError::Stale.into());
    }
    let files = rows
        .iter()
        .map(|row| match row.try_get::<_, i64>(0)? == first.generation {
            true => read_file(row, 1),
            false => Err(StoreError::Stale.into()),
        });
    files.collect()
}
