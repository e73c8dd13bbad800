//! PUT: the bytes of a large file first, made durable, then one transaction that publishes them. Those of a small
//! file are part of that transaction.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{
    CONTENT_RANGE, ETAG, IF_MODIFIED_SINCE, IF_RANGE, IF_UNMODIFIED_SINCE, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderValue};

use super::CRC64;
use super::digests::Digests;
use super::incoming::Incoming;
use crate::crash;
use crate::http::body::{self, Broken};
use crate::http::xml::ObjectFailure;
use crate::http::{App, conditions};
use crate::metadata::{Conditions, Content, FileKey, MAX_INLINE_BYTES, StoreError};
use crate::sums::Sums;

pub(super) async fn put(
    app: Arc<App>,
    key: FileKey,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Response, ObjectFailure> {
    let length = check_headers(headers, app.limits.object_bytes)?;
    let digests = Digests::of(headers)?;
    let conditions = conditions::of_upload(headers)?;
    // Before the bytes come: whoever can't succeed learns it now. What counts is the check in the transaction.
    let etag = match app.metadata.file(&key).await {
        Ok(file) => Some(file.etag),
        Err(StoreError::NoFile) => None,
        Err(error) => return Err(error.into()),
    };
    if !conditions.are_met_by(etag.as_deref()) {
        return Err(ObjectFailure::precondition());
    }

    if length > MAX_INLINE_BYTES {
        app.metadata.check_space().await?;
    }
    crash::point("upload-before-first-byte");
    let mut upload = Incoming::begin(&app.blobs, length)?;
    if let Err(failure) = receive(&app, &mut upload, body, length, &digests).await {
        upload.abort().await;
        return Err(failure);
    }
    // A task of its own: a client that goes away now must not stop it halfway.
    let sums = tokio::spawn(publish(app, key, upload, conditions))
        .await
        .map_err(|_| ObjectFailure::unavailable())??;
    let mut response = Response::new(Body::empty());
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", sums.etag)) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
        .headers_mut()
        .insert(CRC64, HeaderValue::from(sums.crc64));
    Ok(response)
}

/// Refuses what would not be stored as it is meant, and returns the length.
fn check_headers(headers: &HeaderMap, max: u64) -> Result<u64, ObjectFailure> {
    let changes_meaning = [
        CONTENT_RANGE.as_str(),
        IF_MODIFIED_SINCE.as_str(),
        IF_UNMODIFIED_SINCE.as_str(),
        IF_RANGE.as_str(),
        "x-amz-copy-source",
        "x-oss-copy-source",
        "x-amz-decoded-content-length",
        "x-oss-forbid-overwrite",
    ];
    if body::is_encoded(headers) {
        return Err(ObjectFailure::unsupported_encoding());
    }
    if changes_meaning
        .iter()
        .any(|name| headers.contains_key(*name))
    {
        return Err(ObjectFailure::unsupported_header());
    }
    match body::content_length(headers) {
        Some(length) if !headers.contains_key(TRANSFER_ENCODING) => {
            if length > max {
                Err(ObjectFailure::too_large())
            } else {
                Ok(length)
            }
        }
        _ => Err(ObjectFailure::missing_length()),
    }
}

/// Takes the body in, and checks that it is what was announced.
async fn receive(
    app: &App,
    upload: &mut Incoming,
    body: &mut Body,
    length: u64,
    digests: &Digests,
) -> Result<(), ObjectFailure> {
    let mut pace = body::pace(&app.limits);
    while let Some(bytes) = body::next(body, &mut pace)
        .await
        .map_err(|broken| match broken {
            Broken::Cut => ObjectFailure::incomplete(),
            Broken::Slow => ObjectFailure::timeout(),
        })?
    {
        // Hyper ends a body where its length does; what is gathered in memory does not rest on that alone.
        if upload.size() + bytes.len() as u64 > length {
            return Err(ObjectFailure::incomplete());
        }
        upload.write(bytes).await?;
    }
    if upload.size() != length {
        return Err(ObjectFailure::incomplete());
    }
    digests.check(upload.hasher())
}

/// Makes the bytes durable and then the file. What is returned an uploader can hold against what it sent.
async fn publish(
    app: Arc<App>,
    key: FileKey,
    upload: Incoming,
    conditions: Conditions,
) -> Result<Sums, ObjectFailure> {
    crash::point("upload-before-blob");
    let file = upload.finish().await?;
    crash::point("upload-after-blob");
    let blob = match &file.content {
        Content::Inline(_) => None,
        Content::Blob(blob) => Some(blob.clone()),
    };
    let sums = file.sums.clone();
    match app
        .metadata
        .put_file(&key, file, conditions, app.now())
        .await
    {
        Ok(replaced) => {
            crash::point("upload-after-publish");
            if replaced {
                app.wake.wake();
            }
            Ok(sums)
        }
        Err(error) => {
            // Only where it is certain that no row names the blob. A commit that failed may still turn out to
            // be on disk; then the next start decides.
            if matches!(
                error,
                StoreError::Stale
                    | StoreError::Precondition
                    | StoreError::TooManyFiles
                    | StoreError::Full
            ) && let Some(blob) = blob
                && let Err(error) = app.blobs.delete(&blob).await
            {
                tracing::warn!(%error, "a refused upload left its bytes behind; the next start moves them to the quarantine");
            }
            Err(error.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use crate::{Limits, Server};

    async fn send(server: &Server, request: &str) -> String {
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let read = stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..read]).into_owned()
    }

    #[tokio::test]
    async fn a_body_that_stands_still_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits {
            idle_time: Duration::from_millis(100),
            ..Limits::default()
        };
        let settings = Server::builder().data_dir(folder.path()).limits(limits);
        let server = settings.start().await.unwrap();
        let sdk = async |call: &str| {
            let head = "host: x\r\nauthorization: Bearer k\r\ncontent-length: 0\r\n\r\n";
            send(&server, &format!("{call} HTTP/1.1\r\n{head}")).await
        };
        let field = |answer: &str, name: &str| {
            answer
                .split(&format!("\"{name}\":\""))
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_owned()
        };
        let id = field(
            &sdk("GET /sdk/GetContext?name=c&allowCreate=true").await,
            "id",
        );
        let url = field(
            &sdk(&format!(
                "POST /sdk/GetContextFileUploadUrl?contextId={id}&filePath=/f"
            ))
            .await,
            "url",
        );
        let target = url.strip_prefix(server.url()).unwrap();
        let answer = send(
            &server,
            &format!("PUT {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf"),
        )
        .await;
        assert!(
            answer.starts_with("HTTP/1.1 408 ") && answer.contains("<Code>RequestTimeout</Code>"),
            "{answer}"
        );
        let control = "POST /sdk/ClearContext?id=x HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\ncontent-length: 9\r\n\r\n{";
        let answer = send(&server, control).await;
        assert!(
            answer.starts_with("HTTP/1.1 408 ") && answer.contains("RequestTimeout"),
            "{answer}"
        );
        let listing = sdk(&format!("POST /sdk/DescribeContextFiles?contextId={id}")).await;
        assert!(listing.contains("\"count\":0"), "{listing}");
    }
}
