//! A discrete-event simulation of replicas, their pools, and the primaries and standbys of the database.
//!
//! A request occupies a core of its replica. A read then occupies a connection for a round trip and the processor time of
//! the database. A large upload registers itself and waits for the store. An upload then joins the queue of its tenant on
//! its replica. The queue has one transaction at a time, with up to `batch` operations, which locks the row of the tenant
//! until its commit is flushed and the standby has it: transactions of a tenant are serial, also across replicas.

mod model;
mod outcome;
mod servers;
mod setup;

pub(super) use self::model::simulate;
pub(super) use self::outcome::{Outcome, Resource, percentile};
pub(super) use self::servers::{Log, Servers, Time};
pub(super) use self::setup::{Mix, Setup, Times};
