//! The checksums in the headers of an upload. The content must match them before it is published.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use http::HeaderMap;
use http::header::HeaderName;

use super::conditions::check_not_repeated;
use super::{CRC64, ObjectError};
use crate::checksums::Checksums;
use crate::signing::constant_time_eq;

const MD5: HeaderName = HeaderName::from_static("content-md5");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const SHA256: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");
/// Headers with the algorithm of the checksum in another header.
const ALGORITHMS: [HeaderName; 2] = [
    HeaderName::from_static("x-amz-checksum-algorithm"),
    HeaderName::from_static("x-amz-sdk-checksum-algorithm"),
];
/// Prefixes of headers with checksums or their algorithms.
const CHECKSUMS: [&str; 3] = ["x-amz-checksum-", "x-amz-sdk-checksum-", "x-oss-hash-"];

/// The checksums in the headers of an upload.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Digests {
    md5: Option<[u8; 16]>,
    sha256: Option<[u8; 32]>,
    /// The SHA-256 of a request in the format of AWS. A mismatch has its own error code.
    content_sha256: Option<[u8; 32]>,
    crc64: Option<u64>,
}

impl Digests {
    /// Parses the headers. Rejects unsupported checksums, because clients would assume that they were verified.
    pub(super) fn parse(headers: &HeaderMap) -> Result<Self, ObjectError> {
        check_not_repeated(headers, &[MD5, CONTENT_SHA256, SHA256, CRC64])?;
        if headers.keys().any(is_unsupported)
            || ALGORITHMS
                .iter()
                .any(|name| is_unsupported_algorithm(headers, name))
        {
            return Err(ObjectError::other_checksum());
        }
        Ok(Self {
            md5: base64(headers, &MD5)?,
            sha256: base64(headers, &SHA256)?,
            content_sha256: content_sha256(headers)?,
            crc64: crc64(headers)?,
        })
    }

    /// Whether the SHA-256 of the content is needed.
    pub(super) fn need_sha256(&self) -> bool {
        self.sha256.is_some() || self.content_sha256.is_some()
    }

    /// Checks that the content matches all checksums.
    pub(super) fn check(&self, content: &Checksums) -> Result<(), ObjectError> {
        let other_sha256 = |expected| differs(expected, content.sha256.as_deref());
        if self.content_sha256.is_some_and(other_sha256) {
            return Err(ObjectError::content_sha256());
        }
        let other_md5 = |expected| differs(expected, Some(&content.etag));
        if self.md5.is_some_and(other_md5)
            || self.crc64.is_some_and(|crc64| crc64 != content.crc64)
            || self.sha256.is_some_and(other_sha256)
        {
            return Err(ObjectError::bad_digest());
        }
        Ok(())
    }
}

/// Whether a digest differs from one in hexadecimal, or that one is missing.
fn differs<const N: usize>(expected: [u8; N], found: Option<&str>) -> bool {
    let expected = HEXLOWER.encode(&expected);
    found.is_none_or(|found| !constant_time_eq(expected.as_bytes(), found.as_bytes()))
}

fn is_unsupported(name: &HeaderName) -> bool {
    // Checksums in trailers are not supported.
    *name == "x-amz-trailer"
        || ![SHA256, CRC64].contains(name)
            && !ALGORITHMS.contains(name)
            && CHECKSUMS
                .iter()
                .any(|start| name.as_str().starts_with(start))
}

/// Whether the header specifies an algorithm without a supported checksum.
fn is_unsupported_algorithm(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(name).iter().any(|algorithm| {
        !algorithm.as_bytes().eq_ignore_ascii_case(b"SHA256") || !headers.contains_key(SHA256)
    })
}

fn base64<const N: usize>(
    headers: &HeaderMap,
    name: &HeaderName,
) -> Result<Option<[u8; N]>, ObjectError> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let digest = STANDARD.decode(value.as_bytes()).ok();
    digest
        .and_then(|digest| digest.try_into().ok())
        .map(Some)
        .ok_or_else(ObjectError::invalid_digest)
}

