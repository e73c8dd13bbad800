//! The background tasks of a server.

mod collector;
mod quarantine;
mod shared_store;
mod supervisor;

pub(crate) use self::collector::{Collector, Wake};
pub(crate) use self::supervisor::Supervisor;
pub use self::supervisor::TaskEnded;
