use super::*;
use crate::capacity::simulation::{Mix, Resource, Times};

/// Nothing takes time, except what a test sets.
fn setup() -> Setup {
    Setup {
        replicas: 1,
        replica_cores: 1,
        affinity: false,
        pool: 1000,
        primaries: 1,
        standbys: 0,
        database_cores: 1000,
        batch: 1,
        tenants: 1000,
        exponent: 1.0,
        mix: Mix {
            lists: 0.0,
            small_uploads: 0.0,
            large_uploads: 0.0,
        },
        times: Times {
            replica: 0.0,
            read: 0.0,
            list: 0.0,
            transaction: 0.0,
            write: 0.0,
            flush: 0.0,
            standby: 0.0,
            round_trip: 0.0,
            locked_round_trips: 1.0,
            store: 0.0,
            pool_wait: 1e9,
        },
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Queueing theory: an M/M/1 queue has an average latency of `s / (1 - u)`, an M/M/2 queue of `s / (1 - u²)`.
#[test]
fn latencies_of_a_processor_are_those_of_queueing_theory() {
    for (cores, expected) in [(1, 1.0 / (1.0 - 0.7)), (2, 1.0 / (1.0 - 0.7 * 0.7))] {
        let mut setup = setup();
        setup.replica_cores = cores;
        setup.times.replica = 1000.0;
        let outcome = simulate(&setup, 700.0 * cores as f64, 200_000, 3);
        let found = mean(&outcome.reads);
        assert!((found / expected - 1.0).abs() < 0.05, "{cores}: {found}");
        assert!((outcome.busy.replicas - 0.7).abs() < 0.02);
    }
}

#[test]
fn a_seed_repeats_a_simulation() {
    let mut setup = setup();
    setup.mix.small_uploads = 0.5;
    setup.times.write = 100.0;
    setup.times.flush = 500.0;
    let run = |seed| simulate(&setup, 5000.0, 5000, seed);
    assert_eq!(run(1).uploads, run(1).uploads);
    assert_ne!(run(1).uploads, run(2).uploads);
}

#[test]
fn uploads_of_a_tenant_are_serial_on_all_replicas() {
    let mut setup = setup();
    setup.replicas = 8;
    setup.tenants = 1;
    setup.mix.small_uploads = 1.0;
    // A transaction locks the tenant for 2 ms: 500 a second.
    setup.times.flush = 2000.0;
    let outcome = simulate(&setup, 1000.0, 1000, 1);
    assert_eq!(outcome.batch, 1.0);
    assert!(outcome.busy.tenant > 0.99, "{}", outcome.busy.tenant);
    // A thousand uploads in a second take two seconds, so the last one waits for about one.
    let slowest = outcome.uploads.last().copied().unwrap();
    assert!((850.0..1150.0).contains(&slowest), "{slowest}");
    assert_eq!(outcome.group, 1.0);

    setup.batch = 64;
    let batched = simulate(&setup, 1000.0, 1000, 1);
    assert!(batched.batch > 1.2, "{}", batched.batch);
    assert!(batched.uploads.last().copied().unwrap() < 100.0);
}

#[test]
fn uploads_of_a_tenant_are_faster_on_one_replica() {
    let mut setup = setup();
    setup.replicas = 8;
    setup.tenants = 1;
    setup.batch = 64;
    setup.mix.small_uploads = 1.0;
    setup.times.flush = 2000.0;
    let spread = simulate(&setup, 2000.0, 4000, 1);
    setup.affinity = true;
    let together = simulate(&setup, 2000.0, 4000, 1);
    assert!(mean(&together.uploads) < 0.5 * mean(&spread.uploads));
}

#[test]
fn latencies_of_uploads_do_not_include_the_store() {
    let mut setup = setup();
    setup.mix.large_uploads = 1.0;
    setup.times.store = 1e6;
    setup.times.flush = 1000.0;
    let outcome = simulate(&setup, 10.0, 100, 1);
    assert!(outcome.uploads.last().copied().unwrap() < 10.0);
    assert_eq!(outcome.completed, 100);
}

#[test]
fn tenants_share_flushes() {
    let mut setup = setup();
    setup.tenants = 1_000_000;
    setup.exponent = 0.0;
    setup.mix.small_uploads = 1.0;
    setup.times.flush = 1000.0;
    // 10,000 commits a second in 1,000 flushes.
    let outcome = simulate(&setup, 10_000.0, 20_000, 1);
    assert!((9.0..11.0).contains(&outcome.group), "{}", outcome.group);
    // A commit waits for half of a flush on average, then for its own.
    let found = mean(&outcome.uploads);
    assert!((1.4..1.6).contains(&found), "{found}");
}

#[test]
fn requests_without_a_connection_are_refused_in_time() {
    let mut setup = setup();
    setup.pool = 1;
    setup.database_cores = 1;
    setup.times.read = 2000.0;
    setup.times.pool_wait = 100_000.0;
    let outcome = simulate(&setup, 1000.0, 5000, 1);
    assert_eq!(outcome.completed + outcome.refused, 5000);
    assert!(
        (0.4..0.6).contains(&(outcome.refused as f64 / 5000.0)),
        "{}",
        outcome.refused
    );
    assert!(outcome.reads.last().copied().unwrap() < 150.0);
    assert!(matches!(
        outcome.exceeded(0.9, 1e9),
        Some(Resource::Pools | Resource::Primaries)
    ));
}

#[test]
fn all_uploads_complete_or_are_refused() {
    let mut setup = setup();
    setup.pool = 2;
    setup.replicas = 3;
    setup.tenants = 50;
    setup.batch = 4;
    setup.mix.small_uploads = 0.5;
    setup.mix.large_uploads = 0.5;
    setup.times.flush = 3000.0;
    setup.times.store = 5000.0;
    setup.times.pool_wait = 20_000.0;
    let outcome = simulate(&setup, 5000.0, 5000, 1);
    assert_eq!(outcome.completed + outcome.refused, 5000);
    assert!(outcome.refused > 0);
    assert!(outcome.completed > 500);
}

#[test]
fn standbys_relieve_the_primary_of_reads() {
    let mut setup = setup();
    setup.database_cores = 1;
    setup.times.read = 100.0;
    let alone = simulate(&setup, 5000.0, 20_000, 1);
    assert!((alone.busy.primaries - 0.5).abs() < 0.03);
    setup.standbys = 2;
    let outcome = simulate(&setup, 5000.0, 20_000, 1);
    assert_eq!(outcome.busy.primaries, 0.0);
    assert!((outcome.busy.standbys - 0.25).abs() < 0.03);
}

#[test]
fn primaries_share_the_tenants() {
    let mut setup = setup();
    setup.database_cores = 1;
    setup.exponent = 0.0;
    setup.primaries = 4;
    setup.times.read = 100.0;
    let outcome = simulate(&setup, 8000.0, 20_000, 1);
    assert!(
        (outcome.busy.primaries - 0.2).abs() < 0.03,
        "{}",
        outcome.busy.primaries
    );
}
