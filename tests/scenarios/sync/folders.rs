//! Uploads and downloads of whole folders, plans, and failures of single files.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use agbcloud::{Change, Compare, ConflictPolicy, DeleteLimit, ErrorKind};
use agbcloud_server::ManualClock;
use proptest::prelude::*;

use super::{counts, remote, tree, world, write};
use crate::support::World;

#[tokio::test]
async fn a_folder_is_copied_in_both_directions_and_only_once() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(
        here.path(),
        &[("a.txt", "a"), ("deep/er/b.txt", "bb"), ("empty", "")],
    );

    let report = files.upload_dir(here.path(), "/data").await.unwrap();
    assert_eq!((counts(&report), report.bytes), ((3, 0, 0, 0), 3));
    assert!(report.is_complete());
    let report = files.upload_dir(here.path(), "/data").await.unwrap();
    assert_eq!(counts(&report), (0, 3, 0, 0));

    let local = there.path().join("made");
    let report = files.download_dir("/data", &local).await.unwrap();
    assert_eq!((counts(&report), report.bytes), ((3, 0, 0, 0), 3));
    assert_eq!(tree(&local), tree(here.path()));
    let report = files.download_dir("/data", &local).await.unwrap();
    assert_eq!(counts(&report), (0, 3, 0, 0));
    // A downloaded file does not have to be uploaded again.
    let report = files.upload_dir(&local, "/data").await.unwrap();
    assert_eq!(counts(&report), (0, 3, 0, 0));

    // The local change is newer and keeps the size: only `Overwrite` replaces it.
    write(&local, &[("a.txt", "A")]);
    let edited = std::fs::File::options()
        .write(true)
        .open(local.join("a.txt"))
        .unwrap();
    edited
        .set_modified(SystemTime::now() + Duration::from_secs(7200))
        .unwrap();
    let down = || files.download_dir("/data", &local);
    let report = down().await.unwrap();
    assert_eq!(counts(&report), (0, 2, 0, 1));
    assert_eq!(report.failures[0].error.kind(), ErrorKind::Conflict);
    let report = down().on_conflict(ConflictPolicy::Overwrite).await.unwrap();
    assert_eq!(counts(&report), (1, 2, 0, 0));

    write(here.path(), &[("a.txt", "changed")]);
    let up = files.upload_dir(here.path(), "/data");
    let report = up.on_conflict(ConflictPolicy::Overwrite).await.unwrap();
    assert_eq!(counts(&report), (1, 2, 0, 0));
    let report = down().on_conflict(ConflictPolicy::Overwrite).await.unwrap();
    assert_eq!(counts(&report), (1, 2, 0, 0));
    assert_eq!(tree(&local), tree(here.path()));
}

#[tokio::test]
async fn a_run_executes_exactly_the_plan() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    files.upload("/data/old.txt", &b"old"[..]).await.unwrap();
    files.upload("/data/a.txt", &b"was"[..]).await.unwrap();
    files.upload("/elsewhere", &b"stays"[..]).await.unwrap();
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("a.txt", "is now"), ("new.txt", "new")]);

    let plan = files
        .upload_dir(here.path(), "/data")
        .delete(true)
        .delete_limit(DeleteLimit::NONE)
        .on_conflict(ConflictPolicy::Overwrite)
        .plan()
        .await
        .unwrap();
    let planned: Vec<_> = plan.changes().collect();
    let mut changes: Vec<_> = planned
        .iter()
        .map(|planned| (planned.change, planned.path.as_str(), planned.size))
        .collect();
    assert_eq!(
        changes.pop(),
        Some((Change::DeleteRemote, "old.txt", Some(3)))
    );
    changes.sort_by_key(|(_, path, _)| *path);
    assert_eq!(
        changes,
        [
            (Change::Upload, "a.txt", Some(6)),
            (Change::Upload, "new.txt", Some(3))
        ]
    );
    assert_eq!((plan.bytes(), plan.count(Change::Upload)), (9, 2));
    assert_eq!(
        remote(&files, "/").await,
        ["/data/a.txt", "/data/old.txt", "/elsewhere"]
    );

    let reported = Arc::new(Mutex::new(Vec::new()));
    let report = plan.run().await.unwrap();
    assert_eq!(counts(&report), (2, 0, 1, 0));
    assert_eq!(
        remote(&files, "/").await,
        ["/data/a.txt", "/data/new.txt", "/elsewhere"]
    );

    write(here.path(), &[("more.txt", "x")]);
    let sink = reported.clone();
    let listened = files.upload_dir(here.path(), "/data").on_file(move |file| {
        let line = format!("{:?} {} {:?}", file.change, file.path, file.size);
        sink.lock().unwrap().push(line);
    });
    listened.await.unwrap();
    assert_eq!(*reported.lock().unwrap(), ["Some(Upload) more.txt Some(1)"]);
}

#[tokio::test]
async fn extraneous_files_are_deleted_last_and_only_without_failures() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    for path in ["/a.txt", "/b/c.txt", "/keep.log"] {
        files.upload(path, &b"x"[..]).await.unwrap();
    }
    let here = tempfile::tempdir().unwrap();
    write(
        here.path(),
        &[("old.txt", "old"), ("keep.log", "mine"), ("a.txt", "x")],
    );
    // A folder with an excluded file blocks a file.
    write(here.path(), &[("b/c.txt/mine.log", "mine")]);

    let sync = || {
        files
            .download_dir("/", here.path())
            .delete(true)
            .exclude("*.log")
    };
    let report = sync().await.unwrap();
    assert_eq!(
        (report.failed, report.deleted, report.deletions_held_back),
        (1, 0, true)
    );
    assert_eq!(report.failures[0].path, "b/c.txt");
    assert_eq!(report.failures[0].error.kind(), ErrorKind::LocalFile);
    assert!(!report.is_complete());

    std::fs::remove_dir_all(here.path().join("b/c.txt")).unwrap();
    let report = sync().await.unwrap();
    assert_eq!((report.failed, report.deleted), (0, 1));
    let left: Vec<_> = tree(here.path()).into_iter().collect();
    let expected = [("a.txt", "x"), ("b/c.txt", "x"), ("keep.log", "mine")];
    let expected = expected.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    assert_eq!(left, expected);
}

