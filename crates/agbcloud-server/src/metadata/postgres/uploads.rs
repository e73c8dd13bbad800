//! Uploads in progress, with leases.
//!
//! A row is inserted before the first byte of a blob is stored, and deleted by the transaction that publishes it. The time of
//! leases is the database's. Once an expired row is claimed, its upload can neither be renewed nor published: what a stalled
//! replica does late changes nothing.

use std::time::Duration;

use super::connection::{Failure, Session, Value, milliseconds};
use crate::metadata::{StoreError, UploadId};

pub(super) async fn register(
    session: &Session,
    upload: &UploadId,
    lease: Duration,
) -> Result<(), Failure> {
    session
        .execute(
            "INSERT INTO uploads (blob, multipart, expires) VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
             ON CONFLICT (blob) DO NOTHING",
            &[
                Value::Text(&upload.blob),
                Value::OptText(upload.multipart.as_deref()),
                milliseconds(lease),
            ],
        )
        .await?;
    Ok(())
}

pub(super) async fn renew(
    session: &Session,
    upload: &UploadId,
    lease: Duration,
) -> Result<(), Failure> {
    let renewed = session
        .execute(
            "UPDATE uploads SET expires = clock_timestamp() + $3 * interval '1 millisecond', multipart = coalesce($2, multipart)
             WHERE blob = $1 AND claimed_until IS NULL",
            &[
                Value::Text(&upload.blob),
                Value::OptText(upload.multipart.as_deref()),
                milliseconds(lease),
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

/// Claims expired uploads. Unlike `clock_timestamp()`, the time of the statement is constant, so that the index finds them.
pub(super) const CLAIM: &str =
    "UPDATE uploads SET claimed_until = clock_timestamp() + $2 * interval '1 millisecond'
     WHERE blob = ANY(ARRAY(
         SELECT blob FROM uploads
         WHERE expires < statement_timestamp() AND (claimed_until IS NULL OR claimed_until < statement_timestamp())
         ORDER BY expires LIMIT $1 FOR UPDATE SKIP LOCKED))
     RETURNING blob, multipart";

/// Returns some expired uploads, and claims them for the time of a lease.
pub(super) async fn expired(
    session: &Session,
    limit: u32,
    lease: Duration,
) -> Result<Vec<UploadId>, Failure> {
    let rows = session
        .query(CLAIM, &[Value::Int(i64::from(limit)), milliseconds(lease)])
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
    session
        .execute(
            "WITH discarded AS (
                 DELETE FROM uploads WHERE blob = ANY($1) AND claimed_until IS NOT NULL RETURNING blob)
             INSERT INTO dead_blobs (blob, not_before)
             SELECT blob, clock_timestamp() + $2 * interval '1 millisecond' FROM discarded
             ON CONFLICT (blob) DO NOTHING",
            &[Value::Texts(blobs), milliseconds(delay)],
        )
        .await?;
    Ok(())
}
