//! Progress callbacks.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use agbcloud::{Change, DeleteLimit, FileOutcome, Progress, SyncProgress, UploadSource};

use super::{remote, world, write};

#[tokio::test]
async fn progress_is_reported_for_each_file() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let [here, back] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let large = "x".repeat(3_000_000);
    write(
        here.path(),
        &[("large", &large), ("deep/small", "s"), ("empty", "")],
    );
    let reported = Arc::new(Mutex::new(BTreeMap::new()));
    for work in [
        files.upload_dir(here.path(), "/data"),
        files.download_dir("/data", back.path()),
    ] {
        reported.lock().unwrap().clear();
        let sink = reported.clone();
        let work = work.on_progress(move |sync| {
            let (path, progress) = (sync.path.to_owned(), sync.file);
            let mut reported = sink.lock().unwrap();
            let last = reported.insert(path, progress);
            assert!(last.is_none_or(|last| last.bytes <= progress.bytes));
        });
        assert_eq!(work.await.unwrap().transferred, 3);
        let reported = reported.lock().unwrap();
        let ends: Vec<_> = reported
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

#[tokio::test]
async fn progress_has_totals_of_the_whole_sync() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let [here, back] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let large = "x".repeat(3_000_000);
    write(
        here.path(),
        &[("large", &large), ("deep/small", "s"), ("empty", "")],
    );
    type Reports = Arc<Mutex<Vec<(u64, u64, u64, u64)>>>;
    let reports = Reports::default();
    let listener = || {
        let sink = reports.clone();
        move |sync: &SyncProgress<'_>| {
            let numbers = (sync.files, sync.total_files, sync.bytes, sync.total_bytes);
            sink.lock().unwrap().push(numbers);
        }
    };
    let end = (3, 3, 3_000_001, 3_000_001);
    // Planned before the first copy.
    let plan = files.upload_dir(here.path(), "/data");
    let plan = plan.on_progress(listener()).plan().await.unwrap();
    plan.run().await.unwrap();
    let planned = std::mem::take(&mut *reports.lock().unwrap());
    assert_eq!(planned.last(), Some(&end));
    for (done, after) in planned.iter().zip(&planned[1..]) {
        assert_eq!((done.1, done.3), (end.1, end.3));
        assert!(done.0 <= after.0 && done.2 <= after.2, "{planned:?}");
    }
    // A listener alone plans before the first copy, too.
    let download = files.download_dir("/data", back.path());
    download.on_progress(listener()).await.unwrap();
    let downloaded = std::mem::take(&mut *reports.lock().unwrap());
    assert_eq!(downloaded.last(), Some(&end));
    assert!(
        downloaded
            .iter()
            .all(|report| (report.1, report.3) == (end.1, end.3))
    );
    // Nothing is copied again.
    reports.lock().unwrap().clear();
    let again = files.upload_dir(here.path(), "/data");
    again.on_progress(listener()).await.unwrap();
    assert_eq!(reports.lock().unwrap().len(), 0);
}

/// Runs work in a task of its own, and returns the message of its panic.
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

fn panicking(_: Progress) {
    panic!("panic in a callback");
}

/// For files, bytes and readers, uploads and downloads, single files and folders.
#[tokio::test]
async fn a_panic_in_a_callback_is_not_a_connection_error() {
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
            let upload = files.upload("/b", source).on_progress(panicking);
            assert_eq!(panic_of(upload).await, "panic in a callback");
        }
        let folder = files.upload_dir(here.path(), "/data");
        let folder = folder.on_progress(|sync| panicking(sync.file));
        assert_eq!(panic_of(folder).await, "panic in a callback");
        let download = files
            .download("/a", here.path().join("b"))
            .on_progress(panicking);
        assert_eq!(panic_of(download).await, "panic in a callback");
        let folder = files.download_dir("/", here.path().join("back"));
        let folder = folder.on_progress(|sync| panicking(sync.file));
        assert_eq!(panic_of(folder).await, "panic in a callback");
    }
    assert_eq!(remote(&files, "/").await, ["/a"], "nothing was stored");
}

#[tokio::test]
async fn every_outcome_has_the_size_of_its_file() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    let megabyte = "x".repeat(1024 * 1024);
    write(here.path(), &[("a", "four"), ("large", &megabyte)]);
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let listener = || {
        let outcomes = outcomes.clone();
        move |file: &FileOutcome<'_>| {
            let outcome = (
                file.path.to_owned(),
                file.change.unwrap(),
                file.size.unwrap(),
            );
            outcomes.lock().unwrap().push(outcome);
        }
    };
    let take = || {
        let mut outcomes = std::mem::take(&mut *outcomes.lock().unwrap());
        outcomes.sort_by_key(|(path, ..)| path.clone());
        outcomes
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
            .on_file(listener())
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
            .on_file(listener())
    };
    down().await.unwrap();
    assert_eq!(take(), both(Change::Download));

    files.delete_dir("/d").on_file(listener()).await.unwrap();
    assert_eq!(take(), both(Change::DeleteRemote));
    down().await.unwrap();
    assert_eq!(take(), both(Change::DeleteLocal));
}
