//! The statements that are prepared on a connection. The server then parses and plans each of them once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Statement};

/// Maximum number of statements of a connection. Requests have about half as many, so that only a statement with a variable
/// text could exceed it.
const MAX_STATEMENTS: usize = 64;

/// The prepared statements of a connection, by their text. They live as long as the connection.
#[derive(Default)]
pub(super) struct PreparedStatements(Mutex<HashMap<String, Statement>>);

impl PreparedStatements {
    /// Returns a statement, and prepares it on the first call. `None` if there are too many.
    pub(super) async fn get(
        &self,
        client: &Client,
        sql: &str,
        types: impl Iterator<Item = Type>,
    ) -> Result<Option<Statement>, Error> {
        let known = {
            let statements = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (statements.get(sql).cloned(), statements.len())
        };
        match known {
            (Some(statement), _) => return Ok(Some(statement)),
            (None, MAX_STATEMENTS..) => return Ok(None),
            (None, _) => {}
        }
        let types: Vec<Type> = types.collect();
        let statement = client.prepare_typed(sql, &types).await?;
        let mut statements = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        statements.insert(sql.to_owned(), statement.clone());
        Ok(Some(statement))
    }
}
