//! Small files that are read ahead, and change before they are sent.

use std::path::PathBuf;

use agbcloud::ErrorKind;

use super::{tree, world, write};

const FILES: usize = 40;

fn name(n: usize) -> String {
    format!("folder/{n:02}")
}

/// Creates a folder of small files.
fn filled() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..FILES {
        write(folder.path(), &[(&name(n), "before")]);
    }
    let root = PathBuf::from(folder.path());
    (folder, root)
}

/// Files are sent one at a time, and the first one is sent before the others change.
#[tokio::test]
async fn a_file_that_changes_after_it_was_read_ahead_is_sent_again() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let ((here, root), back) = (filled(), tempfile::tempdir().unwrap());
    let upload = files
        .upload_dir(here.path(), "/data")
        .max_concurrent_files(1);
    let upload = upload.on_file(move |file| {
        if file.path == name(0) {
            for n in 1..FILES {
                write(&root, &[(&name(n), "after!")]);
            }
        }
    });
    let report = upload.await.unwrap();
    assert_eq!((report.transferred, report.failed), (FILES as u64, 0));

    files.download_dir("/data", back.path()).await.unwrap();
    let back = tree(back.path());
    assert_eq!(back, tree(here.path()));
    assert_eq!(back[&name(1)], b"after!");
}

#[tokio::test]
async fn a_file_that_disappears_fails_alone() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let (here, root) = filled();
    let upload = files
        .upload_dir(here.path(), "/data")
        .max_concurrent_files(1);
    let upload = upload.on_file(move |file| {
        if file.path == name(0) {
            // The next file may be in progress. One file is of the same batch, one of another.
            for n in [5, FILES - 1] {
                std::fs::remove_file(root.join(name(n))).unwrap();
            }
        }
    });
    let report = upload.await.unwrap();
    assert_eq!((report.transferred, report.failed), (FILES as u64 - 2, 2));
    for failure in &report.failures {
        assert_eq!(failure.error.kind(), ErrorKind::LocalFile);
        assert!(failure.error.to_string().contains(&failure.path));
    }
}

#[tokio::test]
#[should_panic(expected = "the listener panics")]
async fn a_panic_in_a_listener_reaches_the_caller() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("a", "a")]);
    let upload = files.upload_dir(here.path(), "/data");
    let _ = upload.on_file(|_| panic!("the listener panics")).await;
}
