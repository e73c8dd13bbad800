//! Files without an entry in the state: first runs, and files added since the last sync or since the plan.

use std::time::{Duration, SystemTime};

use agbcloud::ConflictPolicy;

use super::{HOUR, Machine, Service, assert_conflict, remote, shifted};

#[tokio::test]
async fn the_first_download_does_not_replace_a_newer_local_file() {
    for content in ["a newer one", "mine"] {
        for with_state in [true, false] {
            let service = Service::new(0).await;
            let machine = service.machine(0).await;
            machine.put("f", "then").await;
            let later = shifted(SystemTime::now(), HOUR);
            machine.write_at("f", content, later);
            let sync = if with_state {
                machine.down()
            } else {
                machine.stateless_down()
            };
            let report = sync.await.unwrap();
            assert_eq!(machine.read("f"), content, "{report:?}");
            assert_conflict(&report);
            let asked = machine.down().on_conflict(ConflictPolicy::Overwrite);
            assert_eq!(asked.await.unwrap().transferred, 1);
            assert_eq!(machine.read("f"), "then");
        }
    }
}

#[tokio::test]
async fn the_first_upload_does_not_replace_a_newer_remote_file() {
    for content in ["a newer one", "them"] {
        for with_state in [true, false] {
            let service = Service::new(0).await;
            let machine = service.machine(0).await;
            machine.write("f", "mine");
            service.clock.advance(Duration::from_secs(3600));
            machine.put("f", content).await;
            let sync = if with_state {
                machine.up()
            } else {
                machine.stateless_up()
            };
            let report = sync.await.unwrap();
            assert_eq!(machine.there("f").await, content, "{report:?}");
            assert_conflict(&report);
        }
    }
}

/// A service, and a machine that has uploaded files.
async fn with_files() -> (Service, Machine) {
    let service = Service::new(0).await;
    let machine = service.machine(0).await;
    for name in ["a", "b", "c", "d"] {
        machine.write(name, name);
    }
    assert_eq!(machine.up().await.unwrap().transferred, 4);
    assert_eq!(machine.down().await.unwrap().failed, 0);
    (service, machine)
}

#[tokio::test]
async fn a_remote_file_added_since_the_last_sync_is_not_deleted() {
    for how in [
        ConflictPolicy::Fail,
        ConflictPolicy::Skip,
        ConflictPolicy::KeepBoth,
    ] {
        let (_service, machine) = with_files().await;
        machine.put("new", "added").await;
        std::fs::remove_file(machine.path().join("a")).unwrap();
        let report = machine.up().delete(true).on_conflict(how).await.unwrap();
        assert_eq!(machine.there("new").await, "added", "{report:?}");
        match how {
            // Other files are deleted.
            ConflictPolicy::Fail => assert_eq!((report.failed, report.deleted), (1, 1)),
            _ => assert_eq!((report.failed, report.skipped, report.deleted), (0, 1, 1)),
        }
    }
    let (_service, machine) = with_files().await;
    machine.put("new", "added").await;
    let report = machine
        .up()
        .delete(true)
        .on_conflict(ConflictPolicy::Overwrite);
    assert_eq!(report.await.unwrap().deleted, 1);
    assert_eq!(remote(&machine.files, "/w").await.len(), 4);
}

#[tokio::test]
async fn a_local_file_added_since_the_last_sync_is_not_deleted() {
    for how in [
        ConflictPolicy::Fail,
        ConflictPolicy::Skip,
        ConflictPolicy::KeepBoth,
    ] {
        let (_service, machine) = with_files().await;
        machine.write("new", "added");
        machine.files.delete("/w/a").await.unwrap();
        let report = machine.down().delete(true).on_conflict(how).await.unwrap();
        assert_eq!(machine.read("new"), "added", "{report:?}");
        match how {
            // Other files are deleted.
            ConflictPolicy::Fail => assert_eq!((report.failed, report.deleted), (1, 1)),
            _ => assert_eq!((report.failed, report.skipped, report.deleted), (0, 1, 1)),
        }
    }
}

/// A file that was deleted on both sides and written again by another program is a new file.
#[tokio::test]
async fn a_recreated_remote_file_is_not_deleted() {
    let (_service, machine) = with_files().await;
    std::fs::remove_file(machine.path().join("a")).unwrap();
    assert_eq!(machine.up().delete(true).await.unwrap().deleted, 1);
    machine.put("a", "A").await;
    let report = machine.up().delete(true).await.unwrap();
    assert_eq!(machine.there("a").await, "A", "{report:?}");
    assert_eq!((report.failed, report.deleted), (1, 0));
}

#[tokio::test]
async fn a_remote_file_added_after_the_plan_is_not_replaced() {
    for with_state in [true, false] {
        let (service, machine) = with_files().await;
        service.clock.advance(Duration::from_secs(60));
        machine.write("a", "mine, longer");
        machine.write("new", "mine");
        let sync = if with_state {
            machine.up()
        } else {
            machine.stateless_up()
        };
        let plan = sync.plan().await.unwrap();
        assert_eq!(plan.changes().len(), 2);
        machine.put("a", "theirs").await;
        machine.put("new", "theirs too").await;
        let report = plan.run().await.unwrap();
        let there = (machine.there("a").await, machine.there("new").await);
        assert_eq!(there, ("theirs".into(), "theirs too".into()), "{report:?}");
        assert_eq!((report.transferred, report.failed), (0, 2));
    }
}

#[tokio::test]
async fn a_remote_file_changed_after_the_plan_is_not_deleted() {
    let (_service, machine) = with_files().await;
    std::fs::remove_file(machine.path().join("a")).unwrap();
    let plan = machine.up().delete(true).plan().await.unwrap();
    assert_eq!(plan.changes().len(), 1);
    machine.put("a", "A").await;
    let report = plan.run().await.unwrap();
    assert_eq!(machine.there("a").await, "A", "{report:?}");
    assert_eq!((report.deleted, report.failed), (0, 1));
}
