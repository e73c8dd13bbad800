//! The checksums that an uploader sends along: what the content is held against before it becomes a file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::HeaderName;

use super::CRC64;
use crate::http::conditions::once;
use crate::http::xml::ObjectFailure;
use crate::signing::same;
use crate::sums::Hasher;

const MD5: HeaderName = HeaderName::from_static("content-md5");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const SHA256: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");
/// Both name the algorithm of a checksum that is sent beside them.
const ALGORITHMS: [HeaderName; 2] = [
    HeaderName::from_static("x-amz-checksum-algorithm"),
    HeaderName::from_static("x-amz-sdk-checksum-algorithm"),
];
/// What begins like this is a checksum, or says how one is meant.
const CHECKSUMS: [&str; 3] = ["x-amz-checksum-", "x-amz-sdk-checksum-", "x-oss-hash-"];

/// What the headers of an upload say that its content is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Digests {
    md5: Option<[u8; 16]>,
    sha256: Option<[u8; 32]>,
    /// The SHA-256 that a request signed by AWS has; its mismatch has a code of its own.
    content_sha256: Option<[u8; 32]>,
    crc64: Option<u64>,
}

impl Digests {
    /// Reads them. What can't be held against the content is refused: an ignored checksum would seem to have held.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ObjectFailure> {
        once(headers, &[MD5, CONTENT_SHA256, SHA256, CRC64])?;
        if headers.keys().any(is_foreign)
            || ALGORITHMS.iter().any(|name| names_another(headers, name))
        {
            return Err(ObjectFailure::other_checksum());
        }
        Ok(Self {
            md5: base64(headers, &MD5)?,
            sha256: base64(headers, &SHA256)?,
            content_sha256: content_sha256(headers)?,
            crc64: crc64(headers)?,
        })
    }

    /// Whether the content that was taken in is the one that was meant.
    pub(super) fn check(&self, content: &Hasher) -> Result<(), ObjectFailure> {
        let sha256 = match (self.sha256, self.content_sha256) {
            (None, None) => None,
            _ => Some(content.sha256_so_far()),
        };
        let differs = |expected: Option<[u8; 32]>| matches!((expected, sha256), (Some(expected), Some(found)) if !same(&expected, &found));
        if differs(self.content_sha256) {
            return Err(ObjectFailure::content_sha256());
        }
        let md5 = self
            .md5
            .is_some_and(|md5| !same(&md5, &content.md5_so_far()));
        let crc64 = self
            .crc64
            .is_some_and(|crc64| crc64 != content.crc64_so_far());
        if md5 || crc64 || differs(self.sha256) {
            return Err(ObjectFailure::bad_digest());
        }
        Ok(())
    }
}

fn is_foreign(name: &HeaderName) -> bool {
    // Trailers are not read, and so no checksum in one.
    *name == "x-amz-trailer"
        || ![SHA256, CRC64].contains(name)
            && !ALGORITHMS.contains(name)
            && CHECKSUMS
                .iter()
                .any(|start| name.as_str().starts_with(start))
}

/// Whether an algorithm is asked for whose checksum is not there.
fn names_another(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(name).iter().any(|algorithm| {
        !algorithm.as_bytes().eq_ignore_ascii_case(b"SHA256") || !headers.contains_key(SHA256)
    })
}

fn base64<const N: usize>(
    headers: &HeaderMap,
    name: &HeaderName,
) -> Result<Option<[u8; N]>, ObjectFailure> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let digest = STANDARD.decode(value.as_bytes()).ok();
    digest
        .and_then(|digest| digest.try_into().ok())
        .map(Some)
        .ok_or_else(ObjectFailure::invalid_digest)
}

fn content_sha256(headers: &HeaderMap) -> Result<Option<[u8; 32]>, ObjectFailure> {
    match headers.get(CONTENT_SHA256).map(|value| value.as_bytes()) {
        None | Some(b"UNSIGNED-PAYLOAD") => Ok(None),
        // The bytes of the file would lie between signatures of its parts.
        Some(value) if value.starts_with(b"STREAMING-") => Err(ObjectFailure::unsupported_header()),
        Some(value) => from_hex(value)
            .map(Some)
            .ok_or_else(ObjectFailure::invalid_digest),
    }
}

fn from_hex(text: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?;
    }
    Some(bytes)
}

fn crc64(headers: &HeaderMap) -> Result<Option<u64>, ObjectFailure> {
    let Some(value) = headers.get(CRC64) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    // A sign is no part of a number here.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|_| digits)
        .map(Some)
        .ok_or_else(ObjectFailure::invalid_digest)
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
        Digests::of(&headers).map_err(|failure| failure.code())
    }

    #[test]
    fn checksums_are_read_or_refused_and_never_ignored() {
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
