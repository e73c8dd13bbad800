//! One file and a store that fails: the right bytes or a typed error, and the target whole or untouched.

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

use super::store::{FAULTS, Fault, Manners, Store};

const ALL: Manners = Manners {
    ranges: true,
    md5_etag: true,
    crc64: false,
    any_etag: true,
    length: true,
};

/// The files of a context whose every URL is one of this store. Counts the URLs that were asked for.
fn files(store: &Store) -> (Files, Arc<AtomicUsize>) {
    files_that_wait(store, Duration::from_millis(400))
}

fn files_that_wait(store: &Store, stall: Duration) -> (Files, Arc<AtomicUsize>) {
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

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// Downloads to a local file that is there before, and holds what the SDK promises of the target.
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
        Err(_) => assert_eq!(left, b"before", "the target was touched"),
    }
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 1, "something was left behind");
    result.map(drop)
}

/// What can't come of a transfer is an error of the SDK's own making that says nothing.
fn is_typed(error: &Error) -> bool {
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
async fn one_fault_of_each_kind_is_got_over() {
    let whole = content(100_000);
    let other = content(90_000);
    for fault in FAULTS {
        let store = Store::new(ALL, whole.clone(), other.clone(), [fault]).await;
        let (files, _) = files(&store);
        download(&files, &[&whole, &other])
            .await
            .unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert_eq!(store.faults_left(), 0);

        // A store that has not got these bytes has nothing to say of ranges or of other versions.
        if matches!(fault, Fault::Unsatisfiable) {
            continue;
        }
        let store = Store::new(ALL, b"old".to_vec(), Vec::new(), [fault]).await;
        let (files, _) = self::files(&store);
        let sent = files.upload("/a", whole.clone()).await;
        let sent = sent.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert_eq!(sent.bytes, 100_000);
        assert!(store.content() == whole, "{fault:?}");
    }
}

#[tokio::test]
async fn a_break_is_gone_on_after_with_the_same_version() {
    let whole = content(100_000);
    let faults = [Fault::Truncated, Fault::Truncated, Fault::None];
    let store = Store::new(ALL, whole.clone(), Vec::new(), faults).await;
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
async fn tries_that_bring_something_do_not_count() {
    // Ten breaks, each after half of the rest; four tries in a row that bring nothing are the limit.
    let whole = content(100_000);
    let store = Store::new(ALL, whole.clone(), Vec::new(), [Fault::Truncated; 10]).await;
    let (files, _) = files(&store);
    assert!(files.read("/a").await.unwrap() == whole);

    let store = Store::new(ALL, whole, Vec::new(), [Fault::Unavailable; 10]).await;
    let (files, _) = self::files(&store);
    let error = files.read("/a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.stopped_by(), Some(StoppedBy::Attempts));
    assert_eq!(error.attempts().len(), 4);
}

#[tokio::test]
async fn an_expired_url_is_replaced_once_and_one_that_was_given_never() {
    let store = Store::new(ALL, content(10), Vec::new(), [Fault::Expired]).await;
    let (files, asked) = files(&store);
    files.read("/a").await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);

    let store = Store::new(ALL, content(10), Vec::new(), [Fault::Expired; 4]).await;
    let (files, asked) = self::files(&store);
    let error = files.read("/a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UrlRejected);
    assert_eq!(asked.load(Ordering::SeqCst), 2);

    let store = Store::new(ALL, content(10), Vec::new(), [Fault::Expired]).await;
    let (files, asked) = self::files(&store);
    let url = PresignedUrl::new(format!("{}/object", store.endpoint)).unwrap();
    let error = files.read("/a").presigned_url(url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UrlRejected);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

/// A store that refuses a file without reading it closes the connection, and its answer may be lost with that.
#[tokio::test]
async fn an_upload_that_breaks_gets_a_new_url() {
    for fault in [Fault::Truncated, Fault::ResetAfterHead] {
        let store = Store::new(ALL, Vec::new(), Vec::new(), [fault]).await;
        let (files, asked) = files(&store);
        files.upload("/a", content(100_000)).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2, "{fault:?}");
    }
    let store = Store::new(ALL, Vec::new(), Vec::new(), [Fault::Unavailable]).await;
    let (files, asked) = self::files(&store);
    files.upload("/a", content(10)).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the URL is still good");
}

#[tokio::test]
async fn a_writer_is_never_given_a_mix_of_two_versions() {
    let (whole, other) = (content(100_000), vec![9; 100_000]);
    let faults = [Fault::Truncated, Fault::Changed];
    let store = Store::new(ALL, whole, other, faults).await;
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
async fn a_range_comes_from_stores_that_know_ranges_and_from_others() {
    let whole = content(100_000);
    for ranges in [true, false] {
        let manners = Manners { ranges, ..ALL };
        for faults in [vec![], vec![Fault::Truncated], vec![Fault::WrongLength]] {
            let store = Store::new(manners, whole.clone(), Vec::new(), faults).await;
            let (files, _) = files(&store);
            let part = files.read("/a").range(30_000..40_000).await.unwrap();
            assert!(part == whole[30_000..40_000]);
            let tail = files.read("/a").range(99_990..200_000).await.unwrap();
            assert!(tail == whole[99_990..]);
        }
    }
    for ranges in [true, false] {
        let store = Store::new(Manners { ranges, ..ALL }, whole.clone(), Vec::new(), []).await;
        let (files, _) = files(&store);
        let error = files.read("/a").range(100_000..).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert_eq!(error.status(), ranges.then_some(416));
    }
    let store = Store::new(ALL, whole, Vec::new(), []).await;
    let (files, _) = files(&store);
    #[expect(clippy::reversed_empty_ranges)]
    let error = files.read("/a").range(9..3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn a_store_that_does_not_tell_how_large_a_file_is_serves_what_can_be_served() {
    let whole = content(100_000);
    for ranges in [true, false] {
        let manners = Manners {
            ranges,
            length: false,
            ..ALL
        };
        let store = Store::new(manners, whole.clone(), Vec::new(), []).await;
        let (files, _) = files(&store);
        download(&files, &[&whole]).await.unwrap();
        let part = files.read("/a").range(30_000..40_000).await.unwrap();
        assert!(part == whole[30_000..40_000]);
        match files.read("/a").range(99_990..200_000).await {
            Ok(tail) => assert!(!ranges && tail == whole[99_990..]),
            // There may be more.
            Err(error) => assert!(ranges && error.kind() == ErrorKind::InvalidResponse),
        }
        let error = files.read("/a").range(100_000..).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
    }
}

#[tokio::test]
async fn a_reader_is_sent_once() {
    let store = Store::new(ALL, Vec::new(), Vec::new(), [Fault::Unavailable]).await;
    let (files, _) = files(&store);
    let reader = std::io::Cursor::new(content(10));
    let source = agbcloud::UploadSource::reader(reader, 10);
    let error = files.upload("/a", source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.stopped_by(), Some(StoppedBy::NotRetryable));
}

#[tokio::test]
async fn a_large_file_comes_in_parts_that_are_held_together() {
    // All of it on two busy cores, in a build that is not optimised.
    let patient = |store: &Store| files_that_wait(store, Duration::from_secs(10));
    let whole = content(70 * 1024 * 1024 + 5);
    for crc64 in [true, false] {
        let manners = Manners { crc64, ..ALL };
        let faults = [
            Fault::None,
            Fault::Truncated,
            Fault::ResetAtOnce,
            Fault::Unavailable,
            Fault::WrongLength,
        ];
        let store = Store::new(manners, whole.clone(), Vec::new(), faults).await;
        let (files, _) = patient(&store);
        download(&files, &[&whole]).await.unwrap();
        assert!(store.heads().len() >= 5 + 2, "{:?}", store.heads());

        // One wrong byte in one part is found, and all of it is fetched again.
        let faults = [Fault::None, Fault::WrongBytes];
        let store = Store::new(manners, whole.clone(), Vec::new(), faults).await;
        let (files, _) = patient(&store);
        download(&files, &[&whole]).await.unwrap();
        assert_eq!(store.heads().len(), 10);

        // So is all of it when it changed meanwhile.
        let mut other = whole.clone();
        other[3] ^= 1;
        let faults = [Fault::None, Fault::Changed];
        let store = Store::new(manners, whole.clone(), other.clone(), faults).await;
        let (files, _) = patient(&store);
        download(&files, &[&other]).await.unwrap();
    }
}

fn manners() -> impl Strategy<Value = Manners> {
    any::<[bool; 4]>().prop_map(|[ranges, md5_etag, crc64, any_etag]| Manners {
        ranges,
        md5_etag,
        crc64,
        any_etag,
        // Without it a break looks like the end.
        length: true,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the store does, in whatever order. A wrong byte can be seen only where the store tells a checksum.
    #[test]
    fn the_bytes_are_right_or_the_error_is_typed(
        manners in manners(),
        faults in prop::collection::vec(prop::sample::select(&FAULTS[..]), 0..8),
        length in prop_oneof![Just(0_usize), 1..50_000_usize],
    ) {
        prop_assume!(
            manners.crc64 || (manners.md5_etag && manners.any_etag)
                || !faults.contains(&Fault::WrongBytes)
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (whole, other) = (content(length), vec![9; length / 2 + 1]);
            let store = Store::new(manners, whole.clone(), other.clone(), faults.clone()).await;
            let (files, _) = files(&store);
            if let Err(error) = download(&files, &[&whole, &other]).await {
                prop_assert!(is_typed(&error), "{error:?}");
                prop_assert!(!faults.is_empty());
            }

            let store = Store::new(manners, b"old".to_vec(), Vec::new(), faults.clone()).await;
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
