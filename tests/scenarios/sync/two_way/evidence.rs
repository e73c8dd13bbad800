//! What is not taken for a deletion: a folder without files, a cleared or replaced context, a stale listing, a folder that can't
//! be read, a link, and the state of a one-way sync.

use agbcloud::{DeleteLimit, ErrorDetail, ErrorKind};

use super::{Folder, counts, tree, write};

fn numbers(count: usize) -> Vec<(String, String)> {
    let numbers = (0..count).map(|number| (format!("{number}"), number.to_string()));
    numbers.collect()
}

async fn many(count: usize) -> Folder {
    let files = numbers(count);
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (&**path, &**text))
        .collect();
    Folder::with(&files).await
}

#[tokio::test]
async fn a_side_without_files_deletes_nothing_on_the_other() {
    let folder = many(3).await;
    let sync = || folder.sync().delete_limit(DeleteLimit::default());
    let is_empty_source = |error: agbcloud::Error| {
        assert_eq!(error.kind(), ErrorKind::SafetyLimit, "{error}");
        matches!(
            error.detail(),
            Some(ErrorDetail::EmptySource { deleted: 3, .. })
        )
    };
    // As if another file system was mounted there before.
    for path in ["0", "1", "2"] {
        folder.remove(path);
    }
    assert!(is_empty_source(sync().await.unwrap_err()));
    assert_eq!(folder.remote().await.len(), 3);

    let folder = many(3).await;
    let sync = || folder.sync().delete_limit(DeleteLimit::default());
    folder.files.delete_dir("/data").await.unwrap();
    assert!(is_empty_source(sync().await.unwrap_err()));
    assert_eq!(tree(folder.path()).len(), 3);
    // The caller can mean it.
    assert_eq!(folder.run().await.deleted, 3);
}

#[tokio::test]
async fn a_replaced_context_gets_the_files_again() {
    let folder = many(3).await;
    let (id, _) = folder.world.files("one").await;
    folder.world.client.contexts().delete(&id).await.unwrap();
    let (_, files) = folder.world.files("one").await;
    let sync = files.sync_dir(folder.path(), "/data", folder.state.path().join("state"));
    let report = sync.await.unwrap();
    assert_eq!(counts(&report), (3, 0, 0, 0));
    assert_eq!(tree(folder.path()).len(), 3);
}

#[tokio::test]
async fn the_limit_applies_to_each_side() {
    let folder = many(10).await;
    for path in ["0", "1", "2"] {
        folder.remove(path);
    }
    folder.delete("9").await;
    // Three of ten remote files, and one of ten local files.
    let limited = |limit| folder.sync().delete_limit(limit);
    let error = limited(DeleteLimit::files(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SafetyLimit);
    let detail = error.detail();
    assert!(
        matches!(
            detail,
            Some(ErrorDetail::DeleteLimit {
                deleted: 3,
                total: 9,
                ..
            })
        ),
        "{detail:?}"
    );
    assert!(limited(DeleteLimit::percent(30)).await.is_err());
    let report = limited(DeleteLimit::files(3)).await.unwrap();
    assert_eq!(counts(&report), (0, 6, 4, 0));
}

#[tokio::test]
async fn a_one_way_sync_is_no_evidence_of_deletions() {
    let folder = Folder::new().await;
    write(folder.path(), &[("a", "a"), ("b", "b")]);
    let state = folder.state.path().join("state");
    let up = folder
        .files
        .upload_dir(folder.path(), "/data")
        .state(&state);
    assert_eq!(up.await.unwrap().transferred, 2);
    // Without `delete`, the context keeps the file.
    folder.remove("b");
    let report = folder.run().await;
    assert_eq!(counts(&report), (1, 1, 0, 0));
    folder.assert_both(&[("a", "a"), ("b", "b")]).await;
    folder.remove("b");
    assert_eq!(folder.run().await.deleted, 1);
}

#[tokio::test]
async fn a_file_missing_from_a_stale_listing_is_not_deleted() {
    let lag = "lag=60s,op=DescribeContextFiles".parse().unwrap();
    let world = crate::support::World::with(|builder| builder.fault(lag)).await;
    let (_, files) = world.files("one").await;
    let (here, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(here.path(), &[("a", "a"), ("b", "b")]);
    let sync = || {
        let sync = files.sync_dir(here.path(), "/data", state.path().join("state"));
        sync.delete_limit(DeleteLimit::NONE)
    };
    assert_eq!(sync().await.unwrap().transferred, 2);
    let report = sync().await.unwrap();
    assert_eq!((report.deleted, report.skipped, report.failed), (0, 2, 0));
    assert_eq!(tree(here.path()).len(), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_cannot_be_read_deletes_nothing() {
    let folder = Folder::with(&[("a", "a"), ("d/b", "b"), ("e/c", "c")]).await;
    folder.remove("e/c");
    // A pipe in the place of the rules, which can't be read.
    let rules = folder.path().join("d/.gitignore");
    let made = std::process::Command::new("mkfifo").arg(rules).status();
    assert!(made.unwrap().success());
    let report = folder.sync().gitignore(true).await.unwrap();
    assert_eq!(report.deleted, 0, "{report:?}");
    assert!(report.failed > 0 && report.deletions_held_back);
    assert_eq!(folder.remote().await.len(), 3);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_in_the_place_of_a_file_or_folder_deletes_nothing() {
    use std::os::unix::fs::symlink;

    let folder = Folder::with(&[("a", "a"), ("d/b", "b"), ("d/c", "c")]).await;
    let outside = tempfile::tempdir().unwrap();
    std::fs::rename(folder.path().join("d"), outside.path().join("d")).unwrap();
    symlink(outside.path().join("d"), folder.path().join("d")).unwrap();
    std::fs::remove_file(outside.path().join("d/c")).unwrap();
    folder.remove("a");
    symlink("nowhere", folder.path().join("a")).unwrap();
    let report = folder.run().await;
    assert_eq!((report.deleted, report.failed, report.skipped), (0, 0, 2));
    assert_eq!(folder.remote().await.len(), 3);
    assert_eq!(tree(outside.path()).len(), 1);
}

#[tokio::test]
async fn a_name_that_one_side_cannot_hold_fails_and_deletes_nothing() {
    let folder = Folder::with(&[("a", "a"), ("b", "b")]).await;
    folder.remove("b");
    let long = "n".repeat(300);
    folder.put(&long, "too long for a local name").await;
    let report = folder.run().await;
    assert_eq!((report.failed, report.deleted), (1, 0));
    assert!(report.deletions_held_back);
    folder.delete(&long).await;
    assert_eq!(folder.run().await.deleted, 1);
}