#[tokio::test]
async fn content_decides_instead_of_size_and_time() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("a", "one"), ("b", "same"), ("empty", "")]);
    files.upload_dir(here.path(), "/").await.unwrap();
    // Another content of the same size with an old time.
    std::fs::write(here.path().join("a"), "two").unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for name in ["a", "b", "empty"] {
        let file = std::fs::File::options()
            .write(true)
            .open(here.path().join(name))
            .unwrap();
        file.set_modified(old).unwrap();
    }
    // Nothing shows which version is newer.
    let report = files.upload_dir(here.path(), "/").await.unwrap();
    assert_eq!(counts(&report), (0, 2, 0, 1));
    let report = files
        .upload_dir(here.path(), "/")
        .compare(Compare::Checksum)
        .on_conflict(ConflictPolicy::Overwrite)
        .await
        .unwrap();
    assert_eq!(counts(&report), (1, 2, 0, 0), "{report:?}");
    assert_eq!(files.read("/a").await.unwrap(), b"two"[..]);
    let report = files
        .download_dir("/", here.path())
        .compare(Compare::Checksum)
        .await
        .unwrap();
    assert_eq!(counts(&report), (0, 3, 0, 0), "{report:?}");
}

#[tokio::test]
async fn removing_leftovers_does_not_affect_downloads_with_old_times() {
    let world = World::with(|server| server.clock(Arc::new(ManualClock::new(long_ago())))).await;
    let (_, files) = world.files("one").await;
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let names: Vec<String> = (0..300)
        .map(|n| format!("{}{n}", ["", "d/", "d/e/"][n % 3]))
        .collect();
    let sent: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
    write(here.path(), &sent);
    files.upload_dir(here.path(), "/").await.unwrap();
    write(there.path(), &[("d/old", "x")]);
    for _ in 0..3 {
        let report = files.download_dir("/", there.path()).await.unwrap();
        assert_eq!(counts(&report), (300, 0, 0, 0), "{report:?}");
        assert_eq!(tree(there.path()).len(), 301);
        let fetched = there.path().join("d/e/2").metadata().unwrap();
        assert_eq!(fetched.modified().unwrap(), long_ago());
        for name in &names {
            std::fs::remove_file(there.path().join(name)).unwrap();
        }
    }
}

fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_fails_does_not_stop_the_others() {
    use std::os::unix::ffi::OsStrExt;

    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    write(
        here.path(),
        &[("good", "1"), ("bad\\name", "2"), ("other", "3")],
    );
    let odd = here.path().join(std::ffi::OsStr::from_bytes(b"\xff"));
    std::fs::write(odd, "4").unwrap();
    let report = files.upload_dir(here.path(), "/").await.unwrap();
    assert_eq!(counts(&report), (2, 0, 0, 2));
    assert!(
        report
            .failures
            .iter()
            .all(|one| one.error.kind() == ErrorKind::InvalidArgument)
    );
    assert_eq!(remote(&files, "/").await, ["/good", "/other"]);
}

#[tokio::test]
async fn a_failure_that_affects_all_files_stops_the_sync() {
    let world = world().await;
    let (id, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    for number in 0..200 {
        write(here.path(), &[(&format!("{number}"), "x")]);
    }
    let plan = files.upload_dir(here.path(), "/").plan().await.unwrap();
    world.client.contexts().delete(&id).await.unwrap();
    let error = plan.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");

    let nowhere = here.path().join("nowhere");
    let error = files.upload_dir(&nowhere, "/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalFile);
    let error = files.upload_dir(here.path(), "relative").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

/// Names that are valid on both sides.
fn names() -> impl Strategy<Value = Vec<String>> {
    let segment = prop_oneof![
        "[ -.0-\\[\\]-~]{1,12}",
        "[^/\\\\\\p{Cc}]{1,12}",
        Just("50%+#?&=😀 é.txt".to_owned()),
        Just("x".repeat(200)),
    ];
    let path = prop::collection::vec(segment, 1..5).prop_map(|segments| segments.join("/"));
    prop::collection::vec(path, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_valid_name_survives_both_directions(names in names(), compare: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            for (number, name) in names.iter().enumerate() {
                let path = here.path().join(name);
                let unusable = name.split('/').any(|segment| segment == "." || segment == "..");
                // One name can be a folder of another: the first one is used.
                if !unusable && std::fs::create_dir_all(path.parent().unwrap()).is_ok() {
                    let _ = std::fs::write(path, number.to_string());
                }
            }
            let world = world().await;
            let (_, files) = world.files("one").await;
            let how = if compare { Compare::Checksum } else { Compare::SizeAndTime };
            let report = files.upload_dir(here.path(), "/data").compare(how).await.unwrap();
            prop_assert_eq!(report.failed, 0, "{:?}", report.failures);
            let report = files.download_dir("/data", there.path()).compare(how).await.unwrap();
            prop_assert_eq!(report.failed, 0, "{:?}", report.failures);
            prop_assert_eq!(tree(there.path()), tree(here.path()));
            let report = files.upload_dir(there.path(), "/data").delete(true).await.unwrap();
            prop_assert_eq!((report.transferred, report.deleted), (0, 0));
            Ok(())
        })?;
    }
}
