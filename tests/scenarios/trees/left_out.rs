//! What takes no part though it lies in the folder.

use agbcloud::{ConflictPolicy, DeleteLimit};

use super::{counts, remote, tree, world, write};

#[tokio::test]
async fn what_the_ignore_files_leave_out_is_not_deleted_there_either() {
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
    assert_eq!(up.await.unwrap().deleted, 3, "unless nobody asks for that");
}

/// A subfolder of a repository is ignored by what is above it, in both directions and in deletions.
#[tokio::test]
async fn the_rules_above_a_subfolder_hold_both_ways() {
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
    assert_eq!(down.changes().len(), 4, "unless nobody asks");
}

/// A pipe of that name would be waited for, and what a file of it says can't be known.
#[cfg(unix)]
#[tokio::test]
async fn a_folder_whose_ignore_file_can_not_be_read_is_a_failure() {
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
    assert_eq!(up().await.unwrap().transferred, 2, "unless nobody asks");
}

#[tokio::test]
async fn what_is_remembered_is_no_part_of_the_folder() {
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

    // Nor where neither is there yet.
    files.upload("/deep/state", &b"theirs"[..]).await.unwrap();
    let new = here.path().join("new/folder");
    let down = files.download_dir("/", &new).state(new.join("deep/state"));
    let report = down.plan().await.unwrap().run().await.unwrap();
    assert_eq!(counts(&report), (1, 0, 0, 0));
    assert!(std::fs::read(new.join("deep/state")).unwrap() != b"theirs");
}
