//! Transfers against a faulty store: the right bytes or a typed error, and the target complete or unchanged.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agbcloud::{
    Client, ContextId, DownloadTarget, Error, ErrorKind, Files, PresignedUrl, RetryPolicy,
    StoppedBy,
    testing::{MockContextApi, ok},
};
use proptest::prelude::*;

use crate::support::faulty_store::{FAULTS, Fault, FaultyStore, StoreFeatures};

pub(super) const ALL_FEATURES: StoreFeatures = StoreFeatures {
    ranges: true,
    md5_etag: true,
    crc64: false,
    any_etag: true,
    length: true,
};

/// Returns the files of a context whose URLs are all of this store, and the number of requested URLs.
pub(super) fn files(store: &FaultyStore) -> (Files, Arc<AtomicUsize>) {
    files_with_idle_timeout(store, Duration::from_millis(400))
}

fn files_with_idle_timeout(store: &FaultyStore, stall: Duration) -> (Files, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let mut api = MockContextApi::new();
    let (endpoint, count) = (store.endpoint.clone(), asked.clone());
    let url = move || {
        let number = count.fetch_add(1, Ordering::SeqCst);
        ok(PresignedUrl::new(format!("{endpoint}/object?signature={number}")).unwrap())
    };
    let other = url.clone();
    api.expect_download_url().returning(move |_, _| url());
    api.expect_upload_url().returning(move |_, _| other());
    let short = Duration::from_millis(1);
    let client = Client::builder()
        .stub(api)
        .retry(RetryPolicy::default().backoff(short, short))
        .idle_timeout(stall)
        .build()
        .unwrap();
    let id = ContextId::new("SdkCtx-1").unwrap();
    (client.contexts().files(&id), asked)
}

pub(super) fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// Downloads to an existing local file, and checks the guarantees for the target.
async fn download(files: &Files, right: &[&[u8]]) -> Result<(), Error> {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target");
    std::fs::write(&target, "before").unwrap();
    let result = files.download("/a", &target).overwrite(true).await;
    let left = std::fs::read(&target).unwrap();
    match &result {
        Ok(done) => {
            assert!(right.contains(&&left[..]), "wrong bytes");
            assert_eq!(done.bytes, left.len() as u64);
        }
        Err(_) => assert_eq!(left, b"before", "the target was changed"),
    }
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 1, "something was left behind");
    result.map(drop)
}

/// Whether an error of a transfer has a specific kind.
pub(super) fn is_typed(error: &Error) -> bool {
    error.stopped_by().is_some()
        && matches!(
            error.kind(),
            ErrorKind::Connection
                | ErrorKind::Timeout
                | ErrorKind::Corrupted
                | ErrorKind::UrlRejected
                | ErrorKind::Conflict
                | ErrorKind::Rejected
                | ErrorKind::Throttled
                | ErrorKind::Unavailable
        )
}

#[tokio::test]
async fn a_transfer_survives_one_fault_of_each_kind() {
    let whole = content(100_000);
    let other = content(90_000);
    for fault in FAULTS {
        let store = FaultyStore::new(ALL_FEATURES, whole.clone(), other.clone(), [fault]).await;
        let (files, _) = files(&store);
        download(&files, &[&whole, &other])
            .await
            .unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert_eq!(store.faults_left(), 0);

        // These faults concern ranges and versions, which an upload does not have.
        if matches!(fault, Fault::Unsatisfiable) {
            continue;
        }
        let store = FaultyStore::new(ALL_FEATURES, b"old".to_vec(), Vec::new(), [fault]).await;
        let (files, _) = self::files(&store);
        let sent = files.upload("/a", whole.clone()).await;
        let sent = sent.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert_eq!(sent.bytes, 100_000);
        assert!(store.content() == whole, "{fault:?}");
    }
}

#[tokio::test]
async fn an_interrupted_download_resumes_with_the_same_version() {
    let whole = content(100_000);
    let faults = [Fault::Truncated, Fault::Truncated, Fault::None];
    let store = FaultyStore::new(ALL_FEATURES, whole.clone(), Vec::new(), faults).await;
    let (files, asked) = files(&store);
    assert!(files.read("/a").await.unwrap() == whole);
    let heads = store.heads();
    assert_eq!(heads.len(), 3);
    assert!(heads[1].contains("range: bytes=50000-\r\n"), "{}", heads[1]);
    assert!(heads[2].contains("range: bytes=75000-\r\n"), "{}", heads[2]);
    assert!(heads[1].contains("if-match: \""), "{}", heads[1]);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the URL is still good");
}

