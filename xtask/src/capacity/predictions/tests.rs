use std::path::Path;

use super::*;
use crate::capacity::replicas::Limit;

/// Fewer operations than in the report: about one percent of noise.
const FEW: [usize; 2] = [6_000, 1_500];

fn committed() -> EngineFigures {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/engine-figures.json");
    EngineFigures::read(&file).unwrap()
}

/// The bounds are those that docs/capacity.md states.
#[test]
fn errors_for_the_committed_measurements_are_within_the_stated_bounds() {
    let checks = checks(1, &committed(), FEW);
    assert_eq!(checks.len(), 42);
    for (replicas, mean_bound, most_bound) in [(1, 0.07, 0.20), (2, 0.13, 0.29), (4, 0.19, 0.42)] {
        let errors: Vec<_> = checks
            .iter()
            .filter(|check| check.replicas == replicas)
            .map(|check| check.error(check.predicted).abs())
            .collect();
        let (mean, most) = mean_and_most(&errors).unwrap();
        assert!(
            mean < mean_bound && most < most_bound,
            "{replicas} replicas: {mean:.3} on average, at most {most:.3}"
        );
    }
}

fn own_machines(replicas: usize, replica: usize, database: usize, pool: usize) -> Layout {
    Layout {
        replicas,
        machines: Machines::Own {
            replica,
            database,
            store: 16,
        },
        pool,
        other_processes: 0.0,
        round_trip: 250.0,
        locked_round_trips: 2.0,
        standby: 500.0,
    }
}

fn predict(operation: &str, layout: &Layout) -> Throughput {
    let figures = committed();
    let workload = workloads(&figures)
        .into_iter()
        .find(|workload| workload.operation == operation && workload.tenants > 1)
        .unwrap();
    let costs = fit(&figures, &workload).unwrap();
    on_own_machines(&costs, &workload, layout, 64 * layout.replicas, 1)
}

#[test]
fn only_twice_the_limiting_resource_increases_the_throughput() {
    // Many replicas saturate the database.
    let before = predict("get a context", &own_machines(16, 4, 16, 16));
    assert_eq!(before.limit, Limit::Database);
    let ratio = |layout| predict("get a context", &layout).rate / before.rate;
    let replicas = ratio(own_machines(16, 8, 16, 16));
    assert!((replicas - 1.0).abs() < 0.03, "{replicas}");
    let pools = ratio(own_machines(16, 4, 16, 32));
    assert!((pools - 1.0).abs() < 0.03, "{pools}");
    let database = ratio(own_machines(16, 4, 32, 16));
    assert!(database > 1.8, "{database}");
}

#[test]
fn a_small_pool_is_the_limit_of_one_replica() {
    let before = predict("get a context", &own_machines(1, 64, 64, 4));
    assert_eq!(before.limit, Limit::Pools);
    let pool = predict("get a context", &own_machines(1, 64, 64, 8)).rate / before.rate;
    assert!(pool > 1.8, "{pool}");
    let database = predict("get a context", &own_machines(1, 64, 128, 4)).rate / before.rate;
    assert!((database - 1.0).abs() < 0.03, "{database}");
}

#[test]
fn one_tenant_is_serial_on_any_number_of_replicas() {
    let figures = committed();
    let workload = workloads(&figures)
        .into_iter()
        .find(|workload| workload.operation == "put 4 KiB" && workload.tenants == 1)
        .unwrap();
    let costs = fit(&figures, &workload).unwrap();
    let rates = [1, 4].map(|replicas| {
        let layout = own_machines(replicas, 4, 16, 16);
        let predicted = on_own_machines(&costs, &workload, &layout, 64 * replicas, 1);
        assert_eq!(predicted.limit, Limit::Tenant);
        predicted.rate
    });
    assert!((rates[1] / rates[0] - 1.0).abs() < 0.1, "{rates:?}");
}
