//! Downloads of a file or a part of it, with headers that prevent execution in a browser.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_util::TryStreamExt;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, RANGE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use md5::{Digest, Md5};

use super::conditions::{self, RequestedRange};
use super::{CRC64, ObjectError};
use crate::blobs::{BlobError, Blobs, BlockChecksums};
use crate::http::attachment::attachment;
use crate::http::{App, RequestId};
use crate::metadata::{Content, File, FileKey, Metadata, StoreError};
use crate::metrics::Metrics;

/// Maximum number of attempts if the file is replaced while it is opened.
const ATTEMPTS: usize = 16;

pub(super) async fn get(
    app: &App,
    key: &FileKey,
    request: &Parts,
) -> Result<Response, ObjectError> {
    let mut missing = String::new();
    for _ in 0..ATTEMPTS {
        // HEAD does not need the content.
        let (file, content) = if request.method == Method::HEAD {
            (app.metadata.file(key).await?, None)
        } else {
            let opened = match app.metadata.open_file(key).await {
                Err(StoreError::Damaged(reason)) => {
                    DamageReporter::new(app, request).report("", &reason);
                    return Err(ObjectError::damaged());
                }
                opened => opened?,
            };
            (opened.file, Some((opened.content, opened.blocks)))
        };
        match respond(app, key, &file, content, request).await {
            // The file was replaced, and its previous blob is already deleted. Retries with the new version.
            Err(DownloadError::BlobMissing(blob)) => missing = blob,
            Err(DownloadError::Object(error)) => return Err(error),
            Ok(response) => return Ok(response),
        }
    }
    DamageReporter::new(app, request).report(&missing, &"the blob is missing");
    Err(ObjectError::damaged())
}

enum DownloadError {
    /// The blob with this name does not exist.
    BlobMissing(String),
    Object(ObjectError),
}

impl From<ObjectError> for DownloadError {
    fn from(error: ObjectError) -> Self {
        Self::Object(error)
    }
}

async fn respond(
    app: &App,
    key: &FileKey,
    file: &File,
    content: Option<(Content, Option<BlockChecksums>)>,
    request: &Parts,
) -> Result<Response, DownloadError> {
    let headers = &request.headers;
    if !conditions::is_modified(headers, file)? {
        return Ok(response(
            StatusCode::NOT_MODIFIED,
            Body::empty(),
            &identity(file),
        ));
    }
    let range = match headers.get(RANGE).map(|value| value.to_str()) {
        Some(Ok(value)) if conditions::range_applies(headers, file) => {
            conditions::parse_range(value, file.size)
        }
        _ => RequestedRange::Whole,
    };
    let (status, part) = match range {
        RequestedRange::Whole => (StatusCode::OK, 0..file.size),
        RequestedRange::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        RequestedRange::Unsatisfiable => return Err(ObjectError::range(file.size).into()),
    };
    let mut lines = identity(file);
    lines.extend([
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_LENGTH, (part.end - part.start).to_string()),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (CONTENT_DISPOSITION, attachment(key.path.name())),
        // Prevents browsers from executing uploaded content in the origin of this service.
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
            let reporter = DamageReporter::new(app, request);
            match content {
                Content::Inline(bytes) => small_body(file, bytes, part, &reporter)?,
                Content::Blob(blob) => {
                    let blob = (blob, blocks);
                    large_body(app, key, file, blob, part, reporter).await?
                }
            }
        }
        _ => Body::empty(),
    };
    Ok(response(status, body, &lines))
}

/// Reports stored contents that are damaged or missing.
#[derive(Clone)]
struct DamageReporter {
    metrics: Arc<Metrics>,
    blobs: Blobs,
    metadata: Arc<dyn Metadata>,
    request: String,
}

impl DamageReporter {
    fn new(app: &App, request: &Parts) -> Self {
        let id = request.extensions.get::<RequestId>();
        Self {
            metrics: app.metrics.clone(),
            blobs: app.blobs.clone(),
            metadata: app.metadata.clone(),
            request: id.map(|id| id.0.clone()).unwrap_or_default(),
        }
    }

