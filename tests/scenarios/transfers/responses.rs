//! Transfers against scripted responses of a store: the right bytes or a typed error, and the local target complete or
//! unchanged.

use std::time::Duration;

use agbcloud::{
    Client, DownloadTarget, Error, ErrorDetail, ErrorKind, Files, PresignedUrl, RetryPolicy,
    StoppedBy, UploadSource,
};

use crate::{
    support::scripted_server::{ScriptedServer, Turn},
    support::{KEY, World},
};

const MD5_OF_HELLO: &str = "5d41402abc4b2a76b9719d911017c592";

async fn download(files: &Files, store: &ScriptedServer) -> (Result<(), Error>, Option<Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target");
    let url = PresignedUrl::new(store.url()).unwrap();
    let result = files
        .download("/a", &target)
        .presigned_url(url)
        .await
        .map(|_| ());
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    let content = std::fs::read(&target).ok();
    assert_eq!(
        left,
        usize::from(content.is_some()),
        "a temporary file is left"
    );
    (result, content)
}

#[tokio::test]
async fn a_download_is_complete_and_verified_or_leaves_the_target_unchanged() {
    let world = World::new().await;
    let files = world.files_without_retries("one").await;
    for (answer, kind) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",
            Some(ErrorKind::Connection),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"00000000000000000000000000000000\"\r\n\r\nhello",
            Some(ErrorKind::Corrupted),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"5d41402abc4b2a76b9719d911017c592\"\r\n\r\nhello",
            None,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"5d41402abc4b2a76b9719d911017c592-2\"\r\n\r\nhello",
            None,
        ),
        // Ends with the connection: a cut would not be noticed without a checksum.
        (
            "HTTP/1.1 200 OK\r\n\r\nhello",
            Some(ErrorKind::InvalidResponse),
        ),
        (
            "HTTP/1.1 200 OK\r\netag: \"5d41402abc4b2a76b9719d911017c592\"\r\n\r\nhello",
            None,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            None,
        ),
        // Without content, and with other content.
        (
            "HTTP/1.1 204 No Content\r\n\r\n",
            Some(ErrorKind::InvalidResponse),
        ),
        (
            "HTTP/1.1 202 Accepted\r\ncontent-length: 5\r\n\r\nhello",
            Some(ErrorKind::InvalidResponse),
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            Some(ErrorKind::InvalidResponse),
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 37\r\n\r\n<Error><Code>NoSuchKey</Code></Error>",
            Some(ErrorKind::NotFound),
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: ftp://elsewhere/\r\ncontent-length: 0\r\n\r\n",
            Some(ErrorKind::Redirected),
        ),
        (
            "HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n",
            Some(ErrorKind::Unavailable),
        ),
        (
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 69\r\n\r\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message>",
            Some(ErrorKind::UrlRejected),
        ),
        ("nonsense\r\n\r\n", Some(ErrorKind::Connection)),
        ("", Some(ErrorKind::Connection)),
    ] {
        let store = ScriptedServer::new([answer]).await;
        let (result, content) = download(&files, &store).await;
        assert_eq!(
            result.as_ref().err().map(Error::kind),
            kind,
            "{answer:?}: {result:?}"
        );
        assert_eq!(
            content.as_deref(),
            kind.is_none().then_some(&b"hello"[..]),
            "{answer:?}"
        );
        if let Err(error) = result {
            let mut text = format!("{error} {error:?}");
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text += &format!("{error} {error:?}");
                cause = error.source();
            }
            assert!(!text.contains("secret-signature"), "{text}");
        }
    }
}

