//! The state: nothing is copied because of a new time only, and no change on the other side is lost.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use agbcloud::{
    ConflictPolicy, DeleteLimit, ErrorKind, FileOutcome, Files, SyncDir, SyncReport,
};

use super::{remote, tree, world, write};

/// Two equal sides that are recorded in the state: `a.txt` and `deep/b`.
struct Pair {
    world: crate::support::World,
    files: Files,
    here: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Pair {
    async fn new() -> Self {
        let world = world().await;
        let (_, files) = world.files("one").await;
        let pair = Self {
            world,
            files,
            here: tempfile::tempdir().unwrap(),
            state: tempfile::tempdir().unwrap(),
        };
        write(pair.here.path(), &[("a.txt", "first"), ("deep/b", "b")]);
        let report = pair.up().await.unwrap();
        assert_eq!(report.transferred, 2);
        // The state of the other direction.
        assert_eq!(pair.down().await.unwrap().failed, 0);
        pair
    }

    fn up(&self) -> SyncDir {
        let sync = self.files.upload_dir(self.here.path(), "/data");
        sync.state(self.state.path().join("state"))
    }

    fn down(&self) -> SyncDir {
        let sync = self.files.download_dir("/data", self.here.path());
        sync.state(self.state.path().join("state"))
    }

    /// Another program writes a file of the context.
    async fn write_remote(&self, path: &str, content: &str) {
        self.world.clock.advance(std::time::Duration::from_secs(60));
        let content = content.as_bytes().to_vec();
        self.files.upload(path, content).await.unwrap();
    }

    async fn there(&self, path: &str) -> String {
        let content = self.files.read(path).await.unwrap();
        String::from_utf8(content.to_vec()).unwrap()
    }

    fn here(&self, path: &str) -> String {
        std::fs::read_to_string(self.here.path().join(path)).unwrap()
    }
}

/// Gives every file a new time, as a fresh checkout does.
fn touch(root: &Path) {
    for path in tree(root).keys() {
        let file = std::fs::File::options().append(true).open(root.join(path));
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(86_400);
        file.unwrap().set_modified(later).unwrap();
    }
}

fn conflict(report: &SyncReport) {
    assert_eq!(report.failed, 1);
    assert_eq!(report.failures[0].error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_fresh_checkout_copies_nothing_in_either_direction() {
    let pair = Pair::new().await;
    for work in [Pair::up, Pair::down] {
        touch(pair.here.path());
        for _ in 0..2 {
            let report = work(&pair).await.unwrap();
            assert_eq!((report.transferred, report.unchanged), (0, 2));
        }
    }
    touch(pair.here.path());
    let forgetful = pair.files.upload_dir(pair.here.path(), "/data");
    let report = forgetful.await.unwrap();
    assert_eq!((report.transferred, report.unchanged), (0, 2));
}

#[tokio::test]
async fn a_plan_writes_no_state_until_it_runs() {
    let pair = Pair::new().await;
    let state = pair.state.path().join("state");
    let remembered = std::fs::read(&state).unwrap();
    touch(pair.here.path());
    let plan = pair.up().plan().await.unwrap();
    assert_eq!(plan.unchanged(), 2);
    assert!(std::fs::read(&state).unwrap() == remembered);
    plan.run().await.unwrap();
    assert!(std::fs::read(&state).unwrap() > remembered);

    let none = pair.state.path().join("below/none");
    let first = || {
        pair.files
            .upload_dir(pair.here.path(), "/data")
            .state(&none)
    };
    let plan = first().plan().await.unwrap();
    assert_eq!((plan.unchanged(), plan.changes().len()), (2, 0));
    assert_eq!(tree(pair.state.path()).len(), 1);
    assert!(!pair.state.path().join("below").exists());
    plan.run().await.unwrap();
    // The plan recorded the compared contents, so a remote change is detected.
    pair.write_remote("/data/a.txt", "other").await;
    write(pair.here.path(), &[("a.txt", "mine!")]);
    conflict(&first().await.unwrap());
}

/// A file that is moved, or copied with its time, is older than the uploaded file.
#[cfg(unix)]
#[tokio::test]
async fn without_a_state_replacing_an_uploaded_file_by_an_older_one_is_a_conflict() {
    // With the local clock on both sides.
    let world = crate::support::World::new().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("a.txt", "first")]);
    let upload = || files.upload_dir(here.path(), "/data");
    assert_eq!(upload().await.unwrap().transferred, 1);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    write(here.path(), &[("a.txt", "other")]);
    let path = here.path().join("a.txt");
    let file = std::fs::File::options().append(true).open(path).unwrap();
    let earlier = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    file.set_modified(earlier).unwrap();
    conflict(&upload().await.unwrap());
    assert_eq!(files.read("/data/a.txt").await.unwrap(), "first");
    let overwritten = upload().on_conflict(ConflictPolicy::Overwrite).await;
    assert_eq!(overwritten.unwrap().transferred, 1);
    assert_eq!(files.read("/data/a.txt").await.unwrap(), "other");
    assert_eq!(upload().await.unwrap().unchanged, 1);
}

#[tokio::test]
async fn a_change_that_keeps_the_size_is_copied() {
    let pair = Pair::new().await;
    write(pair.here.path(), &[("a.txt", "other")]);
    touch(pair.here.path());
    assert_eq!(pair.up().await.unwrap().transferred, 1);
    assert_eq!(pair.there("/data/a.txt").await, "other");
    pair.write_remote("/data/a.txt", "third").await;
    assert_eq!(pair.down().await.unwrap().transferred, 1);
    assert_eq!(pair.here("a.txt"), "third");
}

type KeptCopies = Arc<Mutex<Vec<String>>>;

/// Returns the kept copies of the outcomes that the listener gets.
fn kept_copies() -> (
    KeptCopies,
    impl Fn(&FileOutcome<'_>) + Send + Sync + 'static,
) {
    let copies = KeptCopies::default();
    let sink = copies.clone();
    let listener = move |outcome: &FileOutcome<'_>| {
        let kept = outcome.kept.map(str::to_owned);
        sink.lock().unwrap().extend(kept);
    };
    (copies, listener)
}

/// Checks that the outcome of `a.txt` and the report contain its copy.
fn check_kept(report: &SyncReport, outcomes: &KeptCopies, kept: &str) {
    assert_eq!(*outcomes.lock().unwrap(), [kept]);
    let reported: Vec<_> = report
        .kept
        .iter()
        .map(|copy| (&*copy.path, &*copy.kept))
        .collect();
    assert_eq!(reported, [("a.txt", kept)]);
}

#[tokio::test]
async fn a_remote_change_is_overwritten_only_with_overwrite() {
    for how in [
        ConflictPolicy::Fail,
        ConflictPolicy::Skip,
        ConflictPolicy::Overwrite,
        ConflictPolicy::KeepBoth,
    ] {
        let pair = Pair::new().await;
        write(pair.here.path(), &[("a.txt", "mine, longer")]);
        pair.write_remote("/data/a.txt", "theirs").await;
        let (outcomes, on_file) = kept_copies();
        let sync = pair.up().on_conflict(how).delete(true).on_file(on_file);
        let report = sync.await.unwrap();
        let (there, names) = (
            pair.there("/data/a.txt").await,
            remote(&pair.files, "/data").await,
        );
        match how {
            ConflictPolicy::Fail => {
                conflict(&report);
                assert_eq!((there.as_str(), names.len()), ("theirs", 2));
            }
            ConflictPolicy::Skip => {
                assert_eq!((report.skipped, there.as_str()), (1, "theirs"));
            }
            ConflictPolicy::KeepBoth => {
                assert_eq!((report.failed, there.as_str()), (0, "mine, longer"));
                let kept = names
                    .iter()
                    .find(|name| name.contains(".conflict-"))
                    .unwrap();
                assert_eq!(pair.there(kept).await, "theirs");
                let relative = kept.strip_prefix("/data/").unwrap();
                check_kept(&report, &outcomes, relative);
                let again = pair.up().delete(true).await.unwrap();
                assert_eq!((again.transferred, again.deleted), (0, 0));
            }
            _ => assert_eq!((report.transferred, there.as_str()), (1, "mine, longer")),
        }
    }
}

#[tokio::test]
async fn a_local_change_is_overwritten_only_with_overwrite() {
    for how in [
        ConflictPolicy::Fail,
        ConflictPolicy::Skip,
        ConflictPolicy::Overwrite,
        ConflictPolicy::KeepBoth,
    ] {
        let pair = Pair::new().await;
        write(pair.here.path(), &[("a.txt", "mine, longer")]);
        pair.write_remote("/data/a.txt", "theirs").await;
        let (outcomes, on_file) = kept_copies();
        let sync = pair.down().on_conflict(how).delete(true).on_file(on_file);
        let report = sync.await.unwrap();
        let (here, names) = (pair.here("a.txt"), tree(pair.here.path()));
        match how {
            ConflictPolicy::Fail => {
                conflict(&report);
                assert_eq!((here.as_str(), names.len()), ("mine, longer", 2));
            }
            ConflictPolicy::Skip => {
                assert_eq!((report.skipped, here.as_str()), (1, "mine, longer"));
            }
            ConflictPolicy::KeepBoth => {
                assert_eq!((report.failed, here.as_str()), (0, "theirs"));
                let kept = names
                    .keys()
                    .find(|name| name.contains(".conflict-"))
                    .unwrap();
                assert_eq!(pair.here(kept), "mine, longer");
                check_kept(&report, &outcomes, kept);
                let again = pair.down().delete(true).await.unwrap();
                assert_eq!((again.transferred, again.deleted), (0, 0));
            }
            _ => assert_eq!((report.transferred, here.as_str()), (1, "theirs")),
        }
    }
}

#[tokio::test]
async fn the_same_change_on_both_sides_is_not_a_conflict() {
    let pair = Pair::new().await;
    write(pair.here.path(), &[("a.txt", "agreed")]);
    pair.write_remote("/data/a.txt", "agreed").await;
    touch(pair.here.path());
    for work in [Pair::up, Pair::down] {
        let report = work(&pair).await.unwrap();
        assert_eq!(
            (report.failed, report.transferred, report.unchanged),
            (0, 0, 2)
        );
    }
}

#[tokio::test]
async fn a_changed_file_is_not_deleted_because_the_other_side_lacks_it() {
    let pair = Pair::new().await;
    std::fs::remove_file(pair.here.path().join("a.txt")).unwrap();
    pair.write_remote("/data/a.txt", "still needed").await;
    conflict(&pair.up().delete(true).await.unwrap());
    let skipped = pair.up().delete(true).on_conflict(ConflictPolicy::Skip);
    assert_eq!(skipped.await.unwrap().deleted, 0);
    let forced = pair
        .up()
        .delete(true)
        .on_conflict(ConflictPolicy::Overwrite);
    assert_eq!(forced.await.unwrap().deleted, 1);

    let pair = Pair::new().await;
    pair.files.delete("/data/a.txt").await.unwrap();
    write(pair.here.path(), &[("a.txt", "still needed")]);
    conflict(&pair.down().delete(true).await.unwrap());
    assert_eq!(pair.here("a.txt"), "still needed");
    let forced = pair
        .down()
        .delete(true)
        .on_conflict(ConflictPolicy::Overwrite);
    assert_eq!(forced.await.unwrap().deleted, 1);
}

#[tokio::test]
async fn deletions_beyond_the_limit_are_refused() {
    let pair = Pair::new().await;
    for n in 0..8 {
        pair.write_remote(&format!("/data/{n}"), "x").await;
    }
    let refused = |limit| {
        let up = pair.up().delete(true).delete_limit(limit);
        up.on_conflict(ConflictPolicy::Overwrite)
    };
    for limit in [
        DeleteLimit::default(),
        DeleteLimit::files(7),
        DeleteLimit::percent(79),
    ] {
        let error = refused(limit).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SafetyLimit, "{limit}");
        assert_eq!(
            refused(limit).plan().await.unwrap_err().kind(),
            ErrorKind::SafetyLimit
        );
    }
    assert_eq!(remote(&pair.files, "/data").await.len(), 10);
    let allowed = refused(DeleteLimit::percent(80)).await.unwrap();
    assert_eq!((allowed.deleted, allowed.unchanged), (8, 2));

