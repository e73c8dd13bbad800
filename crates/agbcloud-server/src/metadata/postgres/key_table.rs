//! [`KeyTable`] in PostgreSQL.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tokio_postgres::Row;

use super::connection::{Access, Failure, Session, Value};
use super::{Postgres, commit, meta};
use crate::key_file::{KeyEntry, KeyFile};
use crate::metadata::{ChangeLimits, KeyTable, Metadata, Result, StoreError, Usage};
use crate::signing::{Issuer, Tenant};

#[async_trait]
impl KeyTable for Postgres {
    async fn requires_keys(&self) -> Result<bool> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::ReadAll, deadline).await?;
            let found = meta::value(&session, meta::REQUIRES_KEYS).await?;
            session.finish().await?;
            Ok(found.is_some())
        })
        .await
    }

    async fn find_by_hash(&self, hash: &[u8; 32]) -> Result<Option<KeyEntry>> {
        self.find_key(
            "SELECT entry FROM api_keys WHERE sha256 = $1",
            Value::Bytes(hash),
        )
        .await
    }

    async fn find_by_issuer(&self, issuer: &Issuer) -> Result<Option<KeyEntry>> {
        self.find_key(
            "SELECT entry FROM api_keys WHERE issuer = $1",
            Value::Text(issuer.as_str()),
        )
        .await
    }

    async fn list(&self, after: &str, limit: u32) -> Result<Vec<KeyEntry>> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::ReadAll, deadline).await?;
            let rows = session
                .query_last(
                    "SELECT entry FROM api_keys WHERE id > $1 ORDER BY id LIMIT $2",
                    &[Value::Text(after), Value::Int(i64::from(limit))],
                )
                .await?;
            rows.iter().map(entry).collect()
        })
        .await
    }

    async fn insert(&self, entry: &KeyEntry, issuer: &Issuer) -> Result<()> {
        let text = &text(entry)?;
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            meta::set_once(&session, meta::REQUIRES_KEYS, "true").await?;
            // An earlier attempt may have inserted it. Another key with the same id is an error.
            session
                .execute(
                    "INSERT INTO api_keys (id, sha256, issuer, entry) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (sha256) DO NOTHING",
                    &[
                        Value::Text(entry.id()),
                        Value::Bytes(&entry.hash()),
                        Value::Text(issuer.as_str()),
                        Value::Text(text),
                    ],
                )
                .await?;
            commit(session).await
        })
        .await
    }

    async fn change_limits(&self, id: &str, change: &ChangeLimits<'_>) -> Result<bool> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            let found = session
                .query_opt(
                    "SELECT entry FROM api_keys WHERE id = $1 FOR UPDATE",
                    &[Value::Text(id)],
                )
                .await?;
            let Some(row) = found else {
                session.roll_back().await;
                return Ok(false);
            };
            let mut entry = entry(&row)?;
            entry.change_limits(change);
            session
                .execute(
                    "UPDATE api_keys SET entry = $2 WHERE id = $1",
                    &[Value::Text(id), Value::Text(&text(&entry)?)],
                )
                .await?;
            commit(session).await?;
            Ok(true)
        })
        .await
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Usage> {
        Metadata::usage(self, tenant).await
    }

    async fn delete(&self, id: &str) -> Result<bool> {
        // Also by an attempt whose commit was in doubt.
        let found = &AtomicBool::new(false);
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            let deleted = session
                .execute("DELETE FROM api_keys WHERE id = $1", &[Value::Text(id)])
                .await?;
            found.fetch_or(deleted > 0, Ordering::Relaxed);
            commit(session).await?;
            Ok(found.load(Ordering::Relaxed))
        })
        .await
    }

    async fn signing_keys(&self) -> Result<KeyFile> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::ReadAll, deadline).await?;
            let rows = session.query_last(SIGNING_KEYS, &[]).await?;
            keys(&lines(&rows)?)
        })
        .await
    }

    async fn replace_signing_keys(&self, expected: &KeyFile, new: &KeyFile) -> Result<bool> {
        let lines_of = |keys: &KeyFile| {
            let lines = keys.signing_lines();
            lines.map_err(|error| StoreError::Failed(error.to_string()))
        };
        let (expected, new) = (&lines_of(expected)?, &lines_of(new)?);
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            session.push("LOCK TABLE signing_keys IN EXCLUSIVE MODE");
            let current = lines(&session.query(SIGNING_KEYS, &[]).await?)?;
            if current != *expected {
                // An earlier attempt may have replaced them.
                let done = current == *new;
                session.roll_back().await;
                return Ok(done);
            }
            session.execute("DELETE FROM signing_keys", &[]).await?;
            session
                .execute(
                    "INSERT INTO signing_keys (position, entry)
                     SELECT position, entry FROM unnest($1) WITH ORDINALITY AS new (entry, position)",
                    &[Value::Texts(new)],
                )
                .await?;
            commit(session).await?;
            Ok(true)
        })
        .await
    }
}

const SIGNING_KEYS: &str = "SELECT entry FROM signing_keys ORDER BY position";

impl Postgres {
    async fn find_key(&self, query: &str, value: Value<'_>) -> Result<Option<KeyEntry>> {
        self.retry(move |deadline| async move {
            let session: Session = self.begin(Access::ReadAll, deadline).await?;
            let rows = session.query_last(query, &[value]).await?;
            rows.first().map(entry).transpose()
        })
        .await
    }
}

fn lines(rows: &[Row]) -> Result<Vec<String>, Failure> {
    let lines = rows.iter().map(|row| row.try_get(0));
    Ok(lines.collect::<Result<_, _>>()?)
}

fn keys(lines: &[String]) -> Result<KeyFile, Failure> {
    let damaged = |_| StoreError::Damaged("a row of the table \"signing_keys\" is invalid");
    Ok(KeyFile::from_signing_lines(lines).map_err(damaged)?)
}

/// The column `entry` of a key.
fn text(entry: &KeyEntry) -> Result<String> {
    serde_json::to_string(entry).map_err(|error| StoreError::Failed(error.to_string()))
}

fn entry(row: &Row) -> Result<KeyEntry, Failure> {
    let damaged = |_| StoreError::Damaged("a row of the table \"api_keys\" is invalid");
    Ok(serde_json::from_str(row.try_get(0)?).map_err(damaged)?)
}