#[tokio::test]
async fn the_code_and_message_of_the_store_are_in_the_error() {
    let world = World::new().await;
    let files = world.files_without_retries("one").await;
    let store = ScriptedServer::new(["HTTP/1.1 503 Busy\r\nretry-after: 7\r\n\r\n<Error><Code>SlowDown</Code>\
        <Message>Please slow down</Message><RequestId>r-9</RequestId><SignatureProvided>secret-signature\
        </SignatureProvided></Error>"])
    .await;
    let error = download(&files, &store).await.0.unwrap_err();
    let id = files.context_id().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "Download of /a in {id} failed: SlowDown: Please slow down (HTTP 503, retry after 7 s, request r-9)"
        )
    );
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_long_retry_after_of_the_store_is_not_waited_for() {
    let world = World::new().await;
    let (_, files) = world.files("one").await;
    for seconds in ["86400", "99999999999999999999999"] {
        let busy =
            format!("HTTP/1.1 503 Busy\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n");
        let store = ScriptedServer::new([&busy]).await;
        let error = download(&files, &store).await.0.unwrap_err();
        assert_eq!(error.stopped_by(), Some(StoppedBy::Deadline));
        assert!(error.retry_after() >= Some(std::time::Duration::from_secs(86400)));
    }
}

#[tokio::test]
async fn transfers_send_a_length_and_no_key_or_content_type() {
    let world = World::new().await;
    let (_, files) = world.files("one").await;
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let store = ScriptedServer::new([ok, ok, ok]).await;
    let url = || PresignedUrl::new(store.url()).unwrap();
    files
        .upload("/a", &b"hello"[..])
        .presigned_url(url())
        .await
        .unwrap();
    files
        .upload("/a", Vec::new())
        .presigned_url(url())
        .await
        .unwrap();
    files.read("/a").presigned_url(url()).await.unwrap();
    let requests = store.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        let request = request.to_ascii_lowercase();
        for never in [
            "authorization",
            "content-type",
            "content-md5",
            "transfer-encoding",
            KEY,
        ] {
            assert!(!request.contains(never), "{never} in {request}");
        }
    }
    assert!(
        requests[0]
            .to_ascii_lowercase()
            .contains("content-length: 5\r\n"),
        "{}",
        requests[0]
    );
    assert!(requests[0].ends_with("\r\n\r\nhello"), "{}", requests[0]);
    assert!(
        requests[1]
            .to_ascii_lowercase()
            .contains("content-length: 0\r\n"),
        "{}",
        requests[1]
    );
}

#[tokio::test]
async fn an_upload_with_a_wrong_checksum_is_an_error() {
    let world = World::new().await;
    let files = world.files_without_retries("one").await;
    let wrong = "HTTP/1.1 200 OK\r\netag: \"00000000000000000000000000000000\"\r\ncontent-length: 0\r\n\r\n";
    let store = ScriptedServer::new([wrong]).await;
    let upload = files
        .upload("/a", &b"hello"[..])
        .presigned_url(PresignedUrl::new(store.url()).unwrap());
    assert_eq!(upload.await.unwrap_err().kind(), ErrorKind::Corrupted);
}

#[tokio::test]
async fn a_source_that_ends_early_fails_the_upload() {
    let world = World::new().await;
    let (_, files) = world.files("one").await;
    files.upload("/a", &b"old"[..]).await.unwrap();
    let short = UploadSource::reader(std::io::Cursor::new(vec![1; 100_000]), 300_000);
    let error = files.upload("/a", short).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CallerStream, "{error:?}");
    assert_eq!(files.read("/a").await.unwrap(), b"old"[..]);
    let exact = UploadSource::reader(std::io::Cursor::new(b"hello".to_vec()), 5);
    let uploaded = files.upload("/a", exact).await.unwrap();
    assert_eq!(uploaded.etag, Some(format!("\"{MD5_OF_HELLO}\"")));
}

