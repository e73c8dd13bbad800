//! Copies that are kept beside the file that replaces them.

use std::{
    pin::Pin,
    time::{Duration, Instant, SystemTime},
};

use agbcloud::{ConflictPolicy, testing::Clock};

use super::{Machine, Service, remote, tree};

/// A clock on which it is always the same second.
#[derive(Clone, Copy)]
struct Still;

impl Clock for Still {
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

/// The longest name of a file.
const NAME_BYTES: usize = 255;

#[tokio::test]
async fn every_conflict_within_a_second_keeps_a_copy() {
    let service = Service::new(0).await;
    let machine = service.machine_with(Still).await;
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
    let machine = service.machine_with(Still).await;
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
async fn two_machines_do_not_overwrite_each_others_copies() {
    let service = Service::new(0).await;
    let [one, other] = [
        service.machine_with(Still).await,
        service.machine_with(Still).await,
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
    // What the first machine sent was replaced by another program before the second.
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

/// Names for which a copy beside the file has no room unless its name is cut.
fn long_names() -> [String; 5] {
    [
        format!("{}.txt", "n".repeat(245)),
        "n".repeat(255),
        format!("{}.txt", "ü".repeat(125)),
        format!("n.{}", "e".repeat(253)),
        format!("d/{}.tar.gz", "n".repeat(248)),
    ]
}

async fn names_fit(machine: &Machine) {
    let local = tree(machine.path()).into_keys();
    for path in local.chain(remote(&machine.files, "/w").await) {
        let name = path.rsplit('/').next().unwrap();
        assert!(name.len() <= NAME_BYTES, "{} bytes: {name}", name.len());
    }
}

#[tokio::test]
async fn a_copy_of_a_file_with_a_long_name_has_a_name_that_fits() {
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
            names_fit(&machine).await;
            let contents = if up {
                machine.all_there().await
            } else {
                machine.all_here()
            };
            assert_eq!(contents, ["mine, longer", "theirs"]);
            // The copy takes part in what follows.
            let [down, up] = [machine.down().await.unwrap(), machine.up().await.unwrap()];
            assert_eq!((down.failed, up.failed), (0, 0), "{down:?} {up:?}");
            assert_eq!(machine.all_here(), machine.all_there().await);
        }
    }
}

#[tokio::test]
async fn a_copy_of_a_file_with_a_long_path_has_a_path_that_fits() {
    // With `/w/` it has as many bytes as the service allows.
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

/// The copy has the name that another file was given on purpose.
#[tokio::test]
async fn a_copy_replaces_no_file_that_has_its_name() {
    let service = Service::new(0).await;
    let machine = service.machine_with(Still).await;
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
