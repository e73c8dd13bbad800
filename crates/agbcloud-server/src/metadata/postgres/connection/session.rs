//! A transaction on a connection of the pool.
//!
//! Every wait ends at a deadline. A connection whose transaction did not end properly is closed instead of returned, so that
//! nothing of it can reach another transaction. Settings are local to the transaction, and statements have no names by default: so
//! any connection of a pool between the service and the database may run them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_util::future::{join, join_all};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::error::Failure;
use super::metrics::DatabaseMetrics;
use super::pool::{Pool, PooledLink};
use super::value::Value;

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::metadata::postgres) enum Access<'a> {
    /// Reads rows of a tenant with one statement.
    Read(i64),
    /// Reads rows of a tenant with several statements that see the same state.
    Snapshot(i64),
    /// Writes rows of a tenant.
    Write(i64),
    /// Reads or creates the row of the tenant with this id.
    Tenant(&'a str),
    /// Reads and writes rows of all tenants, in the background.
    Task,
    /// Reads rows of all tenants.
    ReadAll,
    /// Reads rows of all tenants with several statements that see the same state.
    SnapshotAll,
}

/// A transaction. Dropped without [`finish`](Self::finish) or [`commit`](Self::commit), it is rolled back by closing its
/// connection.
pub(in crate::metadata::postgres) struct Session {
    /// `None` after the end.
    link: Option<PooledLink>,
    deadline: Instant,
    began: Instant,
    /// The kind of the transaction in the metrics.
    kind: &'static str,
    metrics: DatabaseMetrics,
    /// Statements without a result that are sent with the next statement.
    pending: Mutex<String>,
    /// Whether its statements are prepared.
    prepares: bool,
    /// Whether the connection can't be used any more.
    broken: AtomicBool,
}

/// A statement with its parameters.
pub(in crate::metadata::postgres) type Statement<'a> = (&'a str, Vec<Value<'a>>);

impl Session {
    /// Begins a transaction. Everything in it must happen before the deadline. `synchronous_commit` is the value of that setting.
    pub(in crate::metadata::postgres) async fn begin(
        pool: &Pool,
        access: Access<'_>,
        synchronous_commit: &str,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let link = pool.get(deadline).await?;
        let settings = pool.settings();
        let (statement, lock) = (
            settings.statement_timeout.as_millis(),
            settings.lock_timeout.as_millis(),
        );
        let idle = settings.operation_timeout.as_millis();
        let mode = match access {
            Access::Read(_) | Access::ReadAll => "READ COMMITTED READ ONLY",
            Access::Snapshot(_) | Access::SnapshotAll => "REPEATABLE READ READ ONLY",
            Access::Write(_) | Access::Tenant(_) | Access::Task => "READ COMMITTED READ WRITE",
        };
        let identity = match access {
            Access::Read(tenant) | Access::Snapshot(tenant) | Access::Write(tenant) => {
                format!("SET LOCAL agb.tenant = '{tenant}'")
            }
            Access::Tenant(id) => format!("SET LOCAL agb.name = '{}'", id.replace('\'', "''")),
            Access::Task | Access::ReadAll | Access::SnapshotAll => {
                "SET LOCAL agb.role = 'task'".to_owned()
            }
        };
        let mut begin = format!(
            "BEGIN ISOLATION LEVEL {mode}; {identity}; SET LOCAL statement_timeout = {statement}"
        );
        if mode.ends_with("WRITE") {
            begin += &format!(
                "; SET LOCAL lock_timeout = {lock}; SET LOCAL idle_in_transaction_session_timeout = {idle}; \
                 SET LOCAL synchronous_commit = {synchronous_commit}"
            );
        }
        Ok(Self {
            link: Some(link),
            deadline,
            #[expect(clippy::disallowed_methods, reason = "measures a duration")]
            began: Instant::now(),
            kind: match access {
                Access::Read(_) | Access::Snapshot(_) | Access::Tenant(_) => "read",
                Access::Write(_) => "write",
                Access::Task | Access::ReadAll | Access::SnapshotAll => "task",
            },
            metrics: pool.metrics().clone(),
            pending: Mutex::new(begin),
            // Statements about pages depend on the size of a folder, so that one plan does not fit all.
            prepares: settings.prepared_statements
                && matches!(
                    access,
                    Access::Read(_) | Access::Write(_) | Access::Tenant(_)
                ),
            broken: AtomicBool::new(false),
        })
    }

