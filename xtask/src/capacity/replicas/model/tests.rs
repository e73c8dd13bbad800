use super::*;
use crate::capacity::replicas::fit::Cost;
use crate::capacity::replicas::layout::Machines;

fn constant(microseconds: f64) -> Cost {
    Cost {
        fixed: microseconds,
        shared: 0.0,
    }
}

fn costs() -> Costs {
    Costs {
        client: constant(50.0),
        service: constant(200.0),
        store: constant(0.0),
        read: constant(400.0),
        reads: 1.0,
        change: None,
        transaction: 0.0,
        flush: 1000.0,
    }
}

fn one_machine(cores: usize, replicas: usize) -> Layout {
    Layout {
        replicas,
        machines: Machines::One { cores },
        pool: 16,
        other_processes: 0.0,
        round_trip: 0.0,
        locked_round_trips: 0.0,
        standby: 0.0,
    }
}

fn rate(costs: &Costs, layout: &Layout, clients: usize, tenants: usize) -> f64 {
    let load = Load {
        clients,
        tenants,
        operations: 20_000,
        seed: 1,
    };
    simulate(costs, layout, load).rate
}

fn assert_near(actual: f64, expected: f64) {
    assert!(
        (actual / expected - 1.0).abs() < 0.03,
        "{actual}, expected {expected}"
    );
}

#[test]
fn one_client_waits_for_each_part_in_turn() {
    assert_near(rate(&costs(), &one_machine(2, 1), 1, 1), 1e6 / 650.0);
    let three = Costs {
        reads: 3.0,
        ..costs()
    };
    assert_near(rate(&three, &one_machine(2, 1), 1, 1), 1e6 / 1450.0);
}

#[test]
fn many_clients_occupy_all_cores_on_any_number_of_replicas() {
    for replicas in [1, 2, 4] {
        assert_near(
            rate(&costs(), &one_machine(2, replicas), 32, 32),
            2e6 / 650.0,
        );
    }
    let half = Layout {
        other_processes: 0.5,
        ..one_machine(2, 1)
    };
    assert_near(rate(&costs(), &half, 32, 32), 1e6 / 650.0);
}

#[test]
fn two_clients_of_two_cores_wait_for_nothing() {
    assert_near(rate(&costs(), &one_machine(2, 1), 2, 2), 2e6 / 650.0);
}

#[test]
fn a_flush_is_shared_by_tenants_and_serial_for_one() {
    let costs = Costs {
        client: constant(1.0),
        service: constant(1.0),
        read: constant(1.0),
        reads: 0.0,
        change: Some(constant(1.0)),
        ..costs()
    };
    // Four tenants commit in each flush, or during the one before it.
    let shared = rate(&costs, &one_machine(4, 1), 4, 4);
    assert!(shared > 1.9e3 && shared < 4.1e3, "{shared}");
    // One tenant has one change in each flush: its only client waits.
    assert_near(rate(&costs, &one_machine(4, 1), 1, 1), 1e6 / 1003.0);
}

#[test]
fn a_cost_that_depends_on_the_requests_of_a_replica_grows_with_replicas() {
    let costs = Costs {
        service: Cost {
            fixed: 100.0,
            shared: 1600.0,
        },
        ..costs()
    };
    // 16 clients: 16 and 4 requests at each replica.
    assert_near(rate(&costs, &one_machine(2, 1), 16, 16), 2e6 / 650.0);
    assert_near(rate(&costs, &one_machine(2, 4), 16, 16), 2e6 / 950.0);
}
