//! Which files take part in a sync, and how skipped entries are reported.

use std::sync::{Arc, Mutex};

use agbcloud::{ConflictPolicy, DeleteLimit, ErrorKind, SkipReason, SkippedEntry};

use super::{counts, remote, tree, world, write};

#[tokio::test]
async fn globs_and_gitignore_select_files() {
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

#[tokio::test]
async fn ignored_files_are_not_deleted_in_the_context() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    write(
        here.path(),
        &[(".gitignore", "*.log\n/build/\n"), ("deep/a", "a")],
    );
    let theirs = ["/.git/config", "/build/out", "/deep/b.log"];
    for path in theirs.iter().copied().chain(["/deep/gone"]) {
        files.upload(path, &b"x"[..]).await.unwrap();
    }
    let up = files.upload_dir(here.path(), "/").delete(true);
    let up = up.delete_limit(DeleteLimit::NONE);
    let report = up.gitignore(true).await.unwrap();
    assert_eq!(counts(&report), (2, 0, 1, 0));
    let mut expected = vec!["/.gitignore", "/deep/a"];
    expected.extend(theirs);
    expected.sort_unstable();
    assert_eq!(remote(&files, "/").await, expected);

    let up = files.upload_dir(here.path(), "/").delete(true);
    let up = up.delete_limit(DeleteLimit::NONE);
    assert_eq!(up.await.unwrap().deleted, 3, "without gitignore");
}

/// Rules of parent folders also apply to deletions.
#[tokio::test]
async fn ignore_rules_of_parent_folders_apply_in_both_directions() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let repo = tempfile::tempdir().unwrap();
    write(
        repo.path(),
        &[
            (".git/HEAD", "ref: refs/heads/main"),
            (".git/objects/x", ""),
            (".git/info/exclude", "*.mine"),
            (".gitignore", ".env\n*.{log,tmp}\n/sub/out/\n"),
            ("sub/.env", "secret"),
            ("sub/deep/.env", "secret"),
            ("sub/deep/x.mine", "mine"),
            ("sub/out/x", "x"),
            ("sub/a.log", "braces are no alternatives"),
            ("sub/a.{log,tmp}", "but a name"),
        ],
    );
    let sub = repo.path().join("sub");
    let theirs = ["/.env", "/deep/x.mine", "/out/gone", "/none/.env"];
    for path in theirs {
        files.upload(path, &b"theirs"[..]).await.unwrap();
    }
    files.upload("/gone", &b"x"[..]).await.unwrap();
    let up = files.upload_dir(&sub, "/").gitignore(true).delete(true);
    let up = up.delete_limit(DeleteLimit::NONE);
    assert_eq!(counts(&up.await.unwrap()), (1, 0, 1, 0));
    let mut expected: Vec<_> = theirs.into_iter().chain(["/a.log"]).collect();
    expected.sort_unstable();
    assert_eq!(remote(&files, "/").await, expected);

    let before = tree(&sub);
    let down = files.download_dir("/", &sub).gitignore(true).delete(true);
    assert_eq!(counts(&down.await.unwrap()), (0, 1, 0, 0));
    assert_eq!(tree(&sub), before);
    let down = files.download_dir("/", &sub);
    let down = down
        .on_conflict(ConflictPolicy::Overwrite)
        .plan()
        .await
        .unwrap();
    assert_eq!(down.changes().len(), 4, "without gitignore");
}

/// Reading a pipe would block, and its rules cannot be known.
#[cfg(unix)]
#[tokio::test]
async fn an_unreadable_ignore_file_is_a_failure() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    write(
        here.path(),
        &[("a", "a"), ("deep/b", "b"), ("deep/er/c", "c")],
    );
    files.upload("/deep/gone", &b"x"[..]).await.unwrap();
    let odd = here.path().join("deep/.gitignore");
    let _listener = std::os::unix::net::UnixListener::bind(&odd).unwrap();
    let up = || {
        let up = files.upload_dir(here.path(), "/").delete(true);
        up.delete_limit(DeleteLimit::NONE)
    };
    let report = up().gitignore(true).await.unwrap();
    assert_eq!(counts(&report), (1, 0, 0, 1));
    assert!(report.deletions_held_back);
    assert_eq!(report.failures[0].path, "deep/.gitignore");
    assert_eq!(remote(&files, "/").await, ["/a", "/deep/gone"]);

    std::fs::rename(&odd, here.path().join(".gitignore")).unwrap();
    let report = up().gitignore(true).await.unwrap();
    assert_eq!(counts(&report), (0, 0, 0, 1));
    assert_eq!(up().await.unwrap().transferred, 2, "without gitignore");
}

#[tokio::test]
async fn the_state_file_is_not_synced() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("a", "a")]);
    let state = here.path().join("deep/state");
    let up = || files.upload_dir(here.path(), "/").state(&state);
    assert_eq!(counts(&up().await.unwrap()), (1, 0, 0, 0));
    assert_eq!(counts(&up().await.unwrap()), (0, 1, 0, 0));
    assert_eq!(remote(&files, "/").await, ["/a"]);

    let remembered = std::fs::read(&state).unwrap();
    files.upload("/deep/state", &b"theirs"[..]).await.unwrap();
    for there in [true, false] {
        let down = files.download_dir("/", here.path()).state(&state);
        let report = down.delete(true).await.unwrap();
        assert_eq!(counts(&report), (0, 1, 0, 0));
        assert!(std::fs::read(&state).unwrap().starts_with(&remembered));
        if there {
            files.delete("/deep/state").await.unwrap();
        }
    }
    assert_eq!(tree(here.path()).len(), 2);

    // The same if neither file exists yet.
    files.upload("/deep/state", &b"theirs"[..]).await.unwrap();
    let new = here.path().join("new/folder");
    let down = files.download_dir("/", &new).state(new.join("deep/state"));
    let report = down.plan().await.unwrap().run().await.unwrap();
    assert_eq!(counts(&report), (1, 0, 0, 0));
    assert!(std::fs::read(new.join("deep/state")).unwrap() != b"theirs");
}