    /// Adds statements without parameters and results. They are sent with the next statement.
    pub(in crate::metadata::postgres) fn push(&self, sql: &str) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if !pending.is_empty() {
            pending.push_str("; ");
        }
        pending.push_str(sql);
    }

    /// Moves the deadline of a transaction of many statements.
    pub(in crate::metadata::postgres) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    fn take_pending(&self) -> String {
        std::mem::take(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn link(&self) -> Result<&PooledLink, Failure> {
        self.link
            .as_ref()
            .filter(|_| !self.broken.load(Ordering::Relaxed))
            .ok_or(Failure::Lost("the connection to the database was lost"))
    }

    /// Waits for responses, at most until the deadline.
    async fn wait<T>(
        &self,
        responses: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        let result = match timeout_at(self.deadline, responses).await {
            Ok(result) => result.map_err(Failure::from),
            Err(_) => Err(Failure::Lost("the database does not respond in time")),
        };
        if matches!(result, Err(Failure::Lost(_))) {
            self.broken.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Returns a statement as the server knows it. Prepares it first if that is its first use on this connection.
    async fn statement<'a>(
        &self,
        sql: &'a str,
        parameters: &'a [Value<'a>],
    ) -> Result<PreparedOrText<'a>, Failure> {
        let types = parameters.iter().map(Value::sql_type);
        let prepared = match self.prepares {
            // Boxed, because only the first use needs its state.
            true => Box::pin(self.wait(self.link()?.prepare(sql, types))).await?,
            false => None,
        };
        Ok(match prepared {
            Some(statement) => PreparedOrText::Prepared(statement, parameters),
            None => PreparedOrText::Text(sql, typed(parameters)),
        })
    }

    /// Sends what was pushed, and a statement. Returns the rows of the statement.
    pub(in crate::metadata::postgres) async fn query(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let statement = self.statement(sql, parameters).await?;
        let client = &self.link()?.client;
        let pending = self.take_pending();
        if pending.is_empty() {
            return self.wait(statement.query(client)).await;
        }
        let both = join(client.batch_execute(&pending), statement.query(client));
        self.wait(async {
            let (before, rows) = both.await;
            before?;
            rows
        })
        .await
    }

    /// As [`query`](Self::query), for at most one row.
    pub(in crate::metadata::postgres) async fn query_opt(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
    ) -> Result<Option<Row>, Failure> {
        Ok(self.query(sql, parameters).await?.into_iter().next())
    }

    /// As [`query`](Self::query), and ends the transaction.
    pub(in crate::metadata::postgres) async fn query_last(
        mut self,
        sql: &str,
        parameters: &[Value<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let statement = self.statement(sql, parameters).await?;
        let client = &self.link()?.client;
        let pending = self.take_pending();
        let all = join(
            client.batch_execute(&pending),
            join(statement.query(client), client.batch_execute("COMMIT")),
        );
        let rows = self
            .wait(async {
                let (before, (rows, after)) = all.await;
                before?;
                let rows = rows?;
                after?;
                Ok(rows)
            })
            .await?;
        // Returns the connection.
        self.link = None;
        Ok(rows)
    }

    /// Sends several statements at once. Returns the number of rows that each one changed.
    pub(in crate::metadata::postgres) async fn execute_all(
        &self,
        statements: &[Statement<'_>],
    ) -> Result<Vec<u64>, Failure> {
        let mut ready = Vec::with_capacity(statements.len());
        for (sql, parameters) in statements {
            ready.push(self.statement(sql, parameters).await?);
        }
        let client = &self.link()?.client;
        let pending = self.take_pending();
        let before = async {
            match pending.is_empty() {
                true => Ok(()),
                false => client.batch_execute(&pending).await,
            }
        };
        let all = join_all(ready.iter().map(|statement| statement.execute(client)));
        // `join_all` sends in order only up to this number.
        debug_assert!(statements.len() <= 30);
        self.wait(async {
            let (before, results) = join(before, all).await;
            before?;
            results.into_iter().collect()
        })
        .await
    }

    /// Sends what was pushed, and one statement. Returns the number of rows that it changed.
    pub(in crate::metadata::postgres) async fn execute(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
    ) -> Result<u64, Failure> {
        let changed = self.execute_all(&[(sql, parameters.to_vec())]).await?;
        Ok(changed.into_iter().sum())
    }

    /// Sends what was pushed.
    pub(in crate::metadata::postgres) async fn flush(&self) -> Result<(), Failure> {
        let pending = self.take_pending();
        let client = &self.link()?.client;
        self.wait(client.batch_execute(&pending)).await
    }

    /// Ends a transaction that has changed nothing.
    pub(in crate::metadata::postgres) async fn finish(mut self) -> Result<(), Failure> {
        self.push("COMMIT");
        self.flush().await?;
        self.link = None;
        Ok(())
    }

    /// Rolls back, so that the connection can be used again.
    pub(in crate::metadata::postgres) async fn roll_back(mut self) {
        self.push("ROLLBACK");
        if self.flush().await.is_ok() {
            self.link = None;
        }
    }

    /// Sends a last statement and commits. If this fails with [`CommitError::Unknown`], the transaction may be committed.
    pub(in crate::metadata::postgres) async fn commit(
        mut self,
        last: Option<Statement<'_>>,
    ) -> Result<(), CommitError> {
        // A timeout would end the wait for a standby, and the server would report success.
        let commit = "SET LOCAL statement_timeout = 0; COMMIT";
        let last = match &last {
            Some((sql, parameters)) => {
                let statement = self.statement(sql, parameters).await;
                Some(statement.map_err(CommitError::NotCommitted)?)
            }
            None => None,
        };
        let pending = self.take_pending();
        let link = self.link().map_err(CommitError::NotCommitted)?;
        let client = &link.client;
        link.take_warned();
        let before = async {
            match pending.is_empty() {
                true => Ok(()),
                false => client.batch_execute(&pending).await,
            }
        };
        let last = async {
            match &last {
                Some(statement) => statement.execute(client).await.map(drop),
                None => Ok(()),
            }
        };
        let all = join(before, join(last, client.batch_execute(commit)));
        let (before, (last, committed)) = match timeout_at(self.deadline, all).await {
            Ok(results) => results,
            Err(_) => return Err(CommitError::Unknown),
        };
        for result in [before, last] {
            match result.map_err(Failure::from) {
                Ok(()) => {}
                // The server may have received all of it.
                Err(Failure::Lost(_)) => return Err(CommitError::Unknown),
                // The commit only ended the failed transaction.
                Err(failure) => return Err(CommitError::NotCommitted(failure)),
            }
        }
        match committed.map_err(Failure::from) {
            // The wait for a standby was cancelled: the commit may be lost when that becomes the primary server.
            Ok(()) if link.take_warned() => Err(CommitError::Unknown),
            Ok(()) => {
                self.link = None;
                Ok(())
            }
            Err(Failure::Lost(_)) => Err(CommitError::Unknown),
            // The server reports an error only for a transaction that it rolled back.
            Err(failure) => Err(CommitError::NotCommitted(failure)),
        }
    }

    /// Returns the plan of a statement as text, with the rows and buffers that it uses.
    #[cfg(test)]
    pub(in crate::metadata::postgres) async fn explain(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
    ) -> Result<String, Failure> {
        let sql = format!("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {sql}");
        let rows = self.query(&sql, parameters).await?;
        let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        Ok(lines.join("\n"))
    }
}

/// A statement with its parameters, ready to be sent.
enum PreparedOrText<'a> {
    Prepared(tokio_postgres::Statement, &'a [Value<'a>]),
    Text(&'a str, Vec<(&'a (dyn ToSql + Sync), Type)>),
}