#[tokio::test]
async fn local_files_are_checked_before_a_request_is_sent() {
    let world = World::new().await;
    let (_, files) = world.files("one").await;
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert_eq!(
        files.upload("/a", &missing).await.unwrap_err().kind(),
        ErrorKind::LocalFile
    );
    assert_eq!(
        files.upload("/a", folder.path()).await.unwrap_err().kind(),
        ErrorKind::LocalFile
    );

    files.upload("/a", &b"new"[..]).await.unwrap();
    let target = folder.path().join("target");
    std::fs::write(&target, "old").unwrap();
    let error = files.download("/a", &target).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(std::fs::read(&target).unwrap(), b"old");
    files.download("/a", &target).overwrite(true).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"new");
    for nowhere in ["none/target", "target/below"] {
        // There is no store to connect to.
        let url = PresignedUrl::new("http://127.0.0.1:9/object").unwrap();
        let download = files
            .download("/a", folder.path().join(nowhere))
            .presigned_url(url);
        let error = download.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LocalFile);
        assert!(!error.to_string().contains(".part"), "{error}");
    }
}

#[tokio::test]
async fn a_writer_receives_the_bytes_up_to_the_limit() {
    let world = World::new().await;
    let (_, files) = world.files("one").await;
    files.upload("/a", vec![7; 300_000]).await.unwrap();
    let (writer, mut reader) = tokio::io::duplex(1024);
    let reading = tokio::spawn(async move {
        let mut bytes = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut bytes)
            .await
            .unwrap();
        bytes
    });
    files
        .download("/a", DownloadTarget::writer(writer))
        .await
        .unwrap();
    assert_eq!(reading.await.unwrap(), vec![7; 300_000]);
    assert_eq!(
        files.read("/a").limit(299_999).await.unwrap_err().kind(),
        ErrorKind::Rejected
    );
    assert!(files.read("/a").limit(300_000).await.is_ok());
}

/// Writes to the file as soon as a part of it was sent.
async fn upload_while(
    files: &Files,
    length: usize,
    write: fn(&std::fs::File),
) -> Result<(), Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("source");
    std::fs::write(&path, vec![1; length]).unwrap();
    let writer = std::fs::File::options().append(true).open(&path).unwrap();
    let upload = files.upload("/a", &path).on_progress(move |progress| {
        if progress.bytes < length as u64 {
            write(&writer);
        }
    });
    upload.await.map(drop)
}

#[tokio::test]
async fn a_file_that_changes_during_its_upload_is_an_error() {
    let world = World::new().await;
    let (_, files) = world.files("one").await;
    files.upload("/a", &b"old"[..]).await.unwrap();
    let large = 8 * 1024 * 1024;
    let cut = upload_while(&files, large, |file| file.set_len(10).unwrap());
    assert_eq!(cut.await.unwrap_err().kind(), ErrorKind::LocalFile);

    let grown = upload_while(&files, large, |mut file| {
        std::io::Write::write_all(&mut file, b"more").unwrap();
    });
    let error = grown.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalFile);
    assert_eq!(error.detail(), Some(ErrorDetail::Changed), "{error}");

    let touched = upload_while(&files, large, |file| {
        let later = std::time::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
        file.set_modified(later).unwrap();
    });
    assert_eq!(touched.await.unwrap_err().kind(), ErrorKind::LocalFile);
    let left = files.read("/a").await.unwrap();
    assert_eq!(left, b"old"[..], "the file was replaced by a mix");
    upload_while(&files, large, |_| {}).await.unwrap();
}

