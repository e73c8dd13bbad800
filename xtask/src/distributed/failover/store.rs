//! Failures of the blob store.

use std::time::Duration;

use super::load::{Allowed, Load};
use super::{RECOVERY_BOUND, Setup, balance, create_tenants, failure};
use crate::failure::Failure;

/// Kills nodes of Garage, one after the other. Two of three go on.
pub(crate) fn node_killed(setup: &mut Setup<'_>) -> Result<(), Failure> {
    let server = setup.engines.postgres()?;
    let mut garage = setup.engines.garage()?;
    let store = garage.client(0);
    let store = store.ok_or_else(|| failure("Garage has no nodes"))?;
    let mut deployment = setup.deploy(server.url(), &store, "")?;
    let replica = deployment.start()?;
    let balancer = balance(&[&replica]);
    let tenants = create_tenants(&deployment, &balancer)?;
    let load = Load::start(&balancer, &tenants, 3);
    load.run_for(Duration::from_secs(5))?;
    // The service uses the first node.
    for (node, killed, degraded, back) in [
        (
            2,
            "third node killed",
            "without the third node",
            "third node back",
        ),
        (
            1,
            "second node killed",
            "without the second node",
            "second node back",
        ),
    ] {
        load.phase(killed, Allowed::Unavailable);
        garage.kill(node);
        let time = load.wait_for_progress(RECOVERY_BOUND)?;
        println!("  operations succeed after {:.1} s", time.as_secs_f64());
        load.run_for(Duration::from_secs(5))?;
        load.phase(degraded, Allowed::Nothing);
        load.run_for(Duration::from_secs(10))?;
        load.phase(back, Allowed::Nothing);
        garage.start_again(node)?;
        load.run_for(Duration::from_secs(5))?;
    }
    load.finish()?;
    deployment.check_store()
}
