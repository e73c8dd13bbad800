//! Verification of uploads to a store that reports only an MD5, which is computed after the response at first.

use std::{io::Write, time::SystemTime};

use agbcloud::{ErrorDetail, ErrorKind, UploadSource};

use super::faults::{ALL_FEATURES, content, files};
use crate::support::faulty_store::{Fault, FaultyStore};

/// More than a chunk, and more than a local file that is kept in memory.
const LENGTH: usize = 700_000;

async fn store(faults: impl IntoIterator<Item = Fault>) -> FaultyStore {
    FaultyStore::new(ALL_FEATURES, Vec::new(), Vec::new(), faults).await
}

#[tokio::test]
async fn a_wrong_md5_is_detected_before_and_after_the_store_is_known() {
    let whole = content(LENGTH);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, &whole).unwrap();
    let sources: [(&str, &dyn Fn() -> UploadSource); 4] = [
        ("path", &|| path.as_path().into()),
        ("bytes", &|| whole.clone().into()),
        ("stream in memory", &|| {
            UploadSource::reader_to_end(std::io::Cursor::new(whole.clone()))
        }),
        ("stream in a temporary file", &|| {
            UploadSource::reader_to_end(std::io::Cursor::new(whole.clone())).memory_limit(0)
        }),
    ];
    for (name, source) in sources {
        let faults = [Fault::WrongBytes, Fault::None, Fault::WrongBytes];
        let store = store(faults).await;
        let (files, _) = files(&store);
        for attempts in [2, 4] {
            files.upload("/a", source()).await.unwrap();
            assert!(store.content() == whole, "{name}");
            assert_eq!(store.heads().len(), attempts, "{name}");
        }
    }
}

/// A reader can't be read again, so its MD5 is computed while it is sent.
#[tokio::test]
async fn a_wrong_md5_of_a_reader_is_detected() {
    let whole = content(LENGTH);
    let store = store([Fault::WrongBytes]).await;
    let (files, _) = files(&store);
    let reader = || UploadSource::reader(std::io::Cursor::new(content(LENGTH)), LENGTH as u64);
    let error = files.upload("/a", reader()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted);
    files.upload("/a", reader()).await.unwrap();
    assert!(store.content() == whole);
}

/// The file changes while it is sent, and its time and size stay the same: what was sent can't be verified by reading the
/// file again.
#[tokio::test]
async fn a_file_that_changes_unnoticed_is_not_called_verified() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, content(LENGTH)).unwrap();
    let modified = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let set_modified = move |file: &std::fs::File| file.set_modified(modified).unwrap();
    set_modified(&std::fs::File::options().write(true).open(&path).unwrap());
    let store = store([]).await;
    let (files, _) = files(&store);
    let changed = path.clone();
    let upload = files.upload("/a", path.as_path()).on_progress(move |_| {
        let mut file = std::fs::File::options().write(true).open(&changed).unwrap();
        file.write_all(&vec![0; LENGTH]).unwrap();
        set_modified(&file);
    });
    let error = upload.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalFile);
    let is_changed = matches!(error.detail(), Some(ErrorDetail::Changed));
    assert!(is_changed, "{error:?}");
}
