//! Streams of a file from a faulty store: the right bytes, or a part of them and an error.

use agbcloud::{Error, ErrorKind, Files, RemoteFile, StoppedBy};
use proptest::prelude::*;
use tokio::io::AsyncReadExt;

use super::faults::{ALL_FEATURES, content, features, files, is_typed};
use crate::support::faulty_store::{FAULTS, Fault, FaultyStore};

/// Reads all chunks. The error of a stream follows them, and nothing follows the error.
async fn read(mut file: RemoteFile) -> (Vec<u8>, Option<Error>) {
    let mut bytes = Vec::new();
    while let Some(chunk) = file.next().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(error) => {
                assert!(file.next().await.is_none());
                return (bytes, Some(error));
            }
        }
    }
    assert!(file.next().await.is_none());
    (bytes, None)
}

/// Opens and reads a file, and checks what a reader may rely on.
async fn check(files: &Files, versions: &[&[u8]]) -> Result<(), Error> {
    let file = files.open("/a").await?;
    let announced = file.content_length().expect("the store sends a length");
    let (bytes, error) = read(file).await;
    match error {
        None => {
            assert!(versions.contains(&&bytes[..]), "wrong bytes");
            assert_eq!(bytes.len() as u64, announced);
            Ok(())
        }
        Some(error) => {
            assert!((bytes.len() as u64) < announced, "as long as announced");
            Err(error)
        }
    }
}

#[tokio::test]
async fn a_stream_resumes_with_the_same_version() {
    let whole = content(100_000);
    let faults = [Fault::Truncated, Fault::ResetAfterHead, Fault::Truncated];
    let store = FaultyStore::new(ALL_FEATURES, whole.clone(), Vec::new(), faults).await;
    let (files, _) = files(&store);
    let mut file = files.open("/a").await.unwrap();
    assert_eq!(file.size(), Some(100_000));
    assert!(file.etag().is_some());
    let mut bytes = vec![0; 7];
    file.read_exact(&mut bytes).await.unwrap();
    file.read_to_end(&mut bytes).await.unwrap();
    assert!(bytes == whole);
    let heads = store.heads();
    assert!(heads.len() > 2, "{heads:?}");
    assert!(heads[1].contains("if-match: \""), "{}", heads[1]);
}

#[tokio::test]
async fn a_stream_never_mixes_versions_or_ends_with_the_wrong_length() {
    let (whole, other) = (content(100_000), vec![9; 100_000]);
    // The size and the ETag were announced before the connection broke, also without a byte of the content.
    for fault in [Fault::Truncated, Fault::ResetAfterHead] {
        let faults = [fault, Fault::Changed];
        let store = FaultyStore::new(ALL_FEATURES, whole.clone(), other.clone(), faults).await;
        let (files, _) = files(&store);
        match files.open("/a").await {
            // The connection broke before the head was complete.
            Ok(file) if file.etag() == files.open("/a").await.unwrap().etag() => {
                assert!(read(file).await.1.is_none());
            }
            Ok(file) => {
                let (bytes, error) = read(file).await;
                let error = error.expect("the file has changed");
                assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
                assert_eq!(error.stopped_by(), Some(StoppedBy::NotRetryable));
                assert!(whole.starts_with(&bytes) && bytes.len() < whole.len());
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn a_reader_never_gets_the_whole_of_a_damaged_file() {
    for length in [1, 1000, 100_000] {
        let faults = [Fault::WrongBytes; 20];
        let store = FaultyStore::new(ALL_FEATURES, content(length), Vec::new(), faults).await;
        let (files, _) = files(&store);
        let opened = files.open("/a").await;
        let error = match opened {
            Err(error) => error,
            Ok(file) => {
                let (bytes, error) = read(file).await;
                assert!(bytes.len() < length, "{length}");
                error.expect("the checksum differs")
            }
        };
        assert_eq!(error.kind(), ErrorKind::Corrupted, "{length}");
    }
}

#[tokio::test]
async fn damaged_content_that_no_reader_has_received_is_requested_again() {
    let store = FaultyStore::new(ALL_FEATURES, content(10), Vec::new(), [Fault::WrongBytes]).await;
    let (files, _) = files(&store);
    let file = files.open("/a").await.unwrap();
    assert_eq!(file.bytes().await.unwrap(), content(10));
    assert_eq!(store.heads().len(), 2);
}

#[tokio::test]
async fn a_reader_that_reads_after_an_error_finds_no_end() {
    use tokio::io::AsyncReadExt;

    let faults = [Fault::WrongBytes; 20];
    let store = FaultyStore::new(ALL_FEATURES, content(1_000_000), Vec::new(), faults).await;
    let (files, _) = files(&store);
    let mut file = files.open("/a").await.unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).await.unwrap_err();
    file.read_to_end(&mut bytes).await.unwrap_err();
}

#[tokio::test]
async fn the_error_of_a_reader_is_that_of_the_sdk() {
    let faults = [Fault::WrongBytes];
    let store = FaultyStore::new(ALL_FEATURES, content(100_000), Vec::new(), faults).await;
    let (files, _) = files(&store);
    let mut file = files.open("/a").await.unwrap();
    let error = file.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    let error: Error = error.downcast().unwrap();
    assert_eq!(error.kind(), ErrorKind::Corrupted);
}

#[tokio::test]
async fn a_range_is_a_stream_of_its_length() {
    let whole = content(100_000);
    let faults = [Fault::Truncated];
    let store = FaultyStore::new(ALL_FEATURES, whole.clone(), Vec::new(), faults).await;
    let (files, _) = files(&store);
    let file = files.open("/a").range(99_000..200_000).await.unwrap();
    assert_eq!(file.size(), Some(100_000));
    assert_eq!(file.content_length(), Some(1000));
    assert!(file.bytes().await.unwrap() == whole[99_000..]);
    let error = files.open("/a").range(100_000..).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
}

#[tokio::test]
async fn text_is_valid_utf_8() {
    let store = FaultyStore::new(ALL_FEATURES, "grüß".into(), Vec::new(), []).await;
    let (files, _) = files(&store);
    assert_eq!(
        files.open("/a").await.unwrap().text().await.unwrap(),
        "grüß"
    );
    let error = files.open("/a").range(..3).await.unwrap().text().await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Rejected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Faults in any order. A wrong byte can be detected only if the store sends a checksum.
    #[test]
    fn a_stream_has_the_right_bytes_or_ends_with_a_typed_error(
        features in features(),
        faults in prop::collection::vec(prop::sample::select(&FAULTS[..]), 0..6),
        length in prop_oneof![Just(0_usize), 1..50_000_usize],
    ) {
        prop_assume!(
            features.crc64 || (features.md5_etag && features.any_etag)
                || !faults.contains(&Fault::WrongBytes)
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (whole, other) = (content(length), vec![9; length / 2 + 1]);
            let store = FaultyStore::new(features, whole.clone(), other.clone(), faults.clone()).await;
            let (files, _) = files(&store);
            if let Err(error) = check(&files, &[&whole, &other]).await {
                prop_assert!(is_typed(&error), "{error:?}");
                prop_assert!(!faults.is_empty());
            }
            Ok(())
        })?;
    }
}
