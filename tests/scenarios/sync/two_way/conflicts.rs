//! Files that were changed on both sides, and files that were changed on one side and deleted on the other.

use std::time::{Duration, SystemTime};

use agbcloud::{ErrorKind, TwoWayConflict};

use super::{Folder, counts, tree, write};

/// Both sides have edited `edited`, one has deleted what the other has edited.
async fn conflicts() -> Folder {
    let folder = Folder::with(&[
        ("edited", "0"),
        ("deleted-here", "0"),
        ("deleted-there", "0"),
        ("same", "0"),
    ])
    .await;
    write(
        folder.path(),
        &[
            ("edited", "local"),
            ("deleted-there", "local"),
            ("same", "edited"),
        ],
    );
    folder.put("edited", "remote").await;
    folder.put("deleted-here", "remote").await;
    folder.put("same", "edited").await;
    folder.remove("deleted-here");
    folder.delete("deleted-there").await;
    folder
}

#[tokio::test]
async fn a_conflict_fails_by_default_and_an_edit_wins_against_a_deletion() {
    let folder = conflicts().await;
    let report = folder.run().await;
    assert_eq!(counts(&report), (2, 1, 0, 1));
    assert_eq!(report.failures[0].path, "edited");
    assert_eq!(report.failures[0].error.kind(), ErrorKind::Conflict);
    let mut restored = report.restored_files;
    restored.sort();
    assert_eq!(restored, ["deleted-here", "deleted-there"]);
    assert_eq!(tree(folder.path())["edited"], b"local");
    assert_eq!(folder.remote().await["edited"], b"remote");
    // A conflict does not hold back the deletion of another file.
    folder.remove("same");
    let report = folder.run().await;
    assert_eq!(counts(&report), (0, 2, 1, 1));
    assert!(!report.deletions_held_back);
}

#[tokio::test]
async fn a_side_wins_if_it_is_chosen() {
    let folder = conflicts().await;
    let report = folder
        .sync()
        .on_conflict(TwoWayConflict::Local)
        .await
        .unwrap();
    assert_eq!((report.failed, report.deleted), (0, 1));
    let expected = [
        ("deleted-there", "local"),
        ("edited", "local"),
        ("same", "edited"),
    ];
    folder.assert_both(&expected).await;

    let folder = conflicts().await;
    let report = folder
        .sync()
        .on_conflict(TwoWayConflict::Remote)
        .await
        .unwrap();
    assert_eq!((report.failed, report.deleted), (0, 1));
    let expected = [
        ("deleted-here", "remote"),
        ("edited", "remote"),
        ("same", "edited"),
    ];
    folder.assert_both(&expected).await;
}

#[tokio::test]
async fn a_conflict_is_skipped_or_both_files_are_kept() {
    let folder = conflicts().await;
    let before = (tree(folder.path()), folder.remote().await);
    let report = folder
        .sync()
        .on_conflict(TwoWayConflict::Skip)
        .await
        .unwrap();
    assert_eq!(
        (report.skipped, report.transferred, report.failed),
        (3, 0, 0)
    );
    assert_eq!((tree(folder.path()), folder.remote().await), before);

    let report = folder
        .sync()
        .on_conflict(TwoWayConflict::KeepBoth)
        .await
        .unwrap();
    assert_eq!(report.failed, 0);
    let kept = &*report.kept[0].kept;
    assert_eq!(report.kept[0].path, "edited");
    let expected = [
        ("deleted-here", "remote"),
        ("deleted-there", "local"),
        ("edited", "remote"),
        (kept, "local"),
        ("same", "edited"),
    ];
    folder.assert_both(&expected).await;
    // The copy is an ordinary file from now on.
    assert_eq!(counts(&folder.run().await), (0, 5, 0, 0));
    folder.remove(kept);
    assert_eq!(folder.run().await.deleted, 1);
}

#[tokio::test]
async fn the_newer_file_wins_only_if_it_is_known() {
    let folder = Folder::with(&[("a", "0"), ("b", "0"), ("c", "0")]).await;
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    // The clock of the service is an hour ahead.
    for (path, time) in [("a", now - hour), ("b", now + 3 * hour)] {
        write(folder.path(), &[(path, "local")]);
        let file = std::fs::File::options()
            .write(true)
            .open(folder.path().join(path));
        file.unwrap().set_modified(time).unwrap();
        folder.put(path, "remote").await;
    }
    let report = folder
        .sync()
        .on_conflict(TwoWayConflict::Newer)
        .await
        .unwrap();
    assert_eq!((report.transferred, report.failed), (2, 0));
    folder
        .assert_both(&[("a", "remote"), ("b", "local"), ("c", "0")])
        .await;
}

#[tokio::test]
async fn a_file_that_changes_after_the_comparison_is_neither_replaced_nor_deleted() {
    let folder = Folder::with(&[
        ("upload", "0"),
        ("download", "0"),
        ("delete-local", "0"),
        ("delete-remote", "0"),
        ("added", "0"),
    ])
    .await;
    write(
        folder.path(),
        &[("upload", "local"), ("new-local", "local")],
    );
    folder.put("download", "remote").await;
    folder.put("new-remote", "remote").await;
    folder.delete("delete-local").await;
    folder.remove("delete-remote");
    let plan = folder.sync().plan().await.unwrap();
    assert_eq!(plan.changes().len(), 6);
    folder.put("upload", "late").await;
    folder.put("new-local", "late").await;
    folder.put("delete-remote", "late").await;
    write(
        folder.path(),
        &[
            ("download", "late"),
            ("new-remote", "late"),
            ("delete-local", "late"),
        ],
    );
    let report = plan.run().await.unwrap();
    assert_eq!(
        (report.transferred, report.deleted, report.failed),
        (0, 0, 6)
    );
    let kinds = report.failures.iter().map(|failure| failure.error.kind());
    assert!(kinds.into_iter().all(|kind| kind == ErrorKind::Conflict));
    let local = tree(folder.path());
    for path in ["download", "new-remote", "delete-local"] {
        assert_eq!(local[path], b"late", "{path}");
    }
    let remote = folder.remote().await;
    for path in ["upload", "new-local", "delete-remote"] {
        assert_eq!(remote[path], b"late", "{path}");
    }
    // The next sync decides by the current versions.
    let report = folder
        .sync()
        .on_conflict(TwoWayConflict::KeepBoth)
        .await
        .unwrap();
    assert_eq!(
        (report.failed, report.kept.len(), report.restored),
        (0, 4, 2)
    );
    assert_eq!(tree(folder.path()), folder.remote().await);
}