fn content_sha256(headers: &HeaderMap) -> Result<Option<[u8; 32]>, ObjectError> {
    match headers.get(CONTENT_SHA256).map(|value| value.as_bytes()) {
        None | Some(b"UNSIGNED-PAYLOAD") => Ok(None),
        // In this format, the body contains signatures between the bytes of the file.
        Some(value) if value.starts_with(b"STREAMING-") => Err(ObjectError::unsupported_header()),
        Some(value) => HEXLOWER_PERMISSIVE
            .decode(value)
            .ok()
            .and_then(|digest| digest.try_into().ok())
            .map(Some)
            .ok_or_else(ObjectError::invalid_digest),
    }
}

fn crc64(headers: &HeaderMap) -> Result<Option<u64>, ObjectError> {
    let Some(value) = headers.get(CRC64) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    // Signs are not allowed.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|_| digits)
        .map(Some)
        .ok_or_else(ObjectError::invalid_digest)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(pairs: &[(&'static str, &str)]) -> Result<Digests, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Digests::parse(&headers).map_err(|error| error.code())
    }

    #[test]
    fn checksums_are_parsed_or_rejected() {
        let sha256 = "A".repeat(43) + "=";
        let upper = "0F".repeat(32);
        let good = |digests| Ok::<_, &str>(digests);
        let none = Digests::default;
        for (pairs, expected) in [
            (vec![], good(none())),
            (
                vec![("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")],
                good(Digests {
                    md5: Some([0; 16]),
                    ..none()
                }),
            ),
            (
                vec![
                    ("x-amz-checksum-sha256", &*sha256),
                    ("x-amz-sdk-checksum-algorithm", "sha256"),
                ],
                good(Digests {
                    sha256: Some([0; 32]),
                    ..none()
                }),
            ),
            (
                vec![("x-amz-content-sha256", "UNSIGNED-PAYLOAD")],
                good(none()),
            ),
            (
                vec![("x-amz-content-sha256", &*upper)],
                good(Digests {
                    content_sha256: Some([15; 32]),
                    ..none()
                }),
            ),
            (
                vec![("x-oss-hash-crc64ecma", "18446744073709551615")],
                good(Digests {
                    crc64: Some(u64::MAX),
                    ..none()
                }),
            ),
            (vec![("content-md5", "")], Err("InvalidDigest")),
            (vec![("content-md5", &*sha256)], Err("InvalidDigest")),
            (
                vec![("x-amz-checksum-sha256", "AAAA")],
                Err("InvalidDigest"),
            ),
            (
                vec![("x-amz-content-sha256", &upper[1..])],
                Err("InvalidDigest"),
            ),
            (
                vec![("x-amz-content-sha256", "unsigned-payload")],
                Err("InvalidDigest"),
            ),
            (vec![("x-oss-hash-crc64ecma", "")], Err("InvalidDigest")),
            (vec![("x-oss-hash-crc64ecma", "+1")], Err("InvalidDigest")),
            (
                vec![("x-oss-hash-crc64ecma", "18446744073709551616")],
                Err("InvalidDigest"),
            ),
            (
                vec![("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")],
                Err("UnsupportedHeader"),
            ),
            (
                vec![("x-amz-trailer", "x-amz-checksum-crc32")],
                Err("UnsupportedHeader"),
            ),
            (
                vec![("x-amz-checksum-crc32", "AAAAAA==")],
                Err("UnsupportedHeader"),
            ),
            (
                vec![("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")],
                Err("UnsupportedHeader"),
            ),
            (
                vec![("x-amz-sdk-checksum-algorithm", "CRC32")],
                Err("UnsupportedHeader"),
            ),
            (
                vec![("x-amz-sdk-checksum-algorithm", "SHA256")],
                Err("UnsupportedHeader"),
            ),
            (vec![("x-oss-hash-md5", "x")], Err("UnsupportedHeader")),
            (
                vec![("content-md5", "AAAA"), ("content-md5", "AAAA")],
                Err("InvalidArgument"),
            ),
        ] {
            assert_eq!(read(&pairs), expected, "{pairs:?}");
        }
    }
}
