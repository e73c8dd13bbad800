//! Whole folders, both ways, against the real service.

mod ahead;
mod collisions;
mod cost;
mod deletions;
mod evidence;
mod killed;
mod left_out;
#[cfg(unix)]
mod links;
mod listings;
mod names;
mod progress;
mod skipped;
mod state;
mod swaps;
mod unverified;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use crate::support::World;
use agbcloud::{
    Change, Compare, ConflictPolicy, DeleteLimit, ErrorKind, Files, Symlinks, SyncReport,
};
use agbcloud_server::ManualClock;

type Tree = BTreeMap<String, Vec<u8>>;

/// What is in a local folder, by path.
fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                match std::fs::read(&path) {
                    Ok(content) => drop(found.insert(name.to_owned(), content)),
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
                }
            }
        }
    }
    found
}

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

/// A service whose clock is behind no file that the test writes.
async fn world() -> World {
    let world = World::new().await;
    world.clock.advance(Duration::from_secs(3600));
    world
}

/// What is below a folder of the context, by path.
async fn remote(files: &Files, root: &str) -> Vec<String> {
    let mut walk = files.list().folder(root).walk();
    let mut found = Vec::new();
    while let Some(entry) = walk.next().await {
        let entry = entry.unwrap();
        if !entry.is_folder() {
            found.push(entry.path);
        }
    }
    found.sort();
    found
}

fn counts(report: &SyncReport) -> (u64, u64, u64, u64) {
    (
        report.transferred,
        report.unchanged,
        report.deleted,
        report.failed,
    )
}

