//! Checksums in the headers of an upload, and repeated headers.

use reqwest::Response;

use crate::client::{Client, start, xml_code};
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
