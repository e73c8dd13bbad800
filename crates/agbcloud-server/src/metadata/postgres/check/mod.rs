//! The statements of a check: find rows that contradict each other, and repair what follows from other rows.
//!
//! Services may use the database at the same time. A check reads one snapshot of it in one transaction, and uses cursors, so that
//! its memory does not depend on the number of rows. A repair is a short transaction that locks the row of a tenant, and computes
//! its values again, because the rows may have changed since the snapshot.

mod contents;
mod counts;
mod folders;
mod markers;
mod orphans;
mod repair;

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Row;

pub(crate) use self::contents::CheckedFile;
pub(crate) use self::markers::MarkerState;
pub(crate) use self::orphans::OrphanContent;
pub(crate) use self::repair::Repair;
use super::connection::{Access, Failure, Session};
use super::{Postgres, meta};
use crate::metadata::Result;
use crate::metadata::check::{Problem, ProblemKind};

/// Maximum time of a statement, which may read all rows.
const STATEMENT_TIME: Duration = Duration::from_secs(12 * 3600);
/// Number of rows that are read from a cursor at once.
const BATCH: usize = 500;

/// The path of a folder, from its row.
const FOLDER_PATH: &str = "CASE WHEN f.parent = '' THEN '/' WHEN f.parent = '/' THEN '/' || f.name
     ELSE f.parent || '/' || f.name END";

/// A problem, and how to repair it, if that is possible.
#[derive(Debug)]
pub(crate) struct Damage {
    pub(crate) problem: Problem,
    pub(crate) repair: Option<Repair>,
}

impl Damage {
    fn new(problem: impl Into<Problem>, repair: Repair) -> Self {
        Self {
            problem: problem.into(),
            repair: Some(repair),
        }
    }

    fn lasting(problem: impl Into<Problem>) -> Self {
        Self {
            problem: problem.into(),
            repair: None,
        }
    }
}

/// One state of all rows, in a transaction that is open until this is dropped.
pub(crate) struct Snapshot {
    session: Session,
}

impl Postgres {
    /// Begins the transaction of a check.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::SnapshotAll, deadline).await?;
            // Contents are read between the statements.
            session.push(
                "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0",
            );
            // The first query determines what the transaction sees.
            session.query("SELECT 1", &[]).await?;
            Ok(Snapshot { session })
        })
        .await
    }
}

impl Snapshot {
    /// Checks all rows except contents. The repairs are to be made in this order.
    pub(crate) async fn check_rows(&mut self) -> Result<Vec<Damage>> {
        let damage = async {
            let mut damage = self.secret().await?;
            damage.extend(self.trees().await?);
            damage.extend(self.counts().await?);
            damage.extend(self.folders().await?);
            damage.extend(self.content_references().await?);
            Ok(damage)
        };
        damage.await.map_err(Failure::into_store_error)
    }

    /// The number of contexts of all tenants.
    pub(crate) async fn count_contexts(&mut self) -> Result<u64> {
        let rows = self.query("SELECT count(*) FROM contexts").await;
        let count = rows.and_then(|rows| Ok(rows.first().map_or(Ok(0), |row| row.try_get(0))?));
        let count: i64 = count.map_err(Failure::into_store_error)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Checks the secret. A store whose secret is lost does not start.
    async fn secret(&mut self) -> Result<Vec<Damage>, Failure> {
        match meta::stored_secret(&self.session).await {
            Ok(_) => Ok(Vec::new()),
            Err(failure) => {
                let problem = markers::unreadable(failure)?;
                Ok(vec![Damage::lasting(problem)])
            }
        }
    }

    /// Checks that every context has a tree, and every tree and entry a context.
    async fn trees(&mut self) -> Result<Vec<Damage>, Failure> {
        let mut damage = Vec::new();
        let rows = self
            .query(
                "SELECT (SELECT count(*) FROM trees
                         WHERE NOT doomed AND NOT EXISTS (SELECT 1 FROM contexts WHERE contexts.tree = trees.pk))
                      + (SELECT count(*) FROM (
                             SELECT DISTINCT tenant, tree FROM entries WHERE NOT EXISTS (
                                 SELECT 1 FROM trees WHERE trees.pk = entries.tree AND trees.tenant = entries.tenant)) AS lost)",
            )
            .await?;
        let lost: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
        if lost > 0 {
            damage.push(Damage::lasting(ProblemKind::UnreferencedTrees(lost)));
        }
        let missing = self
            .query(
                "SELECT id FROM contexts WHERE NOT EXISTS (
                     SELECT 1 FROM trees WHERE trees.pk = contexts.tree AND trees.tenant = contexts.tenant AND NOT doomed)",
            )
            .await?;
        for row in missing {
            let problem = ProblemKind::MissingTree.at(row.try_get(0)?, None);
            damage.push(Damage::lasting(problem));
        }
        Ok(damage)
    }

    /// Runs a statement whose rows are problems.
    async fn query(&mut self, sql: &str) -> Result<Vec<Row>, Failure> {
        self.session.set_deadline(Instant::now() + STATEMENT_TIME);
        self.session.query(sql, &[]).await
    }

    /// Opens a cursor. Only one is open at a time.
    async fn open_cursor(&mut self, query: &str) -> Result<(), Failure> {
        self.session.set_deadline(Instant::now() + STATEMENT_TIME);
        self.session
            .push(&format!("DECLARE rows NO SCROLL CURSOR FOR {query}"));
        self.session.flush().await
    }

    /// Returns the next rows of the cursor. Closes it and returns none at the end.
    async fn fetch(&mut self, count: usize) -> Result<Vec<Row>, Failure> {
        let rows = self
            .query(&format!("FETCH FORWARD {count} FROM rows"))
            .await?;
        if rows.is_empty() {
            self.session.push("CLOSE rows");
            self.session.flush().await?;
        }
        Ok(rows)
    }
}

