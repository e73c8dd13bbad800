//! GET and HEAD: a file or a part of it, inert in a browser.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, RANGE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use md5::{Digest, Md5};

use super::CRC64;
use crate::blobs::{BlobError, Blobs, BlockChecksums};
use crate::http::conditions::{self, Download};
use crate::http::range::{self, Asked};
use crate::http::xml::ObjectFailure;
use crate::http::{App, RequestId};
use crate::metadata::{Content, File, FileKey, StoreError};
use crate::metrics::Metrics;
use crate::random::hex;

/// How often a file may be replaced between finding it and opening it.
const ATTEMPTS: usize = 16;

pub(super) async fn get(
    app: &App,
    key: &FileKey,
    request: &Parts,
) -> Result<Response, ObjectFailure> {
    let mut missing = String::new();
    for _ in 0..ATTEMPTS {
        // Who asks for the head alone does not need the content.
        let (file, content) = if request.method == Method::HEAD {
            (app.metadata.file(key).await?, None)
        } else {
            let opened = match app.metadata.open_file(key).await {
                Err(StoreError::Damaged(reason)) => {
                    Damage::new(app, request).report("", &reason);
                    return Err(ObjectFailure::damaged());
                }
                opened => opened?,
            };
            (opened.file, Some((opened.content, opened.blocks)))
        };
        match answer(app, key, &file, content, request).await {
            // The file was replaced a moment ago, and the worker was quick: there is a newer one.
            Err(Trouble::Replaced(blob)) => missing = blob,
            Err(Trouble::Failure(failure)) => return Err(failure),
            Ok(response) => return Ok(response),
        }
    }
    Damage::new(app, request).report(&missing, &"it is not there");
    Err(ObjectFailure::damaged())
}

enum Trouble {
    /// This blob is not there.
    Replaced(String),
    Failure(ObjectFailure),
}

impl From<ObjectFailure> for Trouble {
    fn from(failure: ObjectFailure) -> Self {
        Self::Failure(failure)
    }
}

async fn answer(
    app: &App,
    key: &FileKey,
    file: &File,
    content: Option<(Content, Option<BlockChecksums>)>,
    request: &Parts,
) -> Result<Response, Trouble> {
    let headers = &request.headers;
    if conditions::of_download(headers, file)? == Download::NotModified {
        return Ok(response(
            StatusCode::NOT_MODIFIED,
            Body::empty(),
            &identity(file),
        ));
    }
    let asked = match headers.get(RANGE).map(|value| value.to_str()) {
        Some(Ok(value)) if conditions::range_counts(headers, file) => {
            range::parse(value, file.size)
        }
        _ => Asked::Whole,
    };
    let (status, part) = match asked {
        Asked::Whole => (StatusCode::OK, 0..file.size),
        Asked::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Asked::Unsatisfiable => return Err(ObjectFailure::range(file.size).into()),
    };
    let mut lines = identity(file);
    lines.extend([
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_LENGTH, (part.end - part.start).to_string()),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (CONTENT_DISPOSITION, attachment(key.path.name())),
        // Whatever a user has uploaded, no browser runs it in the name of this service.
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (CONTENT_SECURITY_POLICY, "sandbox".to_owned()),
    ]);
    if status == StatusCode::PARTIAL_CONTENT {
        lines.push((
            CONTENT_RANGE,
            format!("bytes {}-{}/{}", part.start, part.end - 1, file.size),
        ));
    }
    let body = match content {
        Some((content, blocks)) if !part.is_empty() => {
            let damage = Damage::new(app, request);
            match content {
                Content::Inline(bytes) => small(file, bytes, part, &damage)?,
                Content::Blob(blob) => large(app, file, blob, blocks, part, damage).await?,
            }
        }
        _ => Body::empty(),
    };
    Ok(response(status, body, &lines))
}

/// What is done about a content that is not as it was written.
#[derive(Clone)]
struct Damage {
    metrics: Arc<Metrics>,
    blobs: Blobs,
    request: String,
}

impl Damage {
    fn new(app: &App, request: &Parts) -> Self {
        let id = request.extensions.get::<RequestId>();
        Self {
            metrics: app.metrics.clone(),
            blobs: app.blobs.clone(),
            request: id.map(|id| id.0.clone()).unwrap_or_default(),
        }
    }

    /// Logs and counts it, and keeps what is in quarantine: it may be what is missing.
    fn report(&self, blob: &str, reason: &dyn fmt::Display) {
        tracing::error!(blob, request_id = self.request, %reason, "a stored content is damaged");
        self.metrics.damaged();
        let blobs = self.blobs.clone();
        tokio::spawn(async move {
            if let Err(error) = blobs.report_damage().await {
                tracing::warn!(%error, "the quarantine can't be held");
            }
        });
    }
}