fn sorted<'a>(entries: impl IntoIterator<Item = &'a SkippedEntry>) -> Vec<(String, SkipReason)> {
    let entries = entries.into_iter();
    let mut entries: Vec<_> = entries
        .map(|entry| (entry.path.clone(), entry.reason))
        .collect();
    entries.sort();
    entries
}

fn expected_entries(entries: &[(&str, SkipReason)]) -> Vec<(String, SkipReason)> {
    let entries = entries.iter();
    entries
        .map(|(path, reason)| ((*path).to_owned(), *reason))
        .collect()
}

#[cfg(unix)]
#[tokio::test]
async fn an_upload_reports_skipped_entries() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    let path = |name: &str| here.path().join(name);
    write(
        here.path(),
        &[
            ("a", "a"),
            ("bin/run", "run"),
            ("bin/.agb-1.part", "half"),
            ("hidden/x.tmp", "x"),
        ],
    );
    for folder in ["empty", "deep/er/empty", "out.tmp", "z"] {
        std::fs::create_dir_all(path(folder)).unwrap();
    }
    std::fs::set_permissions(path("bin/run"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("a", path("link")).unwrap();
    symlink("gone", path("bin/dangling")).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();

    let expected = expected_entries(&[
        ("bin/.agb-1.part", SkipReason::UnfinishedDownload),
        ("bin/dangling", SkipReason::Symlink),
        ("deep/er/empty", SkipReason::EmptyFolder),
        ("empty", SkipReason::EmptyFolder),
        ("link", SkipReason::Symlink),
        ("socket", SkipReason::SpecialFile),
        ("z", SkipReason::EmptyFolder),
    ]);
    let reported = Arc::new(Mutex::new(Vec::new()));
    let up = || {
        let reported = reported.clone();
        let up = files.upload_dir(here.path(), "/up").exclude("*.tmp");
        up.on_skipped(move |entry| reported.lock().unwrap().push(entry.clone()))
    };
    let plan = up().plan().await.unwrap();
    assert_eq!(sorted(plan.skipped()), expected);
    let executable: Vec<_> = plan.changes().filter(|change| change.executable).collect();
    assert_eq!(executable.len(), 1);
    assert_eq!(executable[0].path, "bin/run");
    assert!(
        reported.lock().unwrap().is_empty(),
        "a plan calls no listener"
    );

    let mut reports = Vec::new();
    for (report, transferred) in [(plan.run().await, 2), (up().await, 0)] {
        let report = report.unwrap();
        assert_eq!(counts(&report), (transferred, 2 - transferred, 0, 0));
        assert_eq!(report.skipped, 7);
        assert_eq!(sorted(&report.skipped_entries), expected);
        let reported = std::mem::take(&mut *reported.lock().unwrap());
        reports.push((report.executable_files, report.executable, reported));
    }
    // Both syncs ran before the first report was checked.
    let reported: Vec<_> = reports.iter().flat_map(|(.., reported)| reported).collect();
    assert_eq!(reported.len(), 14);
    assert_eq!(sorted(reported[..7].iter().copied()), expected);
    assert_eq!(
        (&reports[0].0[..], reports[0].1),
        (&["bin/run".to_owned()][..], 1)
    );
    assert_eq!(reports[1].1, 0, "only uploaded files");
    assert_eq!(remote(&files, "/up").await, ["/up/a", "/up/bin/run"]);
}

/// With `include`, only an included folder can be expected on the other side.
#[tokio::test]
async fn an_excluded_empty_folder_is_not_reported() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("a.rs", "a")]);
    for folder in ["out", "logs"] {
        std::fs::create_dir_all(here.path().join(folder)).unwrap();
    }
    let up = || files.upload_dir(here.path(), "/up");
    for (up, expected) in [
        (up().include("*.rs"), vec![]),
        (up().include("logs/"), vec!["logs"]),
        (up().exclude("logs"), vec!["out"]),
        (up(), vec!["logs", "out"]),
    ] {
        let skipped = up.plan().await.unwrap();
        let skipped = sorted(skipped.skipped()).into_iter();
        let paths: Vec<_> = skipped.map(|(path, _)| path).collect();
        assert_eq!(paths, expected);
    }
    let nothing = tempfile::tempdir().unwrap();
    let report = files.upload_dir(nothing.path(), "/up").await.unwrap();
    assert_eq!(report.skipped, 0, "the folder itself exists");
}

#[cfg(unix)]
#[tokio::test]
async fn a_download_with_delete_reports_entries_that_stay() {
    use std::os::unix::fs::symlink;

    let world = world().await;
    let (_, files) = world.files("one").await;
    files.upload("/d/a", &b"a"[..]).await.unwrap();
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("old", "old"), ("old-folder/b", "b")]);
    symlink("a", here.path().join("link")).unwrap();
    let down = files.download_dir("/d", here.path()).delete(true);
    let report = down.delete_limit(DeleteLimit::NONE).await.unwrap();
    assert_eq!(counts(&report), (1, 0, 2, 0));
    assert_eq!(
        sorted(&report.skipped_entries),
        expected_entries(&[("link", SkipReason::Symlink)])
    );
}
