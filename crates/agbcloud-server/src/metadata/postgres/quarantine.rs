//! The quarantine: blobs that no file references and that no deletion or replacement of a file has queued.
//!
//! Lost rows may be the reason, so that these blobs stay at their place for some time. While damage is reported (`meta.hold`),
//! none leaves the quarantine.

use std::time::Duration;

use super::connection::{Access, Failure, Session, Value, milliseconds};
use super::{Postgres, commit, meta};
use crate::metadata::Result;
use crate::system::clock::Micros;

/// A blob in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuarantinedBlob {
    pub(crate) blob: String,
    pub(crate) since: Micros,
}

impl Postgres {
    /// Moves the blobs of claimed uploads to the quarantine.
    pub(super) async fn quarantine_uploads(&self, blobs: &[String]) -> Result<()> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            discard(&session, blobs).await?;
            commit(session).await
        })
        .await
    }

    /// Queues blobs for deletion that have been in quarantine for some time. Returns `None` if there are any and damage is reported.
    pub(super) async fn release_some(&self, age: Duration, limit: u32) -> Result<Option<u64>> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            let released = release(&session, age, limit).await?;
            commit(session).await?;
            Ok(released)
        })
        .await
    }

    /// Reports damage, or that there is none.
    pub(crate) async fn set_quarantine_held(&self, held: bool) -> Result<()> {
        if self.is_quarantine_held().await? == held {
            return Ok(());
        }
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            match held {
                true => meta::set(&session, meta::HOLD, "true").await?,
                false => meta::remove(&session, meta::HOLD).await?,
            }
            commit(session).await
        })
        .await
    }

    pub(crate) async fn is_quarantine_held(&self) -> Result<bool> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::ReadAll, deadline).await?;
            let held = meta::value(&session, meta::HOLD).await?;
            session.finish().await?;
            Ok(held.is_some())
        })
        .await
    }

    /// Returns the blobs in quarantine in order, after the given one.
    pub(crate) async fn quarantined_blobs(
        &self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<QuarantinedBlob>> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::ReadAll, deadline).await?;
            let rows = session
                .query_last(
                    "SELECT blob, (extract(epoch FROM since) * 1000000)::bigint FROM quarantine
                     WHERE blob > $1 ORDER BY blob LIMIT $2",
                    &[Value::Text(after), Value::Int(i64::from(limit))],
                )
                .await?;
            let blobs = rows.iter().map(|row| {
                Ok(QuarantinedBlob {
                    blob: row.try_get(0)?,
                    since: Micros(row.try_get(1)?),
                })
            });
            blobs.collect()
        })
        .await
    }
}

async fn discard(session: &Session, blobs: &[String]) -> Result<(), Failure> {
    session
        .execute(
            "WITH discarded AS (
                 DELETE FROM uploads WHERE blob = ANY($1) AND claimed_until IS NOT NULL RETURNING blob)
             INSERT INTO quarantine (blob) SELECT blob FROM discarded ON CONFLICT (blob) DO NOTHING",
            &[Value::Texts(blobs)],
        )
        .await?;
    Ok(())
}

async fn release(session: &Session, age: Duration, limit: u32) -> Result<Option<u64>, Failure> {
    let old = "SELECT 1 FROM quarantine WHERE since <= statement_timestamp() - $1 * interval '1 millisecond' LIMIT 1";
    if session
        .query_opt(old, &[milliseconds(age)])
        .await?
        .is_none()
    {
        return Ok(Some(0));
    }
    // Checked by the statement that releases, so that damage that is reported before it counts. Unlike `clock_timestamp()`, its time
    // is constant, so that the index finds the rows.
    let released = session
        .execute(
            "WITH released AS (
                 DELETE FROM quarantine WHERE blob = ANY(ARRAY(
                     SELECT blob FROM quarantine
                     WHERE since <= statement_timestamp() - $1 * interval '1 millisecond'
                       AND NOT EXISTS (SELECT 1 FROM meta WHERE name = 'hold')
                     ORDER BY since LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING blob)
             INSERT INTO dead_blobs (blob) SELECT blob FROM released ON CONFLICT (blob) DO NOTHING",
            &[milliseconds(age), Value::Int(i64::from(limit))],
        )
        .await?;
    match released {
        0 if meta::value(session, meta::HOLD).await?.is_some() => Ok(None),
        released => Ok(Some(released)),
    }
}
