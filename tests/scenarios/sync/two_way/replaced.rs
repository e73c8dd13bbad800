//! Files that became folders, and folders that became files.

use agbcloud::{Change, ErrorDetail};

use super::{Folder, counts, tree, write};

#[tokio::test]
async fn a_file_and_a_folder_replace_each_other_on_both_sides() {
    let folder = Folder::with(&[
        ("one", "1"),
        ("two/a", "2"),
        ("three", "3"),
        ("four/a", "4"),
    ])
    .await;
    // Here: a file becomes a folder, and a folder a file.
    folder.remove("one");
    folder.remove("two/a");
    std::fs::remove_dir(folder.path().join("two")).unwrap();
    write(folder.path(), &[("one/new", "n1"), ("two", "n2")]);
    // There: the same.
    folder.delete("three").await;
    folder.delete("four/a").await;
    folder.put("three/new", "n3").await;
    folder.put("four", "n4").await;
    let report = folder.run().await;
    assert_eq!(counts(&report), (4, 0, 4, 0), "{report:?}");
    let expected = [
        ("one/new", "n1"),
        ("two", "n2"),
        ("three/new", "n3"),
        ("four", "n4"),
    ];
    folder.assert_both(&expected).await;
}

#[tokio::test]
async fn an_edited_file_is_not_lost_to_a_folder_of_its_name() {
    let folder = Folder::with(&[("one", "1"), ("two", "2")]).await;
    folder.remove("one");
    write(folder.path(), &[("one/new", "new"), ("two", "edited")]);
    folder.put("one", "edited").await;
    folder.delete("two").await;
    folder.put("two/new", "new").await;
    let report = folder.run().await;
    assert_eq!(report.deleted, 0);
    assert!(report.failed > 0);
    let local = tree(folder.path());
    assert_eq!(
        (&*local["one/new"], &*local["two"]),
        (&b"new"[..], &b"edited"[..])
    );
    let remote = folder.remote().await;
    assert_eq!(
        (&*remote["one"], &*remote["two/new"]),
        (&b"edited"[..], &b"new"[..])
    );
    assert_eq!(remote.len(), 2, "{remote:?}");
}

#[tokio::test]
async fn no_name_in_the_context_becomes_a_file_and_a_folder() {
    let folder = Folder::with(&[("same", "1")]).await;
    write(folder.path(), &[("one", "file"), ("two/a", "below")]);
    folder.put("one/b", "below").await;
    folder.put("two", "file").await;
    let report = folder.run().await;
    assert_eq!(counts(&report), (0, 1, 0, 4), "{report:?}");
    let clashes = report.failures.iter().filter(|failure| {
        failure.change == Some(Change::Upload)
            && failure.error.detail() == Some(ErrorDetail::FileAndFolder)
    });
    assert_eq!(clashes.count(), 2, "{report:?}");
    let paths = |tree: &super::Tree| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(&tree(folder.path())), ["one", "same", "two/a"]);
    assert_eq!(paths(&folder.remote().await), ["one/b", "same", "two"]);
}
