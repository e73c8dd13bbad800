//! Files that became folders on one side, and the reverse.

use agbcloud::{Change, DeleteLimit};

use super::{Tree, counts, remote, tree, world, write};

fn of(files: &[(&str, &str)]) -> Tree {
    let files = files.iter();
    files
        .map(|(path, content)| ((*path).to_owned(), content.as_bytes().to_vec()))
        .collect()
}

const BEFORE: [(&str, &str); 4] = [("a", "file"), ("b/x", "x"), ("b/y/z", "z"), ("c", "c")];
const AFTER: [(&str, &str); 4] = [("a/x", "x"), ("a/y/z", "z"), ("b", "file"), ("c", "c")];

#[tokio::test]
async fn what_became_a_folder_or_a_file_is_that_on_the_other_side_too_with_delete() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let (before, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(before.path(), &BEFORE);
    write(after.path(), &AFTER);
    files.upload_dir(before.path(), "/").await.unwrap();
    let up = files.upload_dir(after.path(), "/").delete(true);
    let up = up.delete_limit(DeleteLimit::NONE);
    assert_eq!(counts(&up.await.unwrap()), (3, 1, 3, 0));
    assert_eq!(remote(&files, "/").await, ["/a/x", "/a/y/z", "/b", "/c"]);

    // Folders with nothing in them are in nobody's way.
    std::fs::create_dir_all(before.path().join("b/none/at/all")).unwrap();
    let down = || {
        let down = files.download_dir("/", before.path());
        down.delete_limit(DeleteLimit::NONE)
    };
    let report = down().await.unwrap();
    assert_eq!((report.failed, report.deleted), (3, 0), "unasked");
    assert_eq!(tree(before.path()), of(&BEFORE));

    let plan = down().delete(true).plan().await.unwrap();
    let changes: Vec<_> = plan.changes().map(|planned| planned.change).collect();
    let (deleted, fetched) = (Change::DeleteLocal, Change::Download);
    assert_eq!(
        changes,
        [deleted, deleted, deleted, fetched, fetched, fetched]
    );
    assert_eq!(counts(&plan.run().await.unwrap()), (3, 1, 3, 0));
    assert_eq!(tree(before.path()), of(&AFTER));
    let again = down().delete(true).await.unwrap();
    assert_eq!(counts(&again), (0, 4, 0, 0));
}

#[tokio::test]
async fn what_a_glob_leaves_out_stays_and_keeps_its_place() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    files.upload("/a/x", &b"x"[..]).await.unwrap();
    files.upload("/b", &b"file"[..]).await.unwrap();
    let here = tempfile::tempdir().unwrap();
    let mine = [("a", "mine"), ("b/mine.log", "mine")];
    write(here.path(), &mine);
    let down = files.download_dir("/", here.path()).delete(true);
    let down = down.delete_limit(DeleteLimit::NONE);
    let report = down.exclude("*.log").exclude("/a").await.unwrap();
    // `/a` is left out with what is below it.
    assert_eq!((report.failed, report.deleted), (1, 0), "{report:?}");
    assert_eq!(tree(here.path()), of(&mine));
}

#[tokio::test]
async fn what_is_in_the_way_stays_until_its_replacement_is_whole() {
    let broken = "status=500,op=download".parse().unwrap();
    let world = crate::support::World::with(|builder| builder.fault(broken)).await;
    let files = world.files_tried_once("one").await;
    files.upload("/a/x", &b"x"[..]).await.unwrap();
    files.upload("/b", &b"file"[..]).await.unwrap();
    let here = tempfile::tempdir().unwrap();
    let mine = [("a", "mine"), ("b/y", "mine")];
    write(here.path(), &mine);
    let down = files.download_dir("/", here.path()).delete(true);
    let report = down.delete_limit(DeleteLimit::NONE).await.unwrap();
    assert_eq!((report.failed, report.deleted), (2, 0), "{report:?}");
    assert!(report.deletions_held_back);
    assert_eq!(tree(here.path()), of(&mine));
    assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 2);
}