impl PreparedOrText<'_> {
    async fn query(&self, client: &Client) -> Result<Vec<Row>, tokio_postgres::Error> {
        match self {
            Self::Prepared(statement, parameters) => {
                let parameters = references(parameters);
                // Boxed, since most services do not prepare statements.
                Box::pin(client.query(statement, &parameters)).await
            }
            Self::Text(sql, typed) => client.query_typed(sql, typed).await,
        }
    }

    async fn execute(&self, client: &Client) -> Result<u64, tokio_postgres::Error> {
        match self {
            Self::Prepared(statement, parameters) => {
                let parameters = references(parameters);
                Box::pin(client.execute(statement, &parameters)).await
            }
            Self::Text(sql, typed) => client.execute_typed(sql, typed).await,
        }
    }
}

fn references<'a>(parameters: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    let reference = |value| value as &(dyn ToSql + Sync);
    parameters.iter().map(reference).collect()
}

/// Why a commit failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::metadata::postgres) enum CommitError {
    /// The transaction had no effect.
    NotCommitted(Failure),
    /// The connection was lost after the commit was sent.
    Unknown,
}

fn typed<'a>(parameters: &'a [Value<'a>]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    parameters
        .iter()
        .map(|value| (value as &(dyn ToSql + Sync), value.sql_type()))
        .collect()
}

impl Drop for Session {
    fn drop(&mut self) {
        self.metrics.ended(self.kind, self.began.elapsed());
        if let Some(link) = self.link.take() {
            PooledLink::take(link).kill();
        }
    }
}
