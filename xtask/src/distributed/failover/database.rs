//! Failures of the database, and changes in it that all replicas follow.

use std::time::Duration;

use rustix::process::Signal;

use super::load::{Allowed, Balancer, Client, Load, Problem, Tenant, create_context};
use super::{RECOVERY_BOUND, Setup, balance, create_tenant, create_tenants, failure, now, pause};
use crate::distributed::engines::url;
use crate::distributed::interrupt;
use crate::failure::Failure;

/// How long writes fail before the promotion.
const OUTAGE: Duration = Duration::from_secs(3);
/// How long commits wait for a stopped standby: longer than the limit on an operation.
const STALL: Duration = Duration::from_secs(15);
/// Limit on the time until a revoked key is rejected, as documented.
const REVOCATION_BOUND: Duration = Duration::from_secs(5);

/// Kills the primary and promotes its synchronous standby. The service goes on without a restart.
pub(crate) fn failover(setup: &mut Setup<'_>) -> Result<(), Failure> {
    for standby_stalls in [false, true] {
        let mut primary = setup.engines.postgres()?;
        let mut standby = primary.start_standby("standby")?;
        let store = setup.engines.s3s()?;
        let hosts = url(&[primary.port(), standby.port()]);
        let url = format!("{hosts}?target_session_attrs=read-write");
        let mut deployment = setup.deploy(url, store.client(), "")?;
        let replica = deployment.start()?;
        let balancer = balance(&[&replica]);
        let tenants = create_tenants(&deployment, &balancer)?;
        let load = Load::start(&balancer, &tenants, 3);
        load.run_for(Duration::from_secs(5))?;
        if standby_stalls {
            // The primary has commits that the standby lacks: none of them may be acknowledged or read.
            load.phase("standby stopped", Allowed::Unavailable);
            standby.signal_all(Signal::STOP);
            load.run_for(STALL)?;
        }
        load.phase("primary killed", Allowed::Unavailable);
        primary.kill();
        standby.signal_all(Signal::CONT);
        load.run_for(OUTAGE)?;
        if load.problems() == 0 {
            return Err(failure("no request failed without a primary"));
        }
        standby.promote()?;
        let time = load.wait_for_progress(RECOVERY_BOUND)?;
        println!(
            "  operations succeed {:.1} s after the promotion",
            time.as_secs_f64()
        );
        load.run_for(Duration::from_secs(3))?;
        load.phase("on the promoted standby", Allowed::Nothing);
        load.run_for(Duration::from_secs(5))?;
        load.finish()?;
        deployment.check_store()?;
    }
    Ok(())
}

/// Revoked API keys are rejected everywhere within a bound, and rotated signing keys are known everywhere.
pub(crate) fn keys(setup: &mut Setup<'_>) -> Result<(), Failure> {
    let server = setup.engines.postgres()?;
    let store = setup.engines.s3s()?;
    let mut deployment = setup.deploy(server.url(), store.client(), "")?;
    let replicas = [deployment.start()?, deployment.start()?];
    let balancers = replicas.each_ref().map(|replica| balance(&[replica]));
    let [first, second] = &balancers;
    // Without keys, any key is accepted, each as that of another tenant.
    answered(create_context(first, "any", "keys"), "a call without keys")?;
    let (kept, revoked) = (
        deployment.add_key("tenant-a")?,
        deployment.add_key("tenant-a")?,
    );
    let kept = create_tenant(first, &kept.secret, "keys")?;
    for balancer in &balancers {
        answered(
            Client::new(balancer, &kept).state(),
            "a call by the first key",
        )?;
        let rejected = create_context(balancer, "any", "keys").map(drop);
        if !matches!(rejected, Err(Problem::Status { status: 401, .. })) {
            return Err(failure("any key is accepted after the first one was added"));
        }
    }
    let other = Tenant {
        key: revoked.secret.clone(),
        context: kept.context.clone(),
    };
    let content = super::load::encode(
        crate::distributed::history::Value {
            writer: 0,
            number: 1,
        },
        1000,
    );
    let client = Client::new(first, &kept);
    let url = answered(client.upload_url("/a"), "an upload URL")?;
    let (_, uploaded) = client.upload(&url, &content);
    answered(uploaded, "an upload")?;

    // Rotation: URLs of both replicas verify on both, at once.
    let old = download_urls(&balancers, &kept)?;
    deployment.keys(&["rotate-signing", "--overlap", "3600"])?;
    let new = download_urls(&balancers, &kept)?;
    for url in old.iter().chain(&new) {
        for balancer in &balancers {
            answered(
                Client::new(balancer, &kept).download(url),
                "a download by a rotated key",
            )?;
        }
    }
    println!("  8 downloads by URLs from before and after the rotation");
    deployment.keys(&["rotate-signing", "--overlap", "0"])?;
    for (balancer, url) in [(first, &old[1]), (second, &old[0])] {
        let time = wait_until_rejected(|| Client::new(balancer, &kept).download(url).map(drop))?;
        println!("  a URL of a removed signing key is rejected after {time:.1?}");
    }

    // Revocation: the other key of the tenant remains.
    let other_urls = download_urls(&balancers, &other)?;
    deployment.keys(&["revoke", &revoked.id])?;
    for (balancer, url) in balancers.iter().zip(&other_urls) {
        let call = wait_until_rejected(|| Client::new(balancer, &other).state().map(drop))?;
        let download =
            wait_until_rejected(|| Client::new(balancer, &other).download(url).map(drop))?;
        println!("  a revoked key is rejected after {call:.1?}, its URLs after {download:.1?}");
        answered(
            Client::new(balancer, &kept).state(),
            "a call by another key",
        )?;
    }
    let urls = download_urls(&balancers, &kept)?;
    answered(
        Client::new(second, &kept).download(&urls[0]),
        "a download by another key",
    )?;
    deployment.check_store()
}

/// A URL to download the file, by each replica. Each works.
fn download_urls(
    balancers: &[std::sync::Arc<Balancer>; 2],
    tenant: &Tenant,
) -> Result<Vec<String>, Failure> {
    let mut urls = Vec::new();
    for balancer in balancers {
        let client = Client::new(balancer, tenant);
        let url = answered(client.download_url("/a"), "a download URL")?;
        let url = url.ok_or_else(|| failure("the file of the test is missing"))?;
        answered(client.download(&url), "a download")?;
        urls.push(url);
    }
    Ok(urls)
}

/// Repeats a request until it is rejected with 401 or 403. Returns the time that it took.
fn wait_until_rejected(request: impl Fn() -> Result<(), Problem>) -> Result<Duration, Failure> {
    let start = now();
    loop {
        interrupt::check()?;
        match request() {
            Err(Problem::Status {
                status: 401 | 403, ..
            }) => return Ok(start.elapsed()),
            Err(problem) => return Err(failure(format!("a request fails with {problem}"))),
            Ok(()) if start.elapsed() > REVOCATION_BOUND => {
                return Err(failure(format!("accepted for {REVOCATION_BOUND:?}")));
            }
            Ok(()) => pause(Duration::from_millis(50)),
        }
    }
}

fn answered<T>(result: Result<T, Problem>, what: &str) -> Result<T, Failure> {
    result.map_err(|problem| failure(format!("{what} failed: {problem}")))
}
