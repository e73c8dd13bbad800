//! Checksums in the headers of an upload, and repeated headers.

use agbcloud_server::Server;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use md5::Md5;
use reqwest::Response;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{Client, start, xml_code};
use crate::raw;
use crate::stores::large;

const SHA256_OF_HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const BASE64_OF_HELLO: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

async fn put(client: &Client, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
    let mut request = client.http.put(url).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_content_that_does_not_match_its_checksum_is_not_stored() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    client.upload(&id, "/f", "before").await;
    let url = client.upload_url(&id, "/f").await;
    let other = SHA256_OF_HELLO.replace('2', "3");
    let (mismatch, bad) = ((400, "XAmzContentSHA256Mismatch"), (400, "BadDigest"));
    let (invalid, unknown) = ((400, "InvalidDigest"), (400, "UnsupportedHeader"));
    for (name, value, expected) in [
        ("x-amz-content-sha256", &*other, mismatch),
        ("x-amz-content-sha256", "abc", invalid),
        (
            "x-amz-content-sha256",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            unknown,
        ),
        (
            "x-amz-checksum-sha256",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            bad,
        ),
        ("x-amz-checksum-sha256", SHA256_OF_HELLO, invalid),
        ("x-amz-checksum-crc32", "NhCmhg==", unknown),
        ("x-amz-sdk-checksum-algorithm", "CRC32", unknown),
        ("x-oss-hash-crc64ecma", "1", bad),
        ("x-oss-hash-crc64ecma", "x", invalid),
        ("x-oss-hash-sha1", "x", unknown),
    ] {
        for body in [b"hello".to_vec(), large(b'l')] {
            let response = put(&client, &url, &[(name, value)], body).await;
            let (status, code) = xml_code(response).await;
            assert_eq!((status, &*code), expected, "{name}: {value}");
        }
    }
    assert_eq!(client.download(&id, "/f").await, b"before");
}

#[tokio::test]
async fn a_content_that_matches_its_checksums_is_stored() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    let url = client.upload_url(&id, "/f").await;
    let first = client.put(&url, "hello").await;
    let crc64 = first.headers()["x-oss-hash-crc64ecma"].clone();
    let upper = SHA256_OF_HELLO.to_uppercase();
    let unsigned = [("x-amz-content-sha256", "UNSIGNED-PAYLOAD")];
    let all = [
        ("content-md5", "XUFAKrxLKna5cZ2REBfFkg=="),
        ("x-amz-content-sha256", SHA256_OF_HELLO),
        ("x-amz-checksum-sha256", BASE64_OF_HELLO),
        ("x-amz-sdk-checksum-algorithm", "SHA256"),
        ("x-oss-hash-crc64ecma", crc64.to_str().unwrap()),
    ];
    for headers in [&unsigned[..], &all, &[("x-amz-content-sha256", &*upper)]] {
        let response = put(&client, &url, headers, b"hello".to_vec()).await;
        assert_eq!(response.status(), 200, "{headers:?}");
    }
    assert_eq!(client.download(&id, "/f").await, b"hello");
}

/// Uploads a content in pieces of these sizes, repeatedly. Returns the status and the response.
async fn put_pieces(
    server: &Server,
    url: &str,
    headers: &str,
    content: &[u8],
    sizes: &[usize],
) -> (u16, String) {
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let (target, length) = (raw::target(url), content.len());
    let head =
        format!("PUT {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut left = content;
    for size in sizes.iter().cycle() {
        let (piece, rest) = left.split_at(left.len().min(*size));
        stream.write_all(piece).await.unwrap();
        // So that the server receives pieces.
        tokio::task::yield_now().await;
        left = rest;
        if left.is_empty() {
            break;
        }
    }
    raw::read(&mut stream).await
}

#[tokio::test]
async fn a_content_of_any_size_is_verified_in_any_pieces() {
    let (server, client) = start().await;
    let id = client.create("c").await;
    // At the sizes from which a content is a blob, is hashed by other threads, and is written in several parts.
    for length in [32_769, 1_048_575, 1_048_576, 3_000_001] {
        let content: Vec<u8> = (0..length).map(|at: usize| (at % 251) as u8).collect();
        let md5 = Md5::digest(&content);
        let sha256 = Sha256::digest(&content);
        let (etag, md5) = (HEXLOWER.encode(&md5), STANDARD.encode(md5));
        let sent = format!(
            "content-md5: {md5}\r\nx-amz-content-sha256: {}\r\n",
            HEXLOWER.encode(&sha256)
        );
        let wrong_sha256 = format!("x-amz-content-sha256: {}\r\n", "0".repeat(64));
        let wrong_md5 = "content-md5: XUFAKrxLKna5cZ2REBfFkg==\r\n";
        for sizes in [&[3_000_001][..], &[1, 70_000, 300, 200_000, 31_000]] {
            let url = client.upload_url(&id, "/f").await;
            for headers in ["", &sent] {
                let (status, response) = put_pieces(&server, &url, headers, &content, sizes).await;
                assert_eq!(status, 200, "{response}");
                assert!(response.contains(&format!("\"{etag}\"")), "{response}");
                assert!(client.download(&id, "/f").await == content, "{length}");
            }
            for headers in [&*wrong_sha256, wrong_md5] {
                let (status, response) =
                    put_pieces(&server, &url, headers, &large(b'x').repeat(50), sizes).await;
                assert_eq!(status, 400, "{response}");
                assert!(client.download(&id, "/f").await == content, "{length}");
            }
        }
    }
}

#[tokio::test]
async fn a_repeated_header_is_rejected() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    client.upload(&id, "/f", "hello").await;
    let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
    let (up, down) = (
        client.upload_url(&id, "/f").await,
        client.download_url(&id, "/f").await,
    );
    for (name, first, second) in [
        ("range", "bytes=0-0", "bytes=1-1"),
        ("if-range", etag, "\"other\""),
        ("if-modified-since", "Thu, 29 May 2025 12:00:00 GMT", "x"),
        ("if-unmodified-since", "x", "Thu, 29 May 2025 12:00:00 GMT"),
        ("if-match", "*", "\"other\""),
        ("if-none-match", "\"other\"", "*"),
    ] {
        let request = client.http.get(&down).header(name, first);
        let response = request.header(name, second).send().await.unwrap();
        let rejected = (400, "InvalidArgument".to_owned());
        assert_eq!(xml_code(response).await, rejected, "{name}");
    }
    let md5 = "XUFAKrxLKna5cZ2REBfFkg==";
    for (name, value, other) in [
        ("content-md5", md5, md5),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD", SHA256_OF_HELLO),
        ("x-amz-checksum-sha256", BASE64_OF_HELLO, BASE64_OF_HELLO),
        ("x-oss-hash-crc64ecma", "1", "1"),
        ("if-match", etag, "*"),
        ("if-none-match", "*", "*"),
    ] {
        let twice = [(name, value), (name, other)];
        let response = put(&client, &up, &twice, b"hello".to_vec()).await;
        let rejected = (400, "InvalidArgument".to_owned());
        assert_eq!(xml_code(response).await, rejected, "{name}");
    }
    // Lists of tags may span several headers.
    let match_many = [("if-match", "\"other\""), ("if-match", etag)];
    let response = put(&client, &up, &match_many, b"hello".to_vec()).await;
    assert_eq!(response.status(), 200);
    let none_of_many = [("if-none-match", "\"other\""), ("if-none-match", etag)];
    let response = put(&client, &up, &none_of_many, b"other".to_vec()).await;
    assert_eq!(response.status(), 412);
    assert_eq!(client.download(&id, "/f").await, b"hello");
}
