//! Failures of replicas of the service, which share a database and a bucket.

use std::sync::Arc;
use std::time::Duration;

use super::load::{Allowed, Balancer, Client, Load, Problem, Size, SlowUpload, Tenant, encode};
use super::{
    ApiKey, Deployment, RECOVERY_BOUND, Replica, Setup, balance, create_tenant, create_tenants,
    failure, now, pause,
};
use crate::distributed::history::{Reading, Value};
use crate::distributed::interrupt;
use crate::failure::Failure;

/// Limit on the time until another replica has cleared a context.
const CLEAR_BOUND: Duration = Duration::from_secs(120);
/// Longer than the lease of an upload (60 s), and the pause of the collector (10 s).
const STALL: Duration = Duration::from_secs(85);
/// Files of a context that is cleared.
const FILES: usize = 3000;
const FILLERS: usize = 8;
/// A file that is uploaded while its replica is stopped.
const UPLOAD: &str = "/upload";
/// Replicas that are replaced in a rolling restart.
const RESTARTS: usize = 6;

/// Kills one of two replicas during uploads and a clear. The other one goes on, and finishes the clear.
pub(crate) fn killed(setup: &mut Setup<'_>) -> Result<(), Failure> {
    let server = setup.engines.postgres()?;
    let store = setup.engines.s3s()?;
    let mut deployment = setup.deploy(server.url(), store.client(), "")?;
    let (mut first, second) = (deployment.start()?, deployment.start()?);
    let balancer = balance(&[&first, &second]);
    let tenants = create_tenants(&deployment, &balancer)?;
    let full = fill(&deployment, &balancer, FILES)?;
    // Many large uploads, so that some are in progress.
    let load = Load::start(&balancer, &tenants, 20);
    load.run_for(Duration::from_secs(5))?;
    let (on_first, on_second) = (balance(&[&first]), balance(&[&second]));
    load.phase("first replica killed", Allowed::Killed);
    clear(&Client::new(&on_first, &full))?;
    first.kill();
    let survivor = Client::new(&on_second, &full);
    let state = survivor.state();
    if state != Ok("clearing".to_owned()) {
        return Err(failure(format!(
            "the context is not being cleared after the kill, but {state:?}: use more files"
        )));
    }
    let time = wait_until_available(&survivor)?;
    println!(
        "  the second replica finishes the clear in {:.1} s",
        time.as_secs_f64()
    );
    let time = load.wait_for_progress(RECOVERY_BOUND)?;
    println!("  operations succeed after {:.1} s", time.as_secs_f64());
    balancer.set(&[second.endpoint()]);
    load.phase("second replica alone", Allowed::Nothing);
    load.run_for(Duration::from_secs(5))?;
    let third = deployment.start()?;
    balancer.set(&[second.endpoint(), third.endpoint()]);
    load.phase("with a third replica", Allowed::Nothing);
    load.run_for(Duration::from_secs(5))?;
    // Also a clear of the files that the load writes.
    load.phase("clear during writes", Allowed::Cleared);
    for tenant in 0..tenants.len() {
        if !load.clear(tenant, &balance(&[&third]))? {
            return Err(failure("a clear during writes failed"));
        }
        load.run_for(Duration::from_secs(2))?;
    }
    load.phase("after the clear", Allowed::Nothing);
    load.run_for(Duration::from_secs(3))?;
    load.finish()?;
    deployment.check_store()
}

/// Stops a replica for longer than its leases, in the middle of uploads and of a clear. Nothing that it does afterwards
/// destroys anything.
pub(crate) fn stalled(setup: &mut Setup<'_>) -> Result<(), Failure> {
    let server = setup.engines.postgres()?;
    let store = setup.engines.s3s()?;
    let mut deployment = setup.deploy(server.url(), store.client(), "")?;
    let (first, second) = (deployment.start()?, deployment.start()?);
    let balancer = balance(&[&first, &second]);
    let tenants = create_tenants(&deployment, &balancer)?;
    let full = fill(&deployment, &balancer, FILES)?;
    let load = Load::start(&balancer, &tenants, 20);
    load.run_for(Duration::from_secs(5))?;
    let (on_first, on_second) = (balance(&[&first]), balance(&[&second]));
    let (mut upload, value) = begin_upload(&first, &Client::new(&on_first, &tenants[0]))?;
    clear(&Client::new(&on_first, &full))?;
    load.phase("first replica stopped", Allowed::Stopped);
    first.pause();
    // The replica finds the last bytes when it continues.
    upload
        .send_rest()
        .map_err(|error| failure(format!("can't upload: {error}")))?;
    balancer.set(&[second.endpoint()]);
    let survivor = Client::new(&on_second, &full);
    let time = wait_until_available(&survivor)?;
    println!(
        "  the second replica finishes the clear in {:.1} s",
        time.as_secs_f64()
    );
    // The stopped replica has begun to delete the files of this context.
    let contents = write_files(&survivor, 40)?;
    load.run_for(STALL)?;
    load.phase("first replica continued", Allowed::Stopped);
    balancer.set(&[first.endpoint(), second.endpoint()]);
    first.resume();
    let status = upload.status();
    load.wait_for_progress(RECOVERY_BOUND)?;
    load.run_for(Duration::from_secs(20))?;
    // The lease of the upload has expired, and its parts are deleted.
    println!("  the upload of the stopped replica ends with {status:?}");
    for balancer in [&on_first, &on_second] {
        let found = read_file(&Client::new(balancer, &tenants[0]), UPLOAD)?;
        let expected = match status {
            Ok(200) => Reading::Value(value),
            _ => Reading::Absent,
        };
        if found != expected {
            return Err(failure(format!("that upload left {found:?}")));
        }
    }
    load.phase("both replicas", Allowed::Nothing);
    load.run_for(Duration::from_secs(5))?;
    for endpoint in [&on_first, &on_second] {
        read_files(&Client::new(endpoint, &full), &contents)?;
    }
    load.finish()?;
    deployment.check_store()
}