#[tokio::test]
async fn attempts_with_progress_do_not_count() {
    // Ten interruptions, each after half of the rest. The limit is four attempts in a row without progress.
    let whole = content(100_000);
    let store = FaultyStore::new(
        ALL_FEATURES,
        whole.clone(),
        Vec::new(),
        [Fault::Truncated; 10],
    )
    .await;
    let (files, _) = files(&store);
    assert!(files.read("/a").await.unwrap() == whole);

    let store = FaultyStore::new(ALL_FEATURES, whole, Vec::new(), [Fault::Unavailable; 10]).await;
    let (files, _) = self::files(&store);
    let error = files.read("/a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.stopped_by(), Some(StoppedBy::Attempts));
    assert_eq!(error.attempts().len(), 4);
}

#[tokio::test]
async fn an_expired_url_is_replaced_once_unless_it_was_given() {
    let store = FaultyStore::new(ALL_FEATURES, content(10), Vec::new(), [Fault::Expired]).await;
    let (files, asked) = files(&store);
    files.read("/a").await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);

    let store = FaultyStore::new(ALL_FEATURES, content(10), Vec::new(), [Fault::Expired; 4]).await;
    let (files, asked) = self::files(&store);
    let error = files.read("/a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UrlRejected);
    assert_eq!(asked.load(Ordering::SeqCst), 2);

    let store = FaultyStore::new(ALL_FEATURES, content(10), Vec::new(), [Fault::Expired]).await;
    let (files, asked) = self::files(&store);
    let url = PresignedUrl::new(format!("{}/object", store.endpoint)).unwrap();
    let error = files.read("/a").presigned_url(url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UrlRejected);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

/// A store that refuses a file without reading it closes the connection, and its response can be lost.
#[tokio::test]
async fn a_broken_upload_retries_with_a_new_url() {
    for fault in [Fault::Truncated, Fault::ResetAfterHead] {
        let store = FaultyStore::new(ALL_FEATURES, Vec::new(), Vec::new(), [fault]).await;
        let (files, asked) = files(&store);
        files.upload("/a", content(100_000)).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2, "{fault:?}");
    }
    let store = FaultyStore::new(ALL_FEATURES, Vec::new(), Vec::new(), [Fault::Unavailable]).await;
    let (files, asked) = self::files(&store);
    files.upload("/a", content(10)).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the URL is still good");
}

#[tokio::test]
async fn a_writer_never_receives_a_mix_of_two_versions() {
    let (whole, other) = (content(100_000), vec![9; 100_000]);
    let faults = [Fault::Truncated, Fault::Changed];
    let store = FaultyStore::new(ALL_FEATURES, whole, other, faults).await;
    let (files, _) = files(&store);
    let (writer, mut reader) = tokio::io::duplex(1 << 20);
    let target = DownloadTarget::writer(writer);
    let error = files.download("/a", target).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!(error.stopped_by(), Some(StoppedBy::NotRetryable));
    let mut had = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut had)
        .await
        .unwrap();
    assert!(had == content(100_000)[..50_000]);
}

