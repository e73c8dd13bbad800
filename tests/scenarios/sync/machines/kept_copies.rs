//! Kept copies of replaced files.

use std::{
    pin::Pin,
    time::{Duration, Instant, SystemTime},
};

use agbcloud::{ConflictPolicy, testing::Clock};

use super::{Machine, Service, remote, tree};

/// A clock that always shows the same second.
#[derive(Clone, Copy)]
struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn system_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_748_521_200)
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// Maximum length of a file name in bytes.
const NAME_BYTES: usize = 255;

#[tokio::test]
async fn every_conflict_within_a_second_keeps_a_copy() {
    let service = Service::new(0).await;
    let machine = service.machine_with(StoppedClock).await;
    machine.write("f.txt", "first");
    machine.up().await.unwrap();
    let mut all = Vec::new();
    for n in 0..3 {
        service.clock.advance(Duration::from_secs(60));
        machine.put("f.txt", &format!("theirs {n}")).await;
        machine.write("f.txt", &format!("mine, longer {n}"));
        let report = machine
            .up()
            .on_conflict(ConflictPolicy::KeepBoth)
            .await
            .unwrap();
        assert_eq!(report.failed, 0, "{report:?}");
        all.push(format!("theirs {n}"));
    }
    all.insert(0, "mine, longer 2".to_owned());
    assert_eq!(machine.all_there().await, all);
}

#[tokio::test]
async fn every_conflict_within_a_second_keeps_a_local_copy() {
    let service = Service::new(0).await;
    let machine = service.machine_with(StoppedClock).await;
    machine.put("f.txt", "first").await;
    machine.down().await.unwrap();
    let mut all = Vec::new();
    for n in 0..3 {
        service.clock.advance(Duration::from_secs(60));
        machine.put("f.txt", &format!("theirs {n}")).await;
        machine.write("f.txt", &format!("mine, longer {n}"));
        let report = machine
            .down()
            .on_conflict(ConflictPolicy::KeepBoth)
            .await
            .unwrap();
        assert_eq!(report.failed, 0, "{report:?}");
        all.push(format!("mine, longer {n}"));
    }
    all.push("theirs 2".to_owned());
    assert_eq!(machine.all_here(), all);
}

#[tokio::test]
async fn two_machines_do_not_overwrite_each_others_kept_copies() {
    let service = Service::new(0).await;
    let [one, other] = [
        service.machine_with(StoppedClock).await,
        service.machine_with(StoppedClock).await,
    ];
    one.write("f", "first");
    one.up().await.unwrap();
    other.down().await.unwrap();
    for (machine, content) in [
        (&one, "of the first machine"),
        (&other, "of the other machine"),
    ] {
        service.clock.advance(Duration::from_secs(60));
        machine.put("f", &format!("before that {content}")).await;
        machine.write("f", content);
        let report = machine
            .up()
            .on_conflict(ConflictPolicy::KeepBoth)
            .await
            .unwrap();
        assert_eq!(report.failed, 0, "{report:?}");
    }
    let contents = one.all_there().await;
    // Another program replaced the upload of the first machine before the second one.
    for kept in [
        "before that of the first machine",
        "before that of the other machine",
        "of the other machine",
    ] {
        assert!(
            contents.iter().any(|content| content == kept),
            "{kept}: {contents:?}"
        );
    }
}

/// Names for which the name of a kept copy has to be shortened.
fn long_names() -> [String; 5] {
    [
        format!("{}.txt", "n".repeat(245)),
        "n".repeat(255),
        format!("{}.txt", "ü".repeat(125)),
        format!("n.{}", "e".repeat(253)),
        format!("d/{}.tar.gz", "n".repeat(248)),
    ]
}

async fn assert_names_fit(machine: &Machine) {
    let local = tree(machine.path()).into_keys();
    for path in local.chain(remote(&machine.files, "/w").await) {
        let name = path.rsplit('/').next().unwrap();
        assert!(name.len() <= NAME_BYTES, "{} bytes: {name}", name.len());
    }
}

#[tokio::test]
async fn the_name_of_a_kept_copy_fits_the_file_system() {
    for name in long_names() {
        for up in [true, false] {
            let service = Service::new(0).await;
            let machine = service.machine(0).await;
            machine.write(&name, "first");
            machine.up().await.unwrap();
            machine.down().await.unwrap();
            service.clock.advance(Duration::from_secs(60));
            machine.put(&name, "theirs").await;
            machine.write(&name, "mine, longer");
            let sync = if up { machine.up() } else { machine.down() };
            let report = sync.on_conflict(ConflictPolicy::KeepBoth).await.unwrap();
            assert_eq!(report.failed, 0, "{report:?}");
            assert_names_fit(&machine).await;
            let contents = if up {
                machine.all_there().await
            } else {
                machine.all_here()
            };
            assert_eq!(contents, ["mine, longer", "theirs"]);
            // Later syncs include the copy.
            let [down, up] = [machine.down().await.unwrap(), machine.up().await.unwrap()];
            assert_eq!((down.failed, up.failed), (0, 0), "{down:?} {up:?}");
            assert_eq!(machine.all_here(), machine.all_there().await);
        }
    }
}

#[tokio::test]
async fn the_path_of_a_kept_copy_fits_the_service() {
    // With `/w/` it has the maximum length of the service.
    let path = format!(
        "{0}/{0}/{0}/{0}/{1}",
        "d".repeat(200),
        "n".repeat(1024 - 3 - 4 * 201)
    );
    let service = Service::new(0).await;
    let machine = service.machine(0).await;
    machine.write(&path, "first");
    assert_eq!(machine.up().await.unwrap().transferred, 1);
    service.clock.advance(Duration::from_secs(60));
    machine.put(&path, "theirs").await;
    machine.write(&path, "mine, longer");
    let report = machine
        .up()
        .on_conflict(ConflictPolicy::KeepBoth)
        .await
        .unwrap();
    assert_eq!(report.failed, 0, "{report:?}");
    assert_eq!(machine.all_there().await, ["mine, longer", "theirs"]);
}

/// Another file has the name of the copy.
#[tokio::test]
async fn a_kept_copy_does_not_replace_another_file() {
    let service = Service::new(0).await;
    let machine = service.machine_with(StoppedClock).await;
    let taken = "f.conflict-20250529T122000Z";
    machine.write("f", "first");
    machine.up().await.unwrap();
    machine.put(taken, "of that name").await;
    service.clock.advance(Duration::from_secs(60));
    machine.put("f", "theirs").await;
    machine.write("f", "mine, longer");
    let report = machine
        .up()
        .on_conflict(ConflictPolicy::KeepBoth)
        .await
        .unwrap();
    assert_eq!(report.failed, 0, "{report:?}");
    assert_eq!(
        machine.all_there().await,
        ["mine, longer", "of that name", "theirs"]
    );
}
