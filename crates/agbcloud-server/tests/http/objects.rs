//! Uploads and downloads through presigned URLs.

use agbcloud_server::test_store;
use futures_util::StreamExt;
use reqwest::Method;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{Client, start, start_in, xml_code};
use crate::raw;
use crate::stores::{blobs, large, wait_for, wait_for_blobs};

fn pattern(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(1).fill(&mut bytes);
    bytes
}

async fn file(client: &Client, bytes: &[u8]) -> (String, String) {
    let id = client.create("c").await;
    client.upload(&id, "/dir/my file.bin", bytes.to_vec()).await;
    let url = client.download_url(&id, "/dir/my file.bin").await;
    (id, url)
}

#[tokio::test]
async fn contents_of_all_sizes_are_stored() {
    let folder = tempfile::tempdir().unwrap();
    for (_server, client) in [start().await, start_in(folder.path()).await] {
        let id = client.create("c").await;
        for size in [0, 1, 1_048_575, 1_048_576, 1_048_577, 5_000_001] {
            let bytes = pattern(size);
            client.upload(&id, "/f", bytes.clone()).await;
            assert!(client.download(&id, "/f").await == bytes, "{size}");
            assert_eq!(client.list(&id, "/").await.0[0].2, size as i64);
        }
    }
}

#[tokio::test]
async fn an_upload_returns_the_md5_and_ignores_the_content_type() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    let url = client.upload_url(&id, "/f").await;
    let response = client
        .http
        .put(&url)
        .header("content-type", "text/html")
        .body("hello")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["etag"],
        "\"5d41402abc4b2a76b9719d911017c592\""
    );
    assert!(response.headers().contains_key("x-request-id"));
    assert!(response.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_download_has_headers_that_prevent_execution() {
    let (_server, client) = start().await;
    let (_, url) = file(&client, b"<script>alert(1)</script>").await;
    for method in [Method::GET, Method::HEAD] {
        let response = client
            .http
            .request(method.clone(), &url)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        for (name, value) in [
            ("content-type", "application/octet-stream"),
            ("content-length", "25"),
            ("accept-ranges", "bytes"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "sandbox"),
            ("cache-control", "private, no-store"),
            (
                "content-disposition",
                "attachment; filename=\"my file.bin\"; filename*=UTF-8''my%20file.bin",
            ),
        ] {
            assert_eq!(response.headers()[name], value, "{method} {name}");
        }
        assert!(response.headers().contains_key("last-modified"));
        assert_eq!(response.headers()["etag"].len(), 34);
        assert_eq!(
            response.bytes().await.unwrap().len(),
            if method == Method::GET { 25 } else { 0 }
        );
    }
}

/// Returns the CRC-64 in a response.
fn crc64(response: &reqwest::Response) -> Option<&str> {
    response
        .headers()
        .get("x-oss-hash-crc64ecma")?
        .to_str()
        .ok()
}

#[tokio::test]
async fn every_response_has_the_crc_of_the_whole_file() {
    if test_store::is_skipped_in_memory() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = start_in(folder.path()).await;
    let id = client.create("c").await;
    let url = client.upload_url(&id, "/f").await;
    // The check value of this CRC, and the CRC of an empty content.
    for (content, crc) in [("", "0"), ("123456789", "11051210869376104954")] {
        let put = client.http.put(&url).body(content);
        let put = put
            .header("content-length", content.len())
            .send()
            .await
            .unwrap();
        assert_eq!(crc64(&put), Some(crc));
        let url = client.download_url(&id, "/f").await;
        for (method, range) in [
            (Method::GET, "bytes=0-"),
            (Method::HEAD, "bytes=0-"),
            (Method::GET, "bytes=2-4"),
        ] {
            let get = client.http.request(method, &url).header("range", range);
            let get = get.send().await.unwrap();
            assert_eq!(crc64(&get), (get.status() != 416).then_some(crc));
        }
        let get = client.http.get(&url).send().await.unwrap();
        assert_eq!(crc64(&get), Some(crc));
    }
    server.shutdown().await;
    let (_server, client) = start_in(folder.path()).await;
    let url = client.download_url(&id, "/f").await;
    let get = client.http.get(&url).send().await.unwrap();
    assert_eq!(crc64(&get), Some("11051210869376104954"));
}

#[tokio::test]
async fn ranges() {
    let folder = tempfile::tempdir().unwrap();
    for (_server, client) in [start().await, start_in(folder.path()).await] {
        let bytes = pattern(700_000);
        let (id, url) = file(&client, &bytes).await;
        let etag = client.http.head(&url).send().await.unwrap().headers()["etag"]
            .to_str()
            .unwrap()
            .to_owned();
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=10-19", 10..20),
            ("bytes=1000-", 1000..700_000),
            ("bytes=-5", 699_995..700_000),
            ("bytes=600000-9999999", 600_000..700_000),
        ] {
            let response = client
                .http
                .get(&url)
                .header("range", range)
                .header("if-range", &etag)
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), 206, "{range}");
            assert_eq!(
                response.headers()["content-range"].to_str().unwrap(),
                format!("bytes {}-{}/700000", part.start, part.end - 1)
            );
            assert_eq!(
                response.headers()["content-length"].to_str().unwrap(),
                part.len().to_string()
            );
            assert!(response.bytes().await.unwrap() == bytes[part], "{range}");
        }
        for whole in ["bytes=0-1,5-6", "bytes=5-1", "nonsense", "lines=1-2"] {
            let response = client
                .http
                .get(&url)
                .header("range", whole)
                .send()
                .await
                .unwrap();
            assert_eq!(
                (response.status().as_u16(), response.content_length()),
                (200, Some(700_000)),
                "{whole}"
            );
        }
        let other = client
            .http
            .get(&url)
            .header("range", "bytes=0-1")
            .header("if-range", "\"x\"")
            .send()
            .await
            .unwrap();
        assert_eq!(other.status(), 200);
        for beyond in ["bytes=700000-", "bytes=700000-700001", "bytes=-0"] {
            let response = client
                .http
                .get(&url)
                .header("range", beyond)
                .send()
                .await
                .unwrap();
            assert_eq!(response.headers()["content-range"], "bytes */700000");
            assert_eq!(
                xml_code(response).await,
                (416, "InvalidRange".to_owned()),
                "{beyond}"
            );
        }
        client.upload(&id, "/dir/my file.bin", "").await;
        assert_eq!(
            client.http.get(&url).send().await.unwrap().content_length(),
            Some(0)
        );
    }
}