#[tokio::test]
async fn a_range_is_read_from_stores_with_and_without_ranges() {
    let whole = content(100_000);
    for ranges in [true, false] {
        let features = StoreFeatures {
            ranges,
            ..ALL_FEATURES
        };
        for faults in [vec![], vec![Fault::Truncated], vec![Fault::WrongLength]] {
            let store = FaultyStore::new(features, whole.clone(), Vec::new(), faults).await;
            let (files, _) = files(&store);
            let part = files.read("/a").range(30_000..40_000).await.unwrap();
            assert!(part == whole[30_000..40_000]);
            let tail = files.read("/a").range(99_990..200_000).await.unwrap();
            assert!(tail == whole[99_990..]);
        }
    }
    for ranges in [true, false] {
        let store = FaultyStore::new(
            StoreFeatures {
                ranges,
                ..ALL_FEATURES
            },
            whole.clone(),
            Vec::new(),
            [],
        )
        .await;
        let (files, _) = files(&store);
        let error = files.read("/a").range(100_000..).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert_eq!(error.status(), ranges.then_some(416));
    }
    let store = FaultyStore::new(ALL_FEATURES, whole, Vec::new(), []).await;
    let (files, _) = files(&store);
    #[expect(clippy::reversed_empty_ranges)]
    let error = files.read("/a").range(9..3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn downloads_work_without_a_content_length() {
    let whole = content(100_000);
    for ranges in [true, false] {
        let features = StoreFeatures {
            ranges,
            length: false,
            ..ALL_FEATURES
        };
        let store = FaultyStore::new(features, whole.clone(), Vec::new(), []).await;
        let (files, _) = files(&store);
        download(&files, &[&whole]).await.unwrap();
        let part = files.read("/a").range(30_000..40_000).await.unwrap();
        assert!(part == whole[30_000..40_000]);
        match files.read("/a").range(99_990..200_000).await {
            Ok(tail) => assert!(!ranges && tail == whole[99_990..]),
            // The file may be longer.
            Err(error) => assert!(ranges && error.kind() == ErrorKind::InvalidResponse),
        }
        let error = files.read("/a").range(100_000..).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
    }
}

#[tokio::test]
async fn an_upload_from_a_reader_is_not_retried() {
    let store = FaultyStore::new(ALL_FEATURES, Vec::new(), Vec::new(), [Fault::Unavailable]).await;
    let (files, _) = files(&store);
    let reader = std::io::Cursor::new(content(10));
    let source = agbcloud::UploadSource::reader(reader, 10);
    let error = files.upload("/a", source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.stopped_by(), Some(StoppedBy::NotRetryable));
}

#[tokio::test]
async fn a_large_file_is_downloaded_in_verified_parts() {
    // Enough time for two busy cores and an unoptimized build.
    let patient = |store: &FaultyStore| files_with_idle_timeout(store, Duration::from_secs(10));
    let whole = content(70 * 1024 * 1024 + 5);
    for crc64 in [true, false] {
        let features = StoreFeatures {
            crc64,
            ..ALL_FEATURES
        };
        let faults = [
            Fault::None,
            Fault::Truncated,
            Fault::ResetBeforeRequest,
            Fault::Unavailable,
            Fault::WrongLength,
        ];
        let store = FaultyStore::new(features, whole.clone(), Vec::new(), faults).await;
        let (files, _) = patient(&store);
        download(&files, &[&whole]).await.unwrap();
        assert!(store.heads().len() >= 5 + 2, "{:?}", store.heads());

        // A wrong byte in one part is detected, and the whole file is downloaded again.
        let faults = [Fault::None, Fault::WrongBytes];
        let store = FaultyStore::new(features, whole.clone(), Vec::new(), faults).await;
        let (files, _) = patient(&store);
        download(&files, &[&whole]).await.unwrap();
        assert_eq!(store.heads().len(), 10);

        // The same happens if the file changes during the download.
        let mut other = whole.clone();
        other[3] ^= 1;
        let faults = [Fault::None, Fault::Changed];
        let store = FaultyStore::new(features, whole.clone(), other.clone(), faults).await;
        let (files, _) = patient(&store);
        download(&files, &[&other]).await.unwrap();
    }
}

pub(super) fn features() -> impl Strategy<Value = StoreFeatures> {
    any::<[bool; 4]>().prop_map(|[ranges, md5_etag, crc64, any_etag]| StoreFeatures {
        ranges,
        md5_etag,
        crc64,
        any_etag,
        // Without a length, an interruption is indistinguishable from the end.
        length: true,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Faults in any order. A wrong byte can be detected only if the store sends a checksum.
    #[test]
    fn a_download_has_the_right_bytes_or_a_typed_error(
        features in features(),
        faults in prop::collection::vec(prop::sample::select(&FAULTS[..]), 0..8),
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
            if let Err(error) = download(&files, &[&whole, &other]).await {
                prop_assert!(is_typed(&error), "{error:?}");
                prop_assert!(!faults.is_empty());
            }

            let store = FaultyStore::new(features, b"old".to_vec(), Vec::new(), faults.clone()).await;
            let (files, _) = self::files(&store);
            match files.upload("/a", whole.clone()).await {
                Ok(sent) => {
                    prop_assert_eq!(sent.bytes, length as u64);
                    prop_assert!(store.content() == whole);
                }
                Err(error) => prop_assert!(is_typed(&error), "{error:?}"),
            }
            Ok(())
        })?;
    }
}
