//! Uploads in progress, with leases.
//!
//! A row is inserted before the first byte of a blob is stored, and deleted by the transaction that publishes it. The time of
//! leases is the database's. Once an expired row is claimed, its upload can neither be renewed nor published: what a stalled
//! replica does late changes nothing.

use std::time::Duration;

use super::connection::{Failure, Session, Value};
use crate::metadata::{StoreError, UploadId};

/// How long an upload is protected without a renewal. Shorter in tests.
pub(super) const LEASE: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 60 });
/// How long an expired upload is claimed, in seconds.
const CLAIM: i64 = 60;

fn lease_seconds() -> Value<'static> {
    Value::Int(LEASE.as_secs().cast_signed())
}

pub(super) async fn register(session: &Session, upload: &UploadId) -> Result<(), Failure> {
    session
        .execute(
            "INSERT INTO uploads (blob, multipart, expires) VALUES ($1, $2, clock_timestamp() + $3 * interval '1 second')
             ON CONFLICT (blob) DO NOTHING",
            &[
                Value::Text(&upload.blob),
                Value::OptText(upload.multipart.as_deref()),
                lease_seconds(),
            ],
        )
        .await?;
    Ok(())
}

pub(super) async fn renew(session: &Session, upload: &UploadId) -> Result<(), Failure> {
    let renewed = session
        .execute(
            "UPDATE uploads SET expires = clock_timestamp() + $3 * interval '1 second', multipart = coalesce($2, multipart)
             WHERE blob = $1 AND claimed_until IS NULL",
            &[
                Value::Text(&upload.blob),
                Value::OptText(upload.multipart.as_deref()),
                lease_seconds(),
            ],
        )
        .await?;
    match renewed {
        0 => Err(StoreError::UploadExpired.into()),
        _ => Ok(()),
    }
}

pub(super) async fn forget(session: &Session, blob: &str) -> Result<(), Failure> {
    let delete = "DELETE FROM uploads WHERE blob = $1";
    session.execute(delete, &[Value::Text(blob)]).await?;
    Ok(())
}

/// Returns some expired uploads, and claims them for a minute.
pub(super) async fn expired(session: &Session, limit: u32) -> Result<Vec<UploadId>, Failure> {
    let rows = session
        .query(
            "UPDATE uploads SET claimed_until = clock_timestamp() + $2 * interval '1 second'
             WHERE blob = ANY(ARRAY(
                 SELECT blob FROM uploads
                 WHERE expires < clock_timestamp() AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
                 ORDER BY expires LIMIT $1 FOR UPDATE SKIP LOCKED))
             RETURNING blob, multipart",
            &[Value::Int(i64::from(limit)), Value::Int(CLAIM)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(UploadId {
                blob: row.try_get(0)?,
                multipart: row.try_get(1)?,
            })
        })
        .collect()
}

/// Queues the blobs of claimed uploads for deletion after some time.
pub(super) async fn discard(
    session: &Session,
    blobs: &[String],
    delay: Duration,
) -> Result<(), Failure> {
    let seconds = i64::try_from(delay.as_secs()).unwrap_or(i64::MAX);
    session
        .execute(
            "WITH discarded AS (
                 DELETE FROM uploads WHERE blob = ANY($1) AND claimed_until IS NOT NULL RETURNING blob)
             INSERT INTO dead_blobs (blob, not_before)
             SELECT blob, clock_timestamp() + least($2, 3153600000) * interval '1 second' FROM discarded
             ON CONFLICT (blob) DO NOTHING",
            &[Value::Texts(blobs), Value::Int(seconds)],
        )
        .await?;
    Ok(())
}