#[tokio::test]
async fn conditions_of_downloads() {
    let (_server, client) = start().await;
    let (_, url) = file(&client, b"hello").await;
    let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
    for (name, value, status) in [
        ("if-match", etag, 200),
        ("if-match", "*", 200),
        ("if-match", "\"other\"", 412),
        ("if-none-match", etag, 304),
        ("if-none-match", "*", 304),
        ("if-none-match", "\"other\"", 200),
    ] {
        let response = client
            .http
            .get(&url)
            .header(name, value)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), status, "{name}: {value}");
        if status == 304 {
            assert_eq!(response.headers()["etag"], etag);
        }
    }
}

#[tokio::test]
async fn conditions_of_uploads_compare_and_swap() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    let url = client.upload_url(&id, "/f").await;
    let put = async |name: &str, value: &str, body: &'static str| {
        client
            .http
            .put(&url)
            .header(name, value)
            .body(body)
            .send()
            .await
            .unwrap()
    };
    assert_eq!(
        xml_code(put("if-match", "*", "x").await).await,
        (412, "PreconditionFailed".to_owned())
    );
    assert_eq!(put("if-none-match", "*", "hello").await.status(), 200);
    assert_eq!(
        xml_code(put("if-none-match", "*", "x").await).await,
        (412, "PreconditionFailed".to_owned())
    );
    assert_eq!(
        xml_code(put("if-match", "\"other\"", "x").await).await,
        (412, "PreconditionFailed".to_owned())
    );
    assert_eq!(
        xml_code(put("if-match", "\"unterminated", "x").await).await,
        (400, "InvalidArgument".to_owned())
    );
    assert_eq!(client.download(&id, "/f").await, b"hello");
    assert_eq!(
        put("if-match", "\"5d41402abc4b2a76b9719d911017c592\"", "next")
            .await
            .status(),
        200
    );
    assert_eq!(client.download(&id, "/f").await, b"next");
}

#[tokio::test]
async fn an_upload_that_does_not_match_its_headers_changes_nothing() {
    let (server, client) = {
        let server = test_store::builder()
            .max_object_size(1000)
            .start()
            .await
            .unwrap();
        let client = Client::new(server.url(), "k");
        (server, client)
    };
    let id = client.create("c").await;
    client.upload(&id, "/f", "before").await;
    let url = client.upload_url(&id, "/f").await;
    let put = |name: &'static str, value: &'static str| {
        client.http.put(&url).header(name, value).body("hello")
    };
    for (name, value, status, code) in [
        ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==", 400, "BadDigest"),
        ("content-md5", "nonsense", 400, "InvalidDigest"),
        ("content-md5", "AAAA", 400, "InvalidDigest"),
        ("content-range", "bytes 0-4/10", 400, "UnsupportedHeader"),
        (
            "content-encoding",
            "aws-chunked",
            415,
            "UnsupportedMediaType",
        ),
        ("content-encoding", "gzip", 415, "UnsupportedMediaType"),
        (
            "x-amz-content-sha256",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            400,
            "UnsupportedHeader",
        ),
        ("x-amz-copy-source", "/a/b", 400, "UnsupportedHeader"),
    ] {
        let response = put(name, value).send().await.unwrap();
        assert_eq!(
            xml_code(response).await,
            (status, code.to_owned()),
            "{name}: {value}"
        );
    }
    let stream = futures_util::stream::iter([Ok::<_, std::io::Error>("chunk")]);
    let response = client
        .http
        .put(&url)
        .body(reqwest::Body::wrap_stream(stream))
        .send()
        .await
        .unwrap();
    assert_eq!(
        xml_code(response).await,
        (411, "MissingContentLength".to_owned())
    );
    for size in [1001, 3_000_000] {
        assert_eq!(
            xml_code(client.put(&url, vec![0; size]).await).await,
            (413, "EntityTooLarge".to_owned())
        );
    }
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999\r\n\r\n",
        raw::target(&url)
    );
    assert_eq!(raw::exchange(&server, head.as_bytes()).await.0, 413);
    assert_eq!(client.download(&id, "/f").await, b"before");
    let good = put("content-md5", "XUFAKrxLKna5cZ2REBfFkg==")
        .send()
        .await
        .unwrap();
    assert_eq!(good.status(), 200);
    assert_eq!(client.put(&url, vec![7; 1000]).await.status(), 200);
}

