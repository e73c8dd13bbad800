//! Changes are detected despite equal sizes and any order of times.

use std::time::{Duration, SystemTime};

use agbcloud::{ConflictPolicy, SyncDir};
use agbcloud_server::test_store;

use super::{HOUR, Machine, OffsetClock, Service, assert_conflict};
use crate::support::KEY;

/// Offsets of the clocks of the service and the machine: right, and off by hours.
const CLOCKS: [(i64, i64); 5] = [(0, 0), (HOUR, 0), (-HOUR, 0), (0, 2 * HOUR), (0, -2 * HOUR)];

/// A service, and a machine that has uploaded `f`.
async fn with_uploaded_file((service, machine): (i64, i64)) -> (Service, Machine) {
    let service = Service::new(service).await;
    let machine = service.machine(machine).await;
    machine.write("f", "v1");
    assert_eq!(machine.up().await.unwrap().transferred, 1);
    (service, machine)
}

#[tokio::test]
async fn a_remote_change_of_the_same_size_is_downloaded() {
    for clocks in CLOCKS {
        for later in [0, 1, 60] {
            let (service, machine) = with_uploaded_file(clocks).await;
            service.clock.advance(Duration::from_secs(later));
            machine.put("f", "RR").await;
            let report = machine.down().await.unwrap();
            assert_eq!(machine.read("f"), "RR", "{clocks:?}, {later} s: {report:?}");
            assert_eq!((report.transferred, report.unchanged), (1, 0));
            assert_eq!(machine.up().await.unwrap().unchanged, 1);
            assert_eq!(machine.there("f").await, "RR");
        }
    }
}

#[tokio::test]
async fn a_remote_change_of_the_same_size_is_not_overwritten() {
    for clocks in CLOCKS {
        for edited in [false, true] {
            let (_service, machine) = with_uploaded_file(clocks).await;
            machine.put("f", "RR").await;
            if edited {
                machine.write("f", "LL");
            }
            let report = machine.up().await.unwrap();
            assert_eq!(machine.there("f").await, "RR", "{clocks:?}: {report:?}");
            assert_conflict(&report);
            // The local edit is not lost either.
            let report = machine
                .down()
                .on_conflict(ConflictPolicy::Fail)
                .await
                .unwrap();
            match edited {
                true => assert_conflict(&report),
                false => assert_eq!(report.transferred, 1),
            }
            assert_eq!(machine.read("f"), if edited { "LL" } else { "RR" });
        }
    }
}

#[tokio::test]
async fn a_remote_change_of_the_same_size_is_not_deleted() {
    for clocks in CLOCKS {
        let (_service, machine) = with_uploaded_file(clocks).await;
        machine.write("g", "stays");
        machine.up().await.unwrap();
        machine.put("f", "RR").await;
        std::fs::remove_file(machine.path().join("f")).unwrap();
        let report = machine.up().delete(true).await.unwrap();
        assert_eq!(report.deleted, 0, "{clocks:?}: {report:?}");
        assert_eq!(machine.there("f").await, "RR");
        assert_conflict(&report);
    }
}

#[tokio::test]
async fn a_change_after_a_download_is_detected() {
    for clocks in CLOCKS {
        let (service, machine) = with_uploaded_file(clocks).await;
        let other = service.machine(0).await;
        assert_eq!(other.down().await.unwrap().transferred, 1);
        machine.put("f", "RR").await;
        let report = other.down().await.unwrap();
        assert_eq!(other.read("f"), "RR", "{clocks:?}: {report:?}");
        machine.put("f", "SS").await;
        assert_conflict(&other.up().await.unwrap());
    }
}

#[tokio::test]
async fn the_second_of_two_different_edits_is_a_conflict() {
    for at_once in [false, true] {
        let (service, one) = with_uploaded_file((0, 0)).await;
        let other = service.machine(0).await;
        other.down().await.unwrap();
        one.write("f", "AA");
        other.write("f", "BB");
        let reports = if at_once {
            let (first, second) = tokio::join!(one.up(), other.up());
            [first.unwrap(), second.unwrap()]
        } else {
            [one.up().await.unwrap(), other.up().await.unwrap()]
        };
        let [first, second] = &reports;
        let ended = (
            first.transferred + second.transferred,
            first.failed + second.failed,
        );
        assert_eq!(ended, (1, 1), "{reports:?}");
        assert_eq!((one.read("f"), other.read("f")), ("AA".into(), "BB".into()));
    }
}

