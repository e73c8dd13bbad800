//! The file that `cargo xtask engine-figures --json` writes: processor times and throughput of each workload.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// All measurements of a run, on one machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EngineFigures {
    /// When and how they were measured.
    pub(crate) source: String,
    pub(crate) cores: usize,
    /// Share of the processor time that other processes used.
    pub(crate) other_processes: f64,
    /// Microseconds of a flush of the log, by engines.
    pub(crate) flush: BTreeMap<String, f64>,
    pub(crate) measurements: Vec<Measurement>,
}

/// A workload on engines with a number of replicas. Costs are for each operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) operation: String,
    pub(crate) clients: usize,
    /// Tenants that the clients belong to.
    pub(crate) tenants: usize,
    pub(crate) engines: String,
    pub(crate) replicas: usize,
    pub(crate) operations_per_second: f64,
    /// Processor time in microseconds.
    pub(crate) service: f64,
    pub(crate) database: f64,
    pub(crate) store: f64,
    pub(crate) client: f64,
    /// Transactions of the service.
    pub(crate) reads: f64,
    pub(crate) writes: f64,
    /// Changes in each write transaction.
    pub(crate) changes: f64,
    /// Requests of the service to the store.
    pub(crate) store_requests: f64,
}

impl EngineFigures {
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let failed = |problem: &dyn std::fmt::Display| {
            Failure::new(
                format!("can't read {}: {problem}", file.display()),
                "write the file with `cargo xtask engine-figures --json FILE`",
            )
        };
        let text = fs::read_to_string(file).map_err(|error| failed(&error))?;
        serde_json::from_str(&text).map_err(|error| failed(&error))
    }

    /// Used by `engine-figures`.
    #[cfg(target_os = "linux")]
    pub(crate) fn write(&self, file: &Path) -> Result<(), Failure> {
        let failed = |problem: &dyn std::fmt::Display| {
            Failure::new(
                format!("can't write {}: {problem}", file.display()),
                "pass another path to --json",
            )
        };
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(&error))?;
        fs::write(file, text + "\n").map_err(|error| failed(&error))
    }

    pub(in crate::capacity) fn find(
        &self,
        engines: &str,
        operation: &str,
        (clients, tenants): (usize, usize),
        replicas: usize,
    ) -> Option<&Measurement> {
        self.measurements.iter().find(|measurement| {
            measurement.engines == engines
                && measurement.operation == operation
                && (measurement.clients, measurement.tenants) == (clients, tenants)
                && measurement.replicas == replicas
        })
    }
}
