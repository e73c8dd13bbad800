//! A model of clients, replicas, database and store, fitted to measurements of single operations with one replica.

mod fit;
mod layout;
mod measurement;
mod model;

pub(super) use self::fit::{Costs, Workload, fit, workloads};
#[cfg(test)]
pub(super) use self::layout::Limit;
pub(super) use self::layout::{Layout, Machines};
pub(crate) use self::measurement::EngineFigures;
#[cfg(target_os = "linux")]
pub(crate) use self::measurement::Measurement;
pub(super) use self::model::{Load, Throughput, simulate};