#[tokio::test]
async fn a_resumed_download_has_the_same_version_or_starts_over() {
    let world = World::new().await;
    let (_, files) = world.files("one").await;
    let old = "a".repeat(1000);
    let cut = format!(
        "HTTP/1.1 200 OK\r\netag: \"one\"\r\ncontent-length: 1000\r\n\r\n{}",
        &old[..600]
    );
    let new = "b".repeat(500);
    let whole = format!("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{new}");
    // One response without a version, and one with the same version and another size.
    let rest = |etag: &str, total: u32| {
        format!(
            "HTTP/1.1 206 Part\r\n{etag}content-range: bytes 600-{}/{total}\r\ncontent-length: {}\r\n\r\n{}",
            total - 1,
            total - 600,
            "b".repeat(total as usize - 600)
        )
    };
    for another in [
        whole.clone(),
        rest("", 1000),
        rest("etag: \"one\"\r\n", 1005),
    ] {
        let store = ScriptedServer::new([&cut, &another, &whole]).await;
        let (result, content) = download(&files, &store).await;
        result.unwrap();
        assert_eq!(content.unwrap(), new.as_bytes(), "{another}");
    }
    let store = ScriptedServer::new([&cut, &rest("etag: \"one\"\r\n", 1000)]).await;
    let (result, content) = download(&files, &store).await;
    result.unwrap();
    assert_eq!(content.unwrap().len(), 1000);
}

/// Bytes beyond the end of a part must not become the bytes that follow it.
#[tokio::test]
async fn bytes_beyond_the_end_of_a_part_are_ignored() {
    let world = World::new().await;
    let (_, files) = world.files("one").await;
    let part = |range: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 206 Part\r\netag: \"one\"\r\ncontent-range: bytes {range}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let parts = [part("0-4/10", "helloXX"), part("5-9/10", "world")];
    let store = ScriptedServer::new(&parts).await;
    let (result, content) = download(&files, &store).await;
    result.unwrap();
    assert_eq!(content.unwrap(), b"helloworld");
    for nonsense in ["0-9/5", "0-0/0"] {
        let store = ScriptedServer::new([&part(nonsense, "helloworld")]).await;
        let (result, content) = download(&files, &store).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidResponse);
        assert_eq!(content, None);
    }
}

#[tokio::test]
async fn an_etag_shared_by_all_objects_does_not_identify_a_version() {
    let world = World::new().await;
    let (_, files) = world.files("one").await;
    for etag in ["*", ""] {
        let head = format!("HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: 10\r\n\r\n");
        let answers = [format!("{head}aaaaa"), format!("{head}bbbbbbbbbb")];
        let store = ScriptedServer::new(&answers).await;
        let (result, content) = download(&files, &store).await;
        result.unwrap();
        assert_eq!(content.unwrap(), b"bbbbbbbbbb", "{etag:?}");
    }
}

/// The status is known, so there is no need to wait for the body.
#[tokio::test]
async fn a_refusal_with_a_stalled_body_is_reported() {
    let world = World::new().await;
    let (id, _) = world.files("one").await;
    let builder = Client::builder().api_key(KEY).endpoint(world.server.url());
    let builder = builder.idle_timeout(Duration::from_millis(200));
    let client = builder.retry(RetryPolicy::never()).build().unwrap();
    let files = client.contexts().files(&id);
    let refusal = "HTTP/1.1 403 No\r\ncontent-length: 90\r\n\r\n<Code>AccessDenied</Code>";
    let turn = || ScriptedServer::new([Turn::RespondPartly(refusal.to_owned())]);
    let (result, _) = download(&files, &turn().await).await;
    let store = turn().await;
    let url = PresignedUrl::new(store.url()).unwrap();
    let sent = files.upload("/a", &b"hello"[..]).presigned_url(url).await;
    for error in [result.unwrap_err(), sent.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::UrlRejected, "{error}");
        assert_eq!(
            (error.status(), error.code()),
            (Some(403), Some("AccessDenied"))
        );
    }
}

#[tokio::test]
async fn a_download_without_range_follows_a_refused_range() {
    let world = World::new().await;
    let files = world.files_without_retries("one").await;
    for refusal in ["400 Bad Request", "416 No", "501 Not Implemented"] {
        let refusal = format!("HTTP/1.1 {refusal}\r\ncontent-length: 0\r\n\r\n");
        let whole = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_owned();
        let store = ScriptedServer::new([&refusal, &whole]).await;
        let (result, content) = download(&files, &store).await;
        result.unwrap();
        assert_eq!(content.unwrap(), b"hello");
    }
}