#[tokio::test]
async fn a_folder_goes_up_and_comes_down_and_nothing_moves_twice() {
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
    // What was fetched needs not to be sent back.
    let report = files.upload_dir(&local, "/data").await.unwrap();
    assert_eq!(counts(&report), (0, 3, 0, 0));

    // A local change is newer and leaves the size: it is undone only where that is asked for.
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
async fn the_plan_is_what_is_done() {
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

    let told = Arc::new(Mutex::new(Vec::new()));
    let report = plan.run().await.unwrap();
    assert_eq!(counts(&report), (2, 0, 1, 0));
    assert_eq!(
        remote(&files, "/").await,
        ["/data/a.txt", "/data/new.txt", "/elsewhere"]
    );

    write(here.path(), &[("more.txt", "x")]);
    let sink = told.clone();
    let listened = files.upload_dir(here.path(), "/data").on_file(move |file| {
        let line = format!("{:?} {} {:?}", file.change, file.path, file.size);
        sink.lock().unwrap().push(line);
    });
    listened.await.unwrap();
    assert_eq!(*told.lock().unwrap(), ["Some(Upload) more.txt Some(1)"]);
}

#[tokio::test]
async fn extraneous_files_go_last_and_only_when_all_went_well() {
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
    // A folder stands where a file should be, with something in it that has to stay.
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
async fn content_decides_and_not_size_and_time() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("a", "one"), ("b", "same"), ("empty", "")]);
    files.upload_dir(here.path(), "/").await.unwrap();
    // Another content of the same size that looks old.
    std::fs::write(here.path().join("a"), "two").unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for name in ["a", "b", "empty"] {
        let file = std::fs::File::options()
            .write(true)
            .open(here.path().join(name))
            .unwrap();
        file.set_modified(old).unwrap();
    }
    // Nothing shows which of two versions is the newer one.
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
async fn old_files_are_fetched_while_what_is_abandoned_is_swept() {
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

/// Listings of services lag behind.
#[tokio::test]
async fn globs_and_gitignore_choose() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    write(
        here.path(),
        &[
            (".gitignore", "*.log\n/build/\n"),
            (".git/config", "git"),
            ("deep/.git", "gitdir: elsewhere"),
            ("a.rs", "a"),
            ("a.log", "log"),
            ("build/out", "out"),
            ("src/b.rs", "b"),
            ("src/.hidden", "h"),
        ],
    );
    files.upload_dir(here.path(), "/all").await.unwrap();
    assert_eq!(remote(&files, "/all").await.len(), 8, "hidden ones too");
    files
        .upload_dir(here.path(), "/git")
        .gitignore(true)
        .await
        .unwrap();
    assert_eq!(
        remote(&files, "/git").await,
        [
            "/git/.gitignore",
            "/git/a.rs",
            "/git/src/.hidden",
            "/git/src/b.rs"
        ]
    );
    let globs = files
        .upload_dir(here.path(), "/rs")
        .include("*.rs")
        .exclude("src/");
    globs.await.unwrap();
    assert_eq!(remote(&files, "/rs").await, ["/rs/a.rs"]);

    let there = tempfile::tempdir().unwrap();
    files
        .download_dir("/all", there.path())
        .include("src/")
        .await
        .unwrap();
    assert_eq!(
        tree(there.path()).into_keys().collect::<Vec<_>>(),
        ["src/.hidden", "src/b.rs"]
    );
    let error = files
        .upload_dir(here.path(), "/rs")
        .include("{a")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_left_out_followed_or_refused_and_never_written_through() {
    use std::os::unix::fs::symlink;

    let world = world().await;
    let (_, files) = world.files("one").await;
    let (here, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(here.path(), &[("a", "a")]);
    write(outside.path(), &[("b", "b")]);
    symlink(outside.path(), here.path().join("link")).unwrap();
    symlink(outside.path().join("b"), here.path().join("file-link")).unwrap();

    let up = |to: &str| files.upload_dir(here.path(), to);
    let report = up("/skip").await.unwrap();
    assert_eq!((report.transferred, report.skipped), (1, 2));
    let report = up("/follow").symlinks(Symlinks::Follow).await.unwrap();
    assert_eq!(report.transferred, 3);
    assert_eq!(
        remote(&files, "/follow").await,
        ["/follow/a", "/follow/file-link", "/follow/link/b"]
    );
    let report = up("/refuse").symlinks(Symlinks::Refuse).await.unwrap();
    assert_eq!((report.transferred, report.failed), (1, 2));

    // Down again: what lies behind a link on this machine is not written, a link in the file's own place is replaced.
    files
        .upload("/follow/link/evil", &b"evil"[..])
        .await
        .unwrap();
    files
        .upload("/follow/file-link", &b"new"[..])
        .await
        .unwrap();
    let report = files.download_dir("/follow", here.path()).await.unwrap();
    // The other one behind it is the same.
    assert_eq!(report.failed, 1, "{report:?}");
    assert_eq!(
        tree(outside.path()),
        Tree::from([("b".to_owned(), b"b".to_vec())])
    );
    assert_eq!(
        std::fs::read(here.path().join("file-link")).unwrap(),
        b"new"
    );
    assert!(!here.path().join("file-link").is_symlink());
}

#[cfg(unix)]
#[tokio::test]
async fn one_file_that_fails_does_not_stop_the_others() {
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
async fn what_all_would_meet_stops_it() {
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

#[tokio::test]
async fn one_that_was_broken_off_finishes_the_rest() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    for number in 0..100 {
        write(
            here.path(),
            &[(
                &format!("{}/{number}", number % 7),
                &"x".repeat(number * 100),
            )],
        );
    }
    for after in [1, 5, 20, 60] {
        let wait = tokio::time::sleep(Duration::from_millis(after));
        let sync = files.upload_dir(here.path(), "/data");
        tokio::select! {
            report = async { sync.await } => drop(report.unwrap()),
            () = wait => {}
        }
    }
    let report = files.upload_dir(here.path(), "/data").await.unwrap();
    assert_eq!(report.transferred + report.unchanged, 100);

    let there = tempfile::tempdir().unwrap();
    for after in [1, 5, 20, 60] {
        let wait = tokio::time::sleep(Duration::from_millis(after));
        let sync = files.download_dir("/data", there.path());
        tokio::select! {
            report = async { sync.await } => drop(report.unwrap()),
            () = wait => {}
        }
    }
    files.download_dir("/data", there.path()).await.unwrap();
    let here = tree(here.path());
    for _ in 0..100 {
        // What was dropped may be at its last file.
        if tree(there.path()) == here {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(tree(there.path()), here, "and nothing is left behind");
}
