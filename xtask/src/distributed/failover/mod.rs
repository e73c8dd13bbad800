//! Failover under load: parts of a deployment are killed, stopped and cut off while clients write and read.
//!
//! Each scenario checks that every request ends within a bound and with an error that is allowed, that operations succeed
//! again, and that each file is a linearizable register: nothing acknowledged is lost, and no content is mixed.

mod database;
mod deployment;
pub(crate) mod load;
mod network;
mod replicas;
mod store;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::deployment::{ApiKey, Deployment, Replica};
use self::load::{Balancer, Tenant, create_context};
use super::engines::{Engines, S3Client};
use crate::agb_serve;
use crate::failure::Failure;

pub(super) use self::database::{failover as database_failover, keys};
pub(super) use self::network::{database as database_network, store as store_network};
pub(super) use self::replicas::{killed, restarted, stalled};
pub(super) use self::store::node_killed;

/// Limit on the time of a request: the time limits of the service on its engines, several in succession.
const REQUEST_BOUND: Duration = Duration::from_secs(30);
/// Limit on the time until operations succeed again after the engines work again.
const RECOVERY_BOUND: Duration = Duration::from_secs(20);
const TENANTS: [&str; 2] = ["tenant-a", "tenant-b"];

/// What a scenario runs on.
pub(super) struct Setup<'a> {
    engines: &'a mut Engines,
    /// The program `agb`.
    program: PathBuf,
}

impl<'a> Setup<'a> {
    /// Builds `agb`, unless a program is given.
    pub(super) fn new(
        root: &Path,
        program: Option<&Path>,
        engines: &'a mut Engines,
    ) -> Result<Self, Failure> {
        let program = match program {
            Some(program) => program.to_owned(),
            None => agb_serve::build(root)?,
        };
        let program = engines.executable(&program)?;
        Ok(Self { engines, program })
    }

    /// Prepares the service on a database by its URL, and a bucket.
    fn deploy(
        &mut self,
        metadata: String,
        store: &S3Client,
        parameters: &str,
    ) -> Result<Deployment, Failure> {
        Deployment::new(self.engines, &self.program, metadata, store, parameters)
    }
}

/// Balances requests to replicas.
fn balance(replicas: &[&Replica]) -> Arc<Balancer> {
    let endpoints: Vec<_> = replicas.iter().map(|replica| replica.endpoint()).collect();
    Arc::new(Balancer::new(REQUEST_BOUND, &endpoints))
}

/// Adds an API key and a context for each tenant.
fn create_tenants(deployment: &Deployment, balancer: &Balancer) -> Result<Vec<Tenant>, Failure> {
    let mut tenants = Vec::new();
    for name in TENANTS {
        let ApiKey { secret, .. } = deployment.add_key(name)?;
        tenants.push(create_tenant(balancer, &secret, "load")?);
    }
    Ok(tenants)
}

/// Creates a context.
fn create_tenant(balancer: &Balancer, key: &str, context: &str) -> Result<Tenant, Failure> {
    create_context(balancer, key, context)
        .map_err(|problem| failure(format!("can't create a context: {problem}")))
}

/// An error of the service under test.
fn failure(problem: impl Into<String>) -> Failure {
    Failure::new(
        problem,
        "the logs are in the temporary folder while the task runs; run the scenario alone with --only",
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "the service and its engines are processes, so time is real"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the engines are processes, so that time is real"
)]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
