//! What is told while files move.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::{world, write};

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
