//! Default costs of the simulation, in microseconds, as `cargo xtask engine-figures` measured them with service, database
//! and clients on two cores: see benches/README.md. The tables of docs/capacity.md are calculated with them.

/// Processor time of a replica for a request: get a context, 16 clients.
pub(crate) const REPLICA: f64 = 123.0;
/// Processor time of the database to read a row: get a context, 16 clients.
pub(crate) const READ: f64 = 362.0;
/// Processor time of the database to list 100 files, 16 clients.
pub(crate) const LIST: f64 = 985.0;
/// Processor time of the database for a write transaction, without its changes: uploads of 1 and of 16 clients.
pub(crate) const TRANSACTION: f64 = 1774.0;
/// Processor time of the database for each change of a write transaction: the same.
pub(crate) const WRITE: f64 = 2787.0;
/// Time of a flush of the log on a virtual disk.
pub(crate) const FLUSH: f64 = 1254.0;