    /// Reports a download that was cut after it had begun.
    fn report_cut(&self, key: &FileKey, blob: &str, error: &BlobError) {
        match error {
            // The contents are not damaged.
            BlobError::Unavailable(_) => {
                tracing::error!(%error, request_id = self.request, "a download was cut");
            }
            // A broken read of a file that was replaced or deleted since the download began can't be resumed.
            BlobError::Missing => {
                let (reporter, key, blob) = (self.clone(), key.clone(), blob.to_owned());
                tokio::spawn(async move {
                    match reporter.metadata.open_file(&key).await {
                        Ok(opened) if opened.content == Content::Blob(blob.clone()) => {
                            reporter.report(&blob, &"the blob is missing");
                        }
                        _ => tracing::info!(
                            request_id = reporter.request,
                            "a download was cut because the file was replaced or deleted"
                        ),
                    }
                });
            }
            error => self.report(blob, error),
        }
    }

    /// Logs and counts the damage. Stops deletions from the quarantine, which may contain the missing content.
    fn report(&self, blob: &str, reason: &dyn fmt::Display) {
        tracing::error!(blob, request_id = self.request, %reason, "a stored content is damaged");
        self.metrics.count_damaged_download();
        let (blobs, metadata) = (self.blobs.clone(), self.metadata.clone());
        tokio::spawn(async move {
            if let Err(error) = blobs.report_damage().await {
                tracing::warn!(%error, "can't stop deletions from the quarantine");
            }
            if let Err(error) = metadata.hold_quarantine().await {
                tracing::warn!(%error, "can't stop deletions from the quarantine");
            }
        });
    }
}

/// Returns a verified content from the database.
fn small_body(
    file: &File,
    bytes: Bytes,
    part: Range<u64>,
    reporter: &DamageReporter,
) -> Result<Body, ObjectError> {
    let mut verifier = ContentVerifier::new(file);
    verifier.update(&bytes);
    let within = |at: u64| usize::try_from(at).ok().filter(|at| *at <= bytes.len());
    match (within(part.start), within(part.end)) {
        (Some(start), Some(end)) if verifier.matches(file) => {
            Ok(Body::from(bytes.slice(start..end)))
        }
        _ => {
            reporter.report("", &"a content in the database does not match its checksum");
            Err(ObjectError::damaged())
        }
    }
}

/// Returns a content from a blob. Each block is verified before it is sent, and the first one before the response begins.
async fn large_body(
    app: &App,
    key: &FileKey,
    file: &File,
    (blob, blocks): (String, Option<BlockChecksums>),
    part: Range<u64>,
    reporter: DamageReporter,
) -> Result<Body, DownloadError> {
    let read = async {
        let blocks = match blocks {
            Some(blocks) => blocks,
            None => compute_block_sums(app, file, &blob).await?,
        };
        app.blobs.read(&blob, file.size, part, blocks).await
    };
    match read.await {
        Ok(chunks) => {
            let key = key.clone();
            let chunks = chunks.inspect_err(move |error| reporter.report_cut(&key, &blob, error));
            Ok(Body::from_stream(chunks))
        }
        Err(BlobError::Missing) => Err(DownloadError::BlobMissing(blob)),
        Err(error @ (BlobError::Damaged(_) | BlobError::Io(_))) => {
            reporter.report(&blob, &error);
            Err(ObjectError::damaged().into())
        }
        Err(error) => Err(ObjectError::from(error).into()),
    }
}

/// Computes the block checksums of a blob that was stored by a version without them. Verifies the entire blob once.
async fn compute_block_sums(
    app: &App,
    file: &File,
    blob: &str,
) -> Result<BlockChecksums, BlobError> {
    let verifier = ContentVerifier::new(file);
    let update = ContentVerifier::update;
    let (verifier, blocks) = app.blobs.compute_checksums(blob, verifier, update).await?;
    let crc64 = verifier.crc64.sum64();
    if !verifier.matches(file) {
        return Err(BlobError::Damaged(io::Error::new(
            io::ErrorKind::InvalidData,
            "the content does not match its checksum",
        )));
    }
    let kept = app
        .metadata
        .store_block_checksums(blob.to_owned(), crc64, blocks.clone());
    if let Err(error) = kept.await {
        tracing::warn!(%error, "can't store the block checksums of a blob");
    }
    Ok(blocks)
}

/// Compares a content with the checksums of its file.
struct ContentVerifier {
    size: u64,
    crc64: crc64fast::Digest,
    /// Only used if the file has no CRC-64.
    md5: Option<Md5>,
}

impl ContentVerifier {
    fn new(file: &File) -> Self {
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

    fn matches(self, file: &File) -> bool {
        let etag = self.md5.map(|md5| HEXLOWER.encode(&md5.finalize()));
        self.size == file.size
            && file.crc64.is_none_or(|crc64| crc64 == self.crc64.sum64())
            && etag.is_none_or(|etag| etag == file.etag)
    }
}

/// Returns the headers that identify the version of a file.
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
