//! Connections to PostgreSQL: settings, TLS, the pool, and transactions with a deadline.

mod config;
mod error;
mod link;
mod metrics;
mod own_parameters;
mod password_file;
mod pool;
mod prepared_statements;
mod session;
mod tls;
mod value;

pub(super) use self::config::{InvalidConfig, Settings};
pub(super) use self::error::Failure;
pub(super) use self::link::ConnectError;
pub(super) use self::pool::Pool;
pub(super) use self::session::{Access, CommitError, Session, Statement};
pub(super) use self::value::{Value, milliseconds};
