//! GET and HEAD: a file or a part of it, inert in a browser.

use std::ops::Range;

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, RANGE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::CRC64;
use crate::blobs::BlobError;
use crate::http::App;
use crate::http::conditions::{self, Download};
use crate::http::range::{self, Asked};
use crate::http::xml::ObjectFailure;
use crate::metadata::{Content, File, FileKey};

/// How often a file may be replaced between finding it and opening it.
const ATTEMPTS: usize = 16;

pub(super) async fn get(
    app: &App,
    key: &FileKey,
    request: &Parts,
) -> Result<Response, ObjectFailure> {
    for _ in 0..ATTEMPTS {
        // Who asks for the head alone does not need the content.
        let (file, content) = if request.method == Method::HEAD {
            (app.metadata.file(key).await?, None)
        } else {
            let (file, content) = app.metadata.open_file(key).await?;
            (file, Some(content))
        };
        match answer(app, key, &file, content, request).await {
            // The file was replaced a moment ago, and the worker was quick: there is a newer one.
            Err(Trouble::Replaced) => {}
            Err(Trouble::Failure(failure)) => return Err(failure),
            Ok(response) => return Ok(response),
        }
    }
    tracing::error!("the bytes of a file are not there");
    Err(ObjectFailure::internal())
}

enum Trouble {
    Replaced,
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
    content: Option<Content>,
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
        Some(content) if !part.is_empty() => body(app, content, part).await?,
        _ => Body::empty(),
    };
    Ok(response(status, body, &lines))
}

async fn body(app: &App, content: Content, part: Range<u64>) -> Result<Body, Trouble> {
    match content {
        Content::Small(bytes) => {
            let within = |at: u64| usize::try_from(at).ok().filter(|at| *at <= bytes.len());
            match (within(part.start), within(part.end)) {
                (Some(start), Some(end)) => Ok(Body::from(bytes.slice(start..end))),
                _ => {
                    tracing::error!("the content of a small file is shorter than it");
                    Err(ObjectFailure::internal().into())
                }
            }
        }
        Content::Blob(blob) => match app.blobs.read(&blob, part).await {
            Ok(chunks) => Ok(Body::from_stream(chunks)),
            Err(BlobError::Missing) => Err(Trouble::Replaced),
            Err(error) => Err(ObjectFailure::from(error).into()),
        },
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
