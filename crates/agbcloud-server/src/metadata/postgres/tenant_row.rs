//! The row of a tenant: its lock, its counts, and the evidence of its last commits.

use super::connection::{Failure, Session, Statement, Value};
use super::schema;
use crate::metadata::Usage;

/// How many commits `tenants.commits` remembers.
const REMEMBERED: i64 = 16;

/// The counts of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TenantUsage {
    pub(super) contexts: i64,
    pub(super) files: i64,
    pub(super) bytes: i64,
}

impl TenantUsage {
    pub(super) fn files(&self) -> Usage {
        usage(self.files, self.bytes)
    }
}

/// Counts of the database, which are never negative.
pub(super) fn usage(files: i64, bytes: i64) -> Usage {
    let count = |stored| u64::try_from(stored).unwrap_or(0);
    Usage {
        files: count(files),
        bytes: count(bytes),
    }
}

/// The locked row of a tenant. `usage` changes with the transaction, and is written at its end.
#[derive(Debug)]
pub(super) struct TenantRow {
    key: i64,
    pub(super) usage: TenantUsage,
    /// The number of commits before this transaction.
    pub(super) version: i64,
    commits: Vec<i64>,
}

/// Whether a transaction was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WasCommitted {
    Yes,
    No,
    Unknown,
}

impl TenantRow {
    /// Locks the row until the end of the transaction. Returns `None` if there is no row. Fails if another replica has migrated the
    /// database to a schema that this version can't work with.
    pub(super) async fn lock(session: &Session, key: i64) -> Result<Option<Self>, Failure> {
        let found = session
            .query_opt(
                "SELECT contexts, files, bytes, version, commits, (SELECT value::bigint FROM meta WHERE name = 'readable_by')
                 FROM tenants WHERE pk = $1 FOR UPDATE",
                &[Value::Int(key)],
            )
            .await?;
        let Some(row) = found else {
            return Ok(None);
        };
        schema::check_readable_by(row.try_get(5)?)?;
        Ok(Some(Self {
            key,
            usage: TenantUsage {
                contexts: row.try_get(0)?,
                files: row.try_get(1)?,
                bytes: row.try_get(2)?,
            },
            version: row.try_get(3)?,
            commits: row.try_get(4)?,
        }))
    }

    /// The statement that writes the counts and the evidence of this commit.
    pub(super) fn update<'a>(&self, token: &'a i64) -> Statement<'a> {
        let usage = self.usage;
        (
            "UPDATE tenants SET contexts = $2, files = $3, bytes = $4, version = version + 1,
                    commits = (ARRAY[$5::bigint] || commits)[1:$6]
             WHERE pk = $1",
            vec![
                Value::Int(self.key),
                Value::Int(usage.contexts),
                Value::Int(usage.files),
                Value::Int(usage.bytes),
                Value::Int(*token),
                Value::Int(REMEMBERED),
            ],
        )
    }

    /// Whether the transaction with this token, which followed this version, was committed. Reading that under the lock is
    /// decisive: the transaction has ended. Transaction ids would not do: after a failover they may be those of others.
    pub(super) fn was_committed(&self, version: i64, token: i64) -> WasCommitted {
        if self.commits.contains(&token) {
            WasCommitted::Yes
        } else if self.version - version <= REMEMBERED {
            WasCommitted::No
        } else {
            WasCommitted::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_commits_are_evidence() {
        let row = |version, commits: &[i64]| TenantRow {
            key: 1,
            usage: TenantUsage {
                contexts: 0,
                files: 0,
                bytes: 0,
            },
            version,
            commits: commits.to_vec(),
        };
        assert_eq!(row(8, &[5, 6]).was_committed(7, 5), WasCommitted::Yes);
        assert_eq!(row(9, &[7, 5]).was_committed(7, 5), WasCommitted::Yes);
        assert_eq!(row(7, &[6]).was_committed(7, 5), WasCommitted::No);
        assert_eq!(row(23, &[1; 16]).was_committed(7, 5), WasCommitted::No);
        assert_eq!(row(24, &[1; 16]).was_committed(7, 5), WasCommitted::Unknown);
        // A failover to a standby that lacks the last commits.
        assert_eq!(row(5, &[1]).was_committed(7, 5), WasCommitted::No);
    }
}
