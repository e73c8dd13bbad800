//! Default costs of the simulation, in microseconds. `cargo xtask engine-figures` measures all of them and prints them
//! beside these. The tables of docs/capacity.md are calculated with them.

/// Processor time of a replica for a request: the benchmark `small` of benches/README.md, 12,353 uploads a second with
/// two cores, which the client shared.
pub(crate) const REPLICA: f64 = 160.0;
/// Processor time of the database to read a row: pgbench on PostgreSQL 15.
pub(crate) const READ: f64 = 162.0;
/// Processor time of the database to list 100 files: pgbench on PostgreSQL 15.
pub(crate) const LIST: f64 = 456.0;
/// Processor time of the database for a write transaction, without its changes: pgbench on PostgreSQL 15, with 1 and 16
/// uploads in a transaction.
pub(crate) const TRANSACTION: f64 = 516.0;
/// Processor time of the database for each change of a write transaction: the same.
pub(crate) const WRITE: f64 = 268.0;
/// Time of a flush of the log: `pg_test_fsync` on a virtual disk.
pub(crate) const FLUSH: f64 = 1260.0;