#[tokio::test]
async fn a_local_change_that_keeps_size_and_time_is_uploaded() {
    let (_service, machine) = with_uploaded_file((0, 0)).await;
    // Written into the same file.
    machine.write_with_the_same_time("f", "v2");
    let report = machine.up().await.unwrap();
    assert_eq!(machine.there("f").await, "v2", "{report:?}");
    // A new file that replaces it, as with `cp -p` and `tar`.
    let time = machine
        .path()
        .join("f")
        .metadata()
        .unwrap()
        .modified()
        .unwrap();
    machine.write_at("new", "v3", time);
    std::fs::rename(machine.path().join("new"), machine.path().join("f")).unwrap();
    let report = machine.up().await.unwrap();
    assert_eq!(machine.there("f").await, "v3", "{report:?}");
}

#[tokio::test]
async fn two_releases_with_the_same_time_are_different() {
    let service = Service::new(0).await;
    let machine = service.machine(0).await;
    let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    for release in ["one", "two"] {
        for name in ["a", "b", "d/c"] {
            machine.write_at(name, release, epoch);
        }
        let report = machine.up().await.unwrap();
        assert_eq!(machine.all_there().await, [release; 3], "{report:?}");
        assert_eq!(report.transferred, 3);
    }
}

#[tokio::test]
async fn swapped_files_are_uploaded() {
    let service = Service::new(0).await;
    let machine = service.machine(0).await;
    let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    machine.write_at("a", "AA", epoch);
    machine.write_at("b", "BB", epoch);
    machine.up().await.unwrap();
    let [a, b, between] = ["a", "b", "between"].map(|name| machine.path().join(name));
    std::fs::rename(&a, &between).unwrap();
    std::fs::rename(&b, &a).unwrap();
    std::fs::rename(&between, &b).unwrap();
    let report = machine.up().await.unwrap();
    let there = (machine.there("a").await, machine.there("b").await);
    assert_eq!(there, ("BB".into(), "AA".into()), "{report:?}");
}

#[tokio::test]
async fn a_download_does_not_overwrite_a_change_that_keeps_size_and_time() {
    for remote_changed in [false, true] {
        let service = Service::new(0).await;
        let machine = service.machine(0).await;
        machine.put("f", "v1").await;
        machine.down().await.unwrap();
        machine.write_with_the_same_time("f", "LL");
        if remote_changed {
            service.clock.advance(Duration::from_secs(60));
            machine.put("f", "RR").await;
        }
        let report = machine.down().await.unwrap();
        assert_eq!(machine.read("f"), "LL", "{report:?}");
        assert_conflict(&report);
    }
}

#[tokio::test]
async fn without_a_state_different_files_are_not_equal() {
    for clocks in CLOCKS {
        let service = Service::new(clocks.0).await;
        let machine = service.machine(clocks.1).await;
        let ways: [fn(&Machine) -> SyncDir; 2] = [Machine::stateless_up, Machine::stateless_down];
        for way in ways {
            machine.put("conf", "8080").await;
            machine
                .stateless_down()
                .on_conflict(ConflictPolicy::Overwrite)
                .await
                .unwrap();
            // By its times, it is the downloaded file.
            machine.write_with_the_same_time("conf", "9090");
            let report = way(&machine).await.unwrap();
            assert_eq!(report.unchanged, 0, "{clocks:?}: {report:?}");
            assert_eq!(report.transferred + report.failed, 1);
            std::fs::remove_file(machine.path().join("conf")).unwrap();
        }
    }
}

#[tokio::test]
async fn without_a_state_a_newer_remote_file_differs_from_an_older_local_one() {
    let service = Service::new(0).await;
    let machine = service.machine(0).await;
    machine.write("conf", "8080");
    service.clock.advance(Duration::from_secs(60));
    machine.put("conf", "9090").await;
    let report = machine.stateless_up().await.unwrap();
    assert_eq!(machine.there("conf").await, "9090", "{report:?}");
    assert_conflict(&report);
}

#[tokio::test]
async fn the_second_of_two_uploads_within_a_second_is_stored() {
    // Its clock runs: if it stood still, it would seem to be behind.
    let server = test_store::builder().api_key(KEY).start().await.unwrap();
    let machine = Machine::new(&server, OffsetClock(0)).await;
    machine.write("f", "v1");
    assert_eq!(machine.stateless_up().await.unwrap().transferred, 1);
    // The clock of a file system advances every few milliseconds.
    tokio::time::sleep(Duration::from_millis(30)).await;
    machine.write("f", "v2");
    let report = machine.stateless_up().await.unwrap();
    assert_eq!(machine.there("f").await, "v2", "{report:?}");
}
