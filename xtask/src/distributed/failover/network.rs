//! A proxy between the service and one of its engines, in each mode: every request ends within a bound.

use std::time::Duration;

use super::load::{Allowed, Load};
use super::{RECOVERY_BOUND, Setup, balance, create_tenants, failure};
use crate::distributed::engines::{S3Client, url};
use crate::distributed::proxy::{Direction, Mode, Proxy};
use crate::failure::Failure;

/// How long each mode lasts: longer than the limits of the service on one operation.
const DURATION: Duration = Duration::from_secs(12);
/// How long the load runs after it has recovered.
const CALM: Duration = Duration::from_secs(3);

/// A mode of the proxy, and what it causes.
struct Fault {
    name: &'static str,
    recovery: &'static str,
    mode: Mode,
    /// Whether requests must fail, since the engine is not reachable.
    fails: bool,
}

/// Every mode. A connection is cut after `cut` bytes.
fn faults(cut: u64) -> [Fault; 6] {
    let fault = |name, recovery, mode, fails| Fault {
        name,
        recovery,
        mode,
        fails,
    };
    [
        fault(
            "latency",
            "after latency",
            Mode::Latency(Duration::from_millis(50)),
            false,
        ),
        fault("blackhole", "after blackhole", Mode::Blackhole, true),
        fault("cut", "after cut", Mode::CutAfter(cut), false),
        fault("reset", "after reset", Mode::Reset, true),
        fault(
            "half-open to the engine",
            "after half-open to the engine",
            Mode::HalfOpen(Direction::ToServer),
            true,
        ),
        fault(
            "half-open from the engine",
            "after half-open from the engine",
            Mode::HalfOpen(Direction::ToClient),
            true,
        ),
    ]
}

/// The proxy is between the service and PostgreSQL.
pub(crate) fn database(setup: &mut Setup<'_>) -> Result<(), Failure> {
    let server = setup.engines.postgres()?;
    let store = setup.engines.s3s()?;
    let proxy = Proxy::start(&format!("127.0.0.1:{}", server.port()))?;
    let metadata = url(&[proxy.port()]);
    let limits =
        "connect_timeout=1&pool_timeout=1&operation_timeout=4&statement_timeout=3&lock_timeout=2";
    let url = format!("{metadata}?{limits}");
    // Metadata never cuts the body of a download.
    run(
        setup,
        url,
        store.client(),
        &proxy,
        30_000,
        Allowed::Unavailable,
    )
}

/// The proxy is between the service and the bucket.
pub(crate) fn store(setup: &mut Setup<'_>) -> Result<(), Failure> {
    let server = setup.engines.postgres()?;
    let store = setup.engines.s3s()?;
    let proxy = Proxy::start(&store.client().address)?;
    let client = S3Client {
        address: proxy.address(),
        ..store.client().clone()
    };
    run(setup, server.url(), &client, &proxy, 200_000, Allowed::Cut)
}

fn run(
    setup: &mut Setup<'_>,
    metadata: String,
    store: &S3Client,
    proxy: &Proxy,
    cut: u64,
    allowed: Allowed,
) -> Result<(), Failure> {
    let mut deployment = setup.deploy(metadata, store, "&timeout=4")?;
    let replica = deployment.start()?;
    let balancer = balance(&[&replica]);
    let tenants = create_tenants(&deployment, &balancer)?;
    let load = Load::start(&balancer, &tenants, 3);
    load.run_for(CALM)?;
    for fault in faults(cut) {
        load.phase(fault.name, allowed);
        proxy.switch(fault.mode);
        load.run_for(DURATION)?;
        if fault.fails && load.problems() == 0 {
            return Err(failure(format!("no request failed: {}", fault.name)));
        }
        proxy.switch(Mode::Pass);
        let time = load.wait_for_progress(RECOVERY_BOUND)?;
        println!("  operations succeed {:.1} s later", time.as_secs_f64());
        // Requests that began in the previous mode may still fail.
        load.run_for(CALM)?;
        load.phase(fault.recovery, Allowed::Nothing);
        load.run_for(CALM)?;
    }
    println!("  {} connections through the proxy", proxy.accepted());
    load.finish()?;
    deployment.check_store()
}