#[tokio::test]
async fn a_url_of_a_deleted_file_is_not_found() {
    let (_server, client) = start().await;
    let (id, url) = file(&client, b"hello").await;
    client
        .ok(
            "DeleteContextFile",
            &[("contextId", &id), ("filePath", "/dir/my file.bin")],
        )
        .await;
    assert_eq!(
        xml_code(client.http.get(&url).send().await.unwrap()).await,
        (404, "NoSuchKey".to_owned())
    );
    let head = client.http.head(&url).send().await.unwrap();
    assert_eq!(head.status(), 404);
    client.upload(&id, "/dir/my file.bin", "again").await;
    assert_eq!(client.http.get(&url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_upload_with_expect_continue_is_rejected_before_its_body() {
    let (server, client) = start().await;
    let id = client.create("c").await;
    let url = client.upload_url(&id, "/f").await;
    let head = |url: &str| {
        format!(
            "PUT {} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
            raw::target(url)
        )
    };
    let (status, text) = raw::exchange(&server, head(&url.replace("PUT", "GET")).as_bytes()).await;
    assert_eq!(status, 403, "{text}");
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(head(&url).as_bytes()).await.unwrap();
    assert_eq!(raw::read(&mut stream).await.0, 100);
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(raw::read(&mut stream).await.0, 200);
    assert_eq!(client.download(&id, "/f").await, b"hello");
}

#[tokio::test]
async fn an_aborted_upload_leaves_no_file_and_no_blob() {
    // It waits for the staging file of an upload.
    if test_store::is_skipped_without_blob_folder() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = start_in(folder.path()).await;
    let id = client.create("c").await;
    client.upload(&id, "/kept", large(b'k')).await;
    let before = blobs(folder.path());
    let large = 5_000_000;
    for (announced, sent) in [(100, 10), (large, 0), (large, 10), (large, 3_000_000)] {
        let url = client.upload_url(&id, "/f").await;
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        let head = format!(
            "PUT {} HTTP/1.1\r\nhost: x\r\ncontent-length: {announced}\r\n\r\n",
            raw::target(&url)
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![1; sent]).await.unwrap();
        if sent > 2_000_000 {
            wait_for(|| blobs(folder.path()) > before).await;
        }
        drop(stream);
        wait_for_blobs(folder.path(), before).await;
    }
    assert_eq!(client.list(&id, "/").await.1, 1);
    client
        .fails(
            "GetContextFileDownloadUrl",
            &[("contextId", &id), ("filePath", "/f")],
            404,
            "InvalidFile.NotFound",
        )
        .await;
}

#[tokio::test]
async fn a_download_in_progress_keeps_its_content_when_the_file_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    for (folder, (_server, client)) in [
        (None, start().await),
        (Some(folder.path()), start_in(folder.path()).await),
    ] {
        let old = pattern(20_000_000);
        let (id, url) = file(&client, &old).await;
        let response = client.http.get(&url).send().await.unwrap();
        let etag = response.headers()["etag"].clone();
        let mut stream = response.bytes_stream();
        let mut got = stream.next().await.unwrap().unwrap().to_vec();
        client.upload(&id, "/dir/my file.bin", "new").await;
        assert_ne!(
            client.http.head(&url).send().await.unwrap().headers()["etag"],
            etag
        );
        if let Some(folder) = folder {
            // The old blob has really been deleted.
            wait_for_blobs(folder, 0).await;
        }
        while let Some(chunk) = stream.next().await {
            got.extend_from_slice(&chunk.unwrap());
        }
        assert!(got == old);
        assert_eq!(client.download(&id, "/dir/my file.bin").await, b"new");
    }
}
