//! Symbolic links: the policies, and links that replace a folder between a plan and its run.

use std::os::unix::fs::symlink;

use agbcloud::{ErrorKind, Symlinks};

use super::{Tree, counts, remote, tree, world, write};

#[tokio::test]
async fn symlinks_are_skipped_followed_or_refused_and_never_written_through() {
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

    // A download does not write through a link, and replaces a link in the place of the file.
    files
        .upload("/follow/link/evil", &b"evil"[..])
        .await
        .unwrap();
    files
        .upload("/follow/file-link", &b"new"[..])
        .await
        .unwrap();
    let report = files.download_dir("/follow", here.path()).await.unwrap();
    // The other file behind the link is unchanged.
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

/// Small files are read ahead, large ones while they are sent.
#[tokio::test]
async fn a_folder_replaced_by_a_link_uploads_nothing_from_outside() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let large = "x".repeat(600 * 1024);
    for depth in ["a", "a/b/c"] {
        let (here, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = |name: &str| format!("{depth}/{name}");
        let [small, big] = [file("small"), file("big")];
        write(
            here.path(),
            &[(&small, "mine"), (&big, &large), ("kept", "k")],
        );
        // The same size, so that nothing else reveals the change.
        let secret = "s".repeat(large.len());
        let [small_there, big_there] = [&small, &big].map(|name| name.split_once('/').unwrap().1);
        write(
            outside.path(),
            &[(small_there, "keys"), (big_there, &secret)],
        );
        for ending in ["small", "big"] {
            let of = |path: &std::path::Path| path.join(&file(ending)[2..]);
            let from = here.path().join(file(ending)).metadata().unwrap();
            let outside = std::fs::File::options()
                .write(true)
                .open(of(outside.path()));
            outside
                .unwrap()
                .set_modified(from.modified().unwrap())
                .unwrap();
        }
        let folder = format!("/{}", depth.replace('/', "-"));
        let plan = files.upload_dir(here.path(), folder.as_str()).plan().await;
        let plan = plan.unwrap();
        std::fs::rename(here.path().join("a"), outside.path().join("moved")).unwrap();
        symlink(outside.path(), here.path().join("a")).unwrap();
        let report = plan.run().await.unwrap();
        assert_eq!(counts(&report), (1, 0, 0, 2), "{report:?}");
        for failure in &report.failures {
            assert_eq!(failure.error.kind(), ErrorKind::LocalFile);
        }
        assert_eq!(remote(&files, &folder).await, [format!("{folder}/kept")]);
    }
}

#[tokio::test]
async fn links_above_the_folder_and_links_to_follow_are_followed() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let (here, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(outside.path(), &[("deep/x", "x"), ("y", "y")]);
    let root = here.path().join("root");
    symlink(outside.path(), &root).unwrap();
    let report = files.upload_dir(&root, "/linked").await.unwrap();
    assert_eq!(counts(&report), (2, 0, 0, 0));

    symlink("deep", outside.path().join("link")).unwrap();
    let follow = files.upload_dir(&root, "/followed");
    let report = follow.symlinks(Symlinks::Follow).await.unwrap();
    assert_eq!(counts(&report), (3, 0, 0, 0));
    assert_eq!(files.read("/followed/link/x").await.unwrap(), "x");
}
