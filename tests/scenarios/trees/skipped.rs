//! What a context cannot hold is named with the reason, before and after a run.

use std::sync::{Arc, Mutex};

use agbcloud::{DeleteLimit, SkipReason, SkippedEntry};

use super::{counts, remote, world, write};

fn sorted<'a>(entries: impl IntoIterator<Item = &'a SkippedEntry>) -> Vec<(String, SkipReason)> {
    let entries = entries.into_iter();
    let mut entries: Vec<_> = entries
        .map(|entry| (entry.path.clone(), entry.reason))
        .collect();
    entries.sort();
    entries
}

fn named(entries: &[(&str, SkipReason)]) -> Vec<(String, SkipReason)> {
    let entries = entries.iter();
    entries
        .map(|(path, reason)| ((*path).to_owned(), *reason))
        .collect()
}

#[cfg(unix)]
#[tokio::test]
async fn an_upload_names_what_it_skips() {
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

    let expected = named(&[
        ("bin/.agb-1.part", SkipReason::UnfinishedDownload),
        ("bin/dangling", SkipReason::Symlink),
        ("deep/er/empty", SkipReason::EmptyFolder),
        ("empty", SkipReason::EmptyFolder),
        ("link", SkipReason::Symlink),
        ("socket", SkipReason::SpecialFile),
        ("z", SkipReason::EmptyFolder),
    ]);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let up = || {
        let heard = heard.clone();
        let up = files.upload_dir(here.path(), "/up").exclude("*.tmp");
        up.on_skipped(move |entry| heard.lock().unwrap().push(entry.clone()))
    };
    let plan = up().plan().await.unwrap();
    assert_eq!(sorted(plan.skipped()), expected);
    let executable: Vec<_> = plan.changes().filter(|change| change.executable).collect();
    assert_eq!(executable.len(), 1);
    assert_eq!(executable[0].path, "bin/run");
    assert!(heard.lock().unwrap().is_empty(), "a plan does nothing");

    let mut reports = Vec::new();
    for (report, transferred) in [(plan.run().await, 2), (up().await, 0)] {
        let report = report.unwrap();
        assert_eq!(counts(&report), (transferred, 2 - transferred, 0, 0));
        assert_eq!(report.skipped, 7);
        assert_eq!(sorted(&report.skipped_entries), expected);
        let heard = std::mem::take(&mut *heard.lock().unwrap());
        reports.push((report.executable_files, report.executable, heard));
    }
    // Both ran before the first was looked at.
    let heard: Vec<_> = reports.iter().flat_map(|(.., heard)| heard).collect();
    assert_eq!(heard.len(), 14);
    assert_eq!(sorted(heard[..7].iter().copied()), expected);
    assert_eq!(
        (&reports[0].0[..], reports[0].1),
        (&["bin/run".to_owned()][..], 1)
    );
    assert_eq!(reports[1].1, 0, "only what was sent");
    assert_eq!(remote(&files, "/up").await, ["/up/a", "/up/bin/run"]);
}

/// With `include` only a folder that it takes could be expected on the other side.
#[tokio::test]
async fn an_empty_folder_that_takes_no_part_is_not_named() {
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
    assert_eq!(report.skipped, 0, "the folder itself is there");
}

#[cfg(unix)]
#[tokio::test]
async fn a_download_that_deletes_names_what_stays() {
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
        named(&[("link", SkipReason::Symlink)])
    );
}
