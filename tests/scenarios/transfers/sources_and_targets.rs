//! Readers, streams and writers of the caller.

use std::{
    error::Error as _,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use agbcloud::{DownloadTarget, Error, ErrorKind, StoppedBy, UploadSource};
use bytes::Bytes;
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::faults::{ALL_FEATURES, content, files};
use crate::support::faulty_store::{Fault, FaultyStore};

async fn store(faults: impl IntoIterator<Item = Fault>) -> FaultyStore {
    FaultyStore::new(ALL_FEATURES, b"before".to_vec(), Vec::new(), faults).await
}

/// A stream of chunks of various sizes, some of them empty.
fn chunks(content: &[u8]) -> impl futures_util::Stream<Item = io::Result<Bytes>> + use<> {
    let mut chunks = Vec::new();
    let mut rest = Bytes::copy_from_slice(content);
    for size in [0, 1, 1000, 0, 100_000].into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        chunks.push(Ok(rest.split_to(rest.len().min(size))));
    }
    stream::iter(chunks)
}

fn source_of(error: &Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn a_stream_of_unknown_length_is_uploaded_and_retried() {
    for length in [0, 1, 300_000, 9_000_000] {
        let whole = content(length);
        let store = store([Fault::Unavailable, Fault::Throttled]).await;
        let (files, _) = files(&store);
        let source = UploadSource::stream(chunks(&whole));
        let sent = files.upload("/a", source).await.unwrap();
        assert_eq!(sent.bytes, length as u64);
        assert!(store.content() == whole, "{length}");

        let source = UploadSource::reader_to_end(io::Cursor::new(whole.clone()));
        files.upload("/a", source).await.unwrap();
        assert!(store.content() == whole, "{length}");
    }
}

#[tokio::test]
async fn the_error_of_a_stream_or_reader_is_blamed_on_it() {
    let store = store([]).await;
    let (files, _) = files(&store);
    let broken = || stream::iter([Ok("a"), Err(io::Error::other("my disk"))]);
    let reader = || io::Cursor::new("a").chain(Broken);
    for source in [
        UploadSource::stream(broken()),
        UploadSource::reader_to_end(reader()),
        UploadSource::reader(reader(), 2),
        UploadSource::reader(reader(), 1),
    ] {
        let error = files.upload("/a", source).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CallerStream, "{error:?}");
        assert!(source_of(&error).contains("my disk"), "{error:?}");
    }
    assert_eq!(store.content(), b"before");
}

/// A reader that always fails.
struct Broken;

impl AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("my disk")))
    }
}

#[tokio::test]
async fn a_reader_has_exactly_the_declared_length() {
    for (length, declared) in [
        (10, 9),
        (10, 11),
        (1, 0),
        (0, 1),
        (131_072, 131_071),
        (131_073, 131_072),
        (300_000, 262_144),
        (262_144, 300_000),
    ] {
        let store = store([]).await;
        let (files, _) = files(&store);
        let reader = io::Cursor::new(content(length));
        let source = UploadSource::reader(reader, declared);
        let error = files.upload("/a", source).await.unwrap_err();
        let lengths = (length, declared);
        assert_eq!(
            error.kind(),
            ErrorKind::CallerStream,
            "{lengths:?} {error:?}"
        );
        assert_eq!(store.content(), b"before", "{lengths:?}");
    }
    for length in [0, 1, 131_072, 262_144, 300_000] {
        let store = store([]).await;
        let (files, _) = files(&store);
        let endless = tokio::io::repeat(7).take(length);
        let source = UploadSource::reader(endless, length);
        files.upload("/a", source).await.unwrap();
        assert!(store.content() == vec![7; length as usize]);
    }
}

#[tokio::test]
async fn the_error_of_a_writer_is_blamed_on_it() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("my quota"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let store = store([]).await;
    let (files, _) = files(&store);
    let (writer, reader) = tokio::io::duplex(1);
    drop(reader);
    for (target, source) in [
        (DownloadTarget::io_writer(Full), "my quota"),
        (DownloadTarget::writer(writer), "broken pipe"),
    ] {
        let error = files.download("/a", target).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CallerStream, "{error:?}");
        assert_eq!(error.stopped_by(), Some(StoppedBy::NotRetryable));
        assert!(source_of(&error).contains(source), "{error:?}");
    }
}

#[tokio::test]
async fn a_download_goes_to_borrowed_targets() {
    let whole = content(100_000);
    let store =
        |faults: Vec<Fault>| FaultyStore::new(ALL_FEATURES, whole.clone(), Vec::new(), faults);
    let good = store(vec![Fault::Truncated, Fault::WrongBytes]).await;
    let (files, _) = files(&good);
    let mut memory = b"head".to_vec();
    files.download("/a", &mut memory).await.unwrap();
    assert!(memory[..4] == *b"head" && memory[4..] == whole);
    let mut written = Vec::new();
    files
        .download("/a", DownloadTarget::writer(&mut written))
        .range(..1000)
        .await
        .unwrap();
    assert!(written == whole[..1000]);
    let mut count = 0_u64;
    let mut counter = Counter(&mut count);
    files
        .download("/a", DownloadTarget::io_writer(&mut counter))
        .await
        .unwrap();
    assert_eq!(count, 100_000);

    let bad = store(vec![Fault::Unsatisfiable]).await;
    let (files, _) = self::files(&bad);
    let mut memory = b"head".to_vec();
    let rejected = files.download("/a", &mut memory).range(200_000..).await;
    assert!(rejected.is_err());
    assert_eq!(memory, b"head", "a failed download changes nothing");
}

struct Counter<'a>(&'a mut u64);

impl io::Write for Counter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