    let nothing = tempfile::tempdir().unwrap();
    let empty = || pair.files.upload_dir(nothing.path(), "/data").delete(true);
    let error = empty().delete_limit(DeleteLimit::files(100)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::SafetyLimit);
    let all = empty().delete_limit(DeleteLimit::percent(100)).await;
    assert_eq!(all.unwrap().deleted, 2);
}

/// Writes a file with an old time, as `cp -p` does.
fn write_old(root: &Path, path: &str, content: &str) {
    write(root, &[(path, content)]);
    let file = std::fs::File::options().append(true).open(root.join(path));
    let then = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    file.unwrap().set_modified(then).unwrap();
}

#[tokio::test]
async fn a_change_that_keeps_the_size_is_detected_on_both_sides() {
    let pair = Pair::new().await;
    assert_eq!(pair.up().await.unwrap().unchanged, 2);
    // An older file replaces a newer one.
    write_old(pair.here.path(), "a.txt", "older");
    assert_eq!(pair.up().await.unwrap().transferred, 1);
    assert_eq!(pair.there("/data/a.txt").await, "older");
    // Only the remote file changed.
    pair.write_remote("/data/a.txt", "THEIR").await;
    conflict(&pair.up().await.unwrap());
    // Both files changed.
    write(pair.here.path(), &[("a.txt", "MINE!")]);
    conflict(&pair.up().await.unwrap());
    assert_eq!(pair.there("/data/a.txt").await, "THEIR");
    conflict(&pair.down().await.unwrap());
    assert_eq!(pair.here("a.txt"), "MINE!");
}