/// A content from the database, once it is verified.
fn small(
    file: &File,
    bytes: Bytes,
    part: Range<u64>,
    damage: &Damage,
) -> Result<Body, ObjectFailure> {
    let mut check = Check::of(file);
    check.update(&bytes);
    let within = |at: u64| usize::try_from(at).ok().filter(|at| *at <= bytes.len());
    match (within(part.start), within(part.end)) {
        (Some(start), Some(end)) if check.fits(file) => Ok(Body::from(bytes.slice(start..end))),
        _ => {
            damage.report("", &"a content in the database does not have its checksum");
            Err(ObjectFailure::damaged())
        }
    }
}

/// A content from a blob: each block is verified before it is sent, the first one before the answer begins.
async fn large(
    app: &App,
    file: &File,
    blob: String,
    blocks: Option<BlockChecksums>,
    part: Range<u64>,
    damage: Damage,
) -> Result<Body, Trouble> {
    let read = async {
        let blocks = match blocks {
            Some(blocks) => blocks,
            None => late_sums(app, file, &blob).await?,
        };
        app.blobs.read(&blob, file.size, part, blocks).await
    };
    match read.await {
        Ok(chunks) => Ok(Body::from_stream(
            chunks.inspect_err(move |error| damage.report(&blob, error)),
        )),
        Err(BlobError::Missing) => Err(Trouble::Replaced(blob)),
        Err(error @ (BlobError::Damaged(_) | BlobError::Io(_))) => {
            damage.report(&blob, &error);
            Err(ObjectFailure::damaged().into())
        }
        Err(error) => Err(ObjectFailure::from(error).into()),
    }
}

/// The sums of the blocks of a blob that was written before there were any: the whole of it is verified, once.
async fn late_sums(app: &App, file: &File, blob: &str) -> Result<BlockChecksums, BlobError> {
    let (check, blocks) = app
        .blobs
        .compute_checksums(blob, Check::of(file), Check::update)
        .await?;
    if !check.fits(file) {
        return Err(BlobError::Damaged(io::Error::new(
            io::ErrorKind::InvalidData,
            "the content does not have its checksum",
        )));
    }
    let kept =
        app.metadata
            .store_block_checksums(blob.to_owned(), check.crc64.sum64(), blocks.clone());
    if let Err(error) = kept.await {
        tracing::warn!(%error, "the checksums of the blocks of a blob can't be kept");
    }
    Ok(blocks)
}

/// A content that is compared with its file.
struct Check {
    size: u64,
    crc64: crc64fast::Digest,
    /// Only where the file has no CRC-64.
    md5: Option<Md5>,
}

impl Check {
    fn of(file: &File) -> Self {
        Self {
            size: 0,
            crc64: crc64fast::Digest::new(),
            md5: file.crc64.is_none().then(Md5::new),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.crc64.write(bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    fn fits(&self, file: &File) -> bool {
        let md5 = self.md5.as_ref();
        self.size == file.size
            && file.crc64.is_none_or(|crc64| crc64 == self.crc64.sum64())
            && md5.is_none_or(|md5| hex(&md5.clone().finalize()) == file.etag)
    }
}

/// What names the version of a file, also in an answer without its bytes.
fn identity(file: &File) -> Vec<(HeaderName, String)> {
    let crc64 = file.crc64.map(|crc64| (CRC64, crc64.to_string()));
    let lines = [
        (ETAG, format!("\"{}\"", file.etag)),
        (LAST_MODIFIED, file.modified.http_date()),
        (CACHE_CONTROL, "private, no-store".to_owned()),
    ];
    lines.into_iter().chain(crc64).collect()
}

fn response(status: StatusCode, body: Body, lines: &[(HeaderName, String)]) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in lines {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

/// A download under this name: plain ASCII for old clients (RFC 6266), and the name itself in UTF-8 (RFC 8187).
fn attachment(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|char| {
            if char.is_ascii_alphanumeric() || " .-_()".contains(char) {
                char
            } else {
                '_'
            }
        })
        .collect();
    let mut header = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_".contains(&byte) {
            header.push(char::from(byte));
        } else {
            header.push_str(&format!("%{byte:02X}"));
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_not_break_out_of_the_header() {
        assert_eq!(
            attachment("a b.txt"),
            "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt"
        );
        assert_eq!(
            attachment("\"; x=\"ü%2e"),
            "attachment; filename=\"__ x___%2e\"; filename*=UTF-8''%22%3B%20x%3D%22%C3%BC%252e"
                .replace("%2e\";", "_2e\";")
        );
    }
}