/// Replaces each replica by a new one under load: starts the new one, then drains the old one with SIGTERM.
pub(crate) fn restarted(setup: &mut Setup<'_>) -> Result<(), Failure> {
    let server = setup.engines.postgres()?;
    let store = setup.engines.s3s()?;
    let mut deployment = setup.deploy(server.url(), store.client(), "")?;
    let mut replicas = vec![deployment.start()?, deployment.start()?];
    let balancer = balance(&replicas.iter().collect::<Vec<_>>());
    let tenants = create_tenants(&deployment, &balancer)?;
    let load = Load::start(&balancer, &tenants, 10);
    load.run_for(Duration::from_secs(3))?;
    load.phase("rolling restart", Allowed::Nothing);
    for _ in 0..RESTARTS {
        replicas.push(deployment.start()?);
        let all: Vec<_> = replicas.iter().map(Replica::endpoint).collect();
        balancer.set(&all);
        load.run_for(Duration::from_secs(1))?;
        // Clients still know the old one, and are refused.
        let mut old = replicas.remove(0);
        old.drain()?;
        load.run_for(Duration::from_secs(1))?;
        let rest: Vec<_> = replicas.iter().map(Replica::endpoint).collect();
        balancer.set(&rest);
    }
    load.wait_for_progress(RECOVERY_BOUND)?;
    load.finish()?;
    deployment.check_store()
}

/// A context of a tenant of its own with this number of files.
fn fill(
    deployment: &Deployment,
    balancer: &Arc<Balancer>,
    files: usize,
) -> Result<Tenant, Failure> {
    let ApiKey { secret, .. } = deployment.add_key("tenant-full")?;
    let tenant = create_tenant(balancer, &secret, "full")?;
    let start = now();
    let failed: Vec<Problem> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..FILLERS)
            .map(|filler| {
                let client = Client::new(balancer, &tenant);
                scope.spawn(move || {
                    (filler..files)
                        .step_by(FILLERS)
                        .try_for_each(|number| write_file(&client, number).map(drop))
                })
            })
            .collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results.filter_map(|result| result.ok()?.err()).collect()
    });
    if let Some(problem) = failed.first() {
        return Err(failure(format!("can't fill a context: {problem}")));
    }
    println!("  {files} files in {:.1} s", start.elapsed().as_secs_f64());
    Ok(tenant)
}

/// Writes a file with a new content, and returns its value. One of ten is in the bucket.
fn write_file(client: &Client<'_>, number: usize) -> Result<Value, Problem> {
    let value = Value {
        writer: u32::MAX,
        number: fastrand::u32(..),
    };
    let size = match number % 10 {
        0 => Size::Large.bytes(&mut fastrand::Rng::new()),
        _ => 500,
    };
    let url = client.upload_url(&format!("/{number}"))?;
    client.upload(&url, &encode(value, size)).1?;
    Ok(value)
}

fn write_files(client: &Client<'_>, count: usize) -> Result<Vec<Value>, Failure> {
    let values: Result<_, _> = (0..count)
        .map(|number| write_file(client, number))
        .collect();
    values.map_err(|problem| failure(format!("can't write to a cleared context: {problem}")))
}

fn read_files(client: &Client<'_>, values: &[Value]) -> Result<(), Failure> {
    for (number, value) in values.iter().enumerate() {
        let found = read_file(client, &format!("/{number}"))?;
        if found != Reading::Value(*value) {
            return Err(failure(format!(
                "/{number} was written after the clear, and is {found:?}"
            )));
        }
    }
    println!(
        "  {} files that were written after the clear are unchanged",
        values.len()
    );
    Ok(())
}

fn read_file(client: &Client<'_>, path: &str) -> Result<Reading, Failure> {
    let failed = |problem: Problem| failure(format!("can't read {path}: {problem}"));
    match client.download_url(path).map_err(failed)? {
        Some(url) => client.download(&url).map_err(failed),
        None => Ok(Reading::Absent),
    }
}

/// Sends most of a content in several parts to one replica.
fn begin_upload(replica: &Replica, client: &Client<'_>) -> Result<(SlowUpload, Value), Failure> {
    let value = Value {
        writer: u32::MAX,
        number: 0,
    };
    let content = encode(value, Size::Multipart.bytes(&mut fastrand::Rng::new()));
    let url = client.upload_url(UPLOAD);
    let url = url.map_err(|problem| failure(format!("can't upload: {problem}")))?;
    let upload = SlowUpload::begin(replica.endpoint(), &url, &content);
    let upload = upload.map_err(|error| failure(format!("can't upload: {error}")))?;
    Ok((upload, value))
}

fn clear(client: &Client<'_>) -> Result<(), Failure> {
    let (_, result) = client.clear();
    result.map_err(|problem| failure(format!("can't clear a context: {problem}")))
}

/// Polls until a context has been cleared.
fn wait_until_available(client: &Client<'_>) -> Result<Duration, Failure> {
    let start = now();
    loop {
        interrupt::check()?;
        match client.state() {
            Ok(state) if state == "available" => return Ok(start.elapsed()),
            Ok(_) if start.elapsed() > CLEAR_BOUND => {
                return Err(failure(format!("not cleared within {CLEAR_BOUND:?}")));
            }
            Ok(_) => pause(Duration::from_millis(50)),
            Err(problem) => return Err(failure(format!("can't poll a clear: {problem}"))),
        }
    }
}