#[tokio::test]
async fn an_empty_file_is_recorded_in_the_state() {
    let pair = Pair::new().await;
    write(pair.here.path(), &[("empty", "")]);
    assert_eq!(pair.up().await.unwrap().transferred, 1);
    touch(pair.here.path());
    let report = pair.up().await.unwrap();
    assert_eq!((report.failed, report.unchanged), (0, 3));
    std::fs::remove_file(pair.here.path().join("empty")).unwrap();
    let report = pair.up().delete(true).await.unwrap();
    assert_eq!((report.failed, report.deleted), (0, 1));
}

/// Waits for longer than the granularity of file times.
async fn later() {
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
}

#[tokio::test]
async fn a_file_that_changes_after_the_plan_is_not_replaced_or_deleted() {
    let pair = Pair::new().await;
    write(pair.here.path(), &[("extra", "old"), ("left", "old")]);
    pair.write_remote("/data/a.txt", "theirs").await;
    pair.write_remote("/data/new", "theirs").await;
    let down = pair
        .down()
        .delete(true)
        .on_conflict(ConflictPolicy::Overwrite);
    let plan = down.plan().await.unwrap();
    later().await;
    let mine = [("a.txt", "mine"), ("new", "mine"), ("extra", "mine")];
    write(pair.here.path(), &mine);
    let report = plan.run().await.unwrap();
    assert_eq!((report.transferred, report.failed), (0, 2));
    assert!(report.deletions_held_back);
    for (path, content) in mine {
        assert_eq!(pair.here(path), content);
    }
    for failure in &report.failures {
        assert_eq!(failure.error.kind(), ErrorKind::Conflict);
    }

    let fresh = tempfile::tempdir().unwrap();
    write(fresh.path(), &[("extra", "old"), ("left", "old")]);
    let down = pair.files.download_dir("/data", fresh.path());
    let down = down.exclude("a.txt").delete(true);
    let plan = down.delete_limit(DeleteLimit::NONE).plan().await.unwrap();
    later().await;
    write(fresh.path(), &[("extra", "mine")]);
    let report = plan.run().await.unwrap();
    assert_eq!((report.deleted, report.failed), (1, 1));
    assert!(fresh.path().join("extra").exists());
}
