//! The table `meta`: the schema version and the secret. The table `marker`: the marker that the store of blobs contains, too.

use data_encoding::HEXLOWER;
use tokio_postgres::Row;

use super::connection::{Failure, Session, Value};
use crate::markers::SharedMarker;
use crate::metadata::StoreError;
use crate::signing::Secret;
use crate::system::random;

pub(super) const VERSION: &str = "schema_version";
/// The oldest version of the service that can work with the schema.
pub(super) const READABLE_BY: &str = "readable_by";
/// Present since the first API key was added.
pub(super) const REQUIRES_KEYS: &str = "requires_keys";
/// The secret of the store in hexadecimal.
const SECRET: &str = "secret";
/// Present while damage is reported.
pub(super) const HOLD: &str = "hold";
/// The source of an import that is not finished. Such a store is incomplete.
pub(super) const IMPORTING: &str = "importing";
/// The process that fills a store whose import is not finished.
pub(super) const IMPORT_ATTEMPT: &str = "import_attempt";

pub(super) async fn value(session: &Session, name: &str) -> Result<Option<String>, Failure> {
    let row = session
        .query_opt(
            "SELECT value FROM meta WHERE name = $1",
            &[Value::Text(name)],
        )
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

pub(super) async fn number(session: &Session, name: &str) -> Result<Option<i64>, Failure> {
    let Some(text) = value(session, name).await? else {
        return Ok(None);
    };
    let invalid = |_| damaged("a number in the table \"meta\" is invalid");
    text.parse().map(Some).map_err(invalid)
}

pub(super) async fn set(session: &Session, name: &str, value: &str) -> Result<(), Failure> {
    session
        .execute(
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            &[Value::Text(name), Value::Text(value)],
        )
        .await?;
    Ok(())
}

pub(super) async fn remove(session: &Session, name: &str) -> Result<(), Failure> {
    let delete = "DELETE FROM meta WHERE name = $1";
    session.execute(delete, &[Value::Text(name)]).await?;
    Ok(())
}

/// Inserts a value unless there is one. Returns the stored value.
pub(super) async fn set_once(session: &Session, name: &str, new: &str) -> Result<String, Failure> {
    session
        .execute(
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            &[Value::Text(name), Value::Text(new)],
        )
        .await?;
    value(session, name)
        .await?
        .ok_or_else(|| damaged("a row of the table \"meta\" is missing"))
}

fn damaged(reason: &'static str) -> Failure {
    StoreError::Damaged(reason).into()
}

/// Returns the source of an import that is not finished.
pub(super) async fn importing(session: &Session) -> Result<Option<String>, Failure> {
    value(session, IMPORTING).await
}

pub(super) async fn set_secret(session: &Session, secret: &Secret) -> Result<(), Failure> {
    set(session, SECRET, &HEXLOWER.encode(&secret.0)).await
}

/// Returns the secret of the store, and stores `new` if it has none. Fails if it has none although there are contexts.
pub(super) async fn secret(session: &Session, new: &Secret) -> Result<Secret, Failure> {
    match stored_secret(session).await? {
        Some(secret) => Ok(secret),
        None => parse_secret(&set_once(session, SECRET, &HEXLOWER.encode(&new.0)).await?),
    }
}

/// Returns the secret of the store. Fails if it has none although there are contexts.
pub(super) async fn stored_secret(session: &Session) -> Result<Option<Secret>, Failure> {
    if let Some(text) = value(session, SECRET).await? {
        return parse_secret(&text).map(Some);
    }
    let used = session.query("SELECT 1 FROM contexts LIMIT 1", &[]).await?;
    match used.is_empty() {
        true => Ok(None),
        false => Err(damaged("it has contexts, but its secret is missing")),
    }
}

fn parse_secret(text: &str) -> Result<Secret, Failure> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes
        .map(Secret)
        .ok_or_else(|| damaged("its secret does not have 32 bytes"))
}

/// Returns the marker, and whether the store of blobs has had one. Creates the first one.
pub(super) async fn marker(session: &Session) -> Result<(SharedMarker, bool), Failure> {
    if let Some(found) = stored_marker(session).await? {
        return Ok(found);
    }
    let id: [u8; 16] = random::bytes()?;
    session
        .execute(
            "INSERT INTO marker (store, sequence, advanced) VALUES ($1, 0, clock_timestamp()) ON CONFLICT DO NOTHING",
            &[Value::Text(&HEXLOWER.encode(&id))],
        )
        .await?;
    let found = stored_marker(session).await?;
    found.ok_or_else(|| damaged("the row of the marker is missing"))
}

/// Returns the marker, and whether the store of blobs has had one.
pub(super) async fn stored_marker(
    session: &Session,
) -> Result<Option<(SharedMarker, bool)>, Failure> {
    let query = "SELECT store, sequence, confirmed FROM marker";
    let row = session.query_opt(query, &[]).await?;
    row.map(|row| Ok((shared_marker(&row)?, row.try_get(2)?)))
        .transpose()
}

/// Replaces the marker by one that the store of blobs does not have yet.
pub(super) async fn replace_marker(session: &Session, marker: SharedMarker) -> Result<(), Failure> {
    let sequence = i64::try_from(marker.sequence)
        .map_err(|_| damaged("the number of the marker is too large"))?;
    session
        .execute(
            "INSERT INTO marker (store, sequence, advanced) VALUES ($1, $2, clock_timestamp())
             ON CONFLICT (only_row) DO UPDATE SET store = excluded.store, sequence = excluded.sequence,
                 advanced = excluded.advanced, confirmed = false",
            &[
                Value::Text(&HEXLOWER.encode(&marker.store)),
                Value::Int(sequence),
            ],
        )
        .await?;
    Ok(())
}

/// Reads the columns `store` and `sequence`.
fn shared_marker(row: &Row) -> Result<SharedMarker, Failure> {
    let id = HEXLOWER.decode(row.try_get::<_, &str>(0)?.as_bytes()).ok();
    let id = id.and_then(|id| id.try_into().ok());
    let sequence = u64::try_from(row.try_get::<_, i64>(1)?).ok();
    match (id, sequence) {
        (Some(store), Some(sequence)) => Ok(SharedMarker { store, sequence }),
        _ => Err(damaged("the row of the marker is invalid")),
    }
}

/// Increases the number of the marker if that did not happen for `hours`. Returns the marker if it was increased.
pub(super) async fn advance(
    session: &Session,
    hours: i64,
) -> Result<Option<SharedMarker>, Failure> {
    let row = session
        .query_opt(
            "UPDATE marker SET sequence = sequence + 1, advanced = clock_timestamp()
             WHERE advanced <= clock_timestamp() - $1 * interval '1 hour' RETURNING store, sequence",
            &[Value::Int(hours)],
        )
        .await?;
    row.map(|row| shared_marker(&row)).transpose()
}

/// Records that the store of blobs has a marker.
pub(super) async fn confirm(session: &Session) -> Result<(), Failure> {
    session
        .execute(
            "UPDATE marker SET confirmed = true WHERE NOT confirmed",
            &[],
        )
        .await?;
    Ok(())
}
