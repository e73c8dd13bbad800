//! What is told while files move.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use agbcloud::{Change, DeleteLimit, FileOutcome, Progress, UploadSource};

use super::{remote, world, write};

#[tokio::test]
async fn bytes_are_told_of_each_file_while_it_moves() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let [here, back] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let large = "x".repeat(3_000_000);
    write(
        here.path(),
        &[("large", &large), ("deep/small", "s"), ("empty", "")],
    );
    let told = Arc::new(Mutex::new(BTreeMap::new()));
    for work in [
        files.upload_dir(here.path(), "/data"),
        files.download_dir("/data", back.path()),
    ] {
        told.lock().unwrap().clear();
        let sink = told.clone();
        let work = work.on_progress(move |path, progress| {
            let mut told = sink.lock().unwrap();
            let last = told.insert(path.to_owned(), progress);
            assert!(last.is_none_or(|last| last.bytes <= progress.bytes));
        });
        assert_eq!(work.await.unwrap().transferred, 3);
        let told = told.lock().unwrap();
        let ends: Vec<_> = told
            .iter()
            .map(|(path, end)| (path.as_str(), end.bytes, end.total))
            .collect();
        let expected = [("deep/small", 1), ("empty", 0), ("large", 3_000_000)];
        assert_eq!(
            ends,
            expected.map(|(path, bytes)| (path, bytes, Some(bytes)))
        );
    }
}

/// Work that is polled in a task of its own, and what it panicked with.
async fn panic_of<T: Send + 'static>(
    work: impl IntoFuture<Output = T, IntoFuture: Send + 'static>,
) -> String {
    let Err(ended) = tokio::spawn(work.into_future()).await else {
        panic!("it ended without a panic");
    };
    let panic = ended.into_panic();
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.unwrap_or_else(|| panic.downcast_ref::<String>().unwrap().clone())
}

fn told(_: Progress) {
    panic!("who is told panics");
}

/// A file, bytes and a reader; up and down; one and a folder.
#[tokio::test]
async fn a_panic_of_who_is_told_is_no_broken_connection() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    for content in ["small", &"x".repeat(3_000_000)] {
        write(here.path(), &[("a", content)]);
        let bytes = content.as_bytes().to_vec();
        files.upload("/a", bytes.clone()).await.unwrap();
        let length = bytes.len() as u64;
        let reader = UploadSource::reader(std::io::Cursor::new(bytes.clone()), length);
        for source in [here.path().join("a").into(), bytes.into(), reader] {
            let upload = files.upload("/b", source).on_progress(told);
            assert_eq!(panic_of(upload).await, "who is told panics");
        }
        let folder = files.upload_dir(here.path(), "/data");
        let folder = folder.on_progress(|_, moved| told(moved));
        assert_eq!(panic_of(folder).await, "who is told panics");
        let download = files
            .download("/a", here.path().join("b"))
            .on_progress(told);
        assert_eq!(panic_of(download).await, "who is told panics");
        let folder = files.download_dir("/", here.path().join("back"));
        let folder = folder.on_progress(|_, moved| told(moved));
        assert_eq!(panic_of(folder).await, "who is told panics");
    }
    assert_eq!(remote(&files, "/").await, ["/a"], "nothing was stored");
}

/// Whatever becomes of a file, its size is that of the file.
#[tokio::test]
async fn every_outcome_has_the_size_of_its_file() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    let megabyte = "x".repeat(1024 * 1024);
    write(here.path(), &[("a", "four"), ("large", &megabyte)]);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = || {
        let heard = heard.clone();
        move |file: &FileOutcome<'_>| {
            let outcome = (
                file.path.to_owned(),
                file.change.unwrap(),
                file.size.unwrap(),
            );
            heard.lock().unwrap().push(outcome);
        }
    };
    let take = || {
        let mut heard = std::mem::take(&mut *heard.lock().unwrap());
        heard.sort_by_key(|(path, ..)| path.clone());
        heard
    };
    let both = |change| {
        [
            ("a".to_owned(), change, 4),
            ("large".to_owned(), change, 1 << 20),
        ]
    };

    let up = || {
        files
            .upload_dir(here.path(), "/d")
            .delete(true)
            .delete_limit(DeleteLimit::NONE)
            .on_file(hear())
    };
    up().await.unwrap();
    assert_eq!(take(), both(Change::Upload));
    for name in ["a", "large"] {
        std::fs::remove_file(here.path().join(name)).unwrap();
    }
    let down = || {
        files
            .download_dir("/d", here.path())
            .delete(true)
            .delete_limit(DeleteLimit::NONE)
            .on_file(hear())
    };
    down().await.unwrap();
    assert_eq!(take(), both(Change::Download));

    files.delete_dir("/d").on_file(hear()).await.unwrap();
    assert_eq!(take(), both(Change::DeleteRemote));
    down().await.unwrap();
    assert_eq!(take(), both(Change::DeleteLocal));
}
