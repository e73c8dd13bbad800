//! Uploads. A large content becomes a durable blob before a transaction publishes the file. A small content is part of
//! that transaction.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{
    CONTENT_RANGE, ETAG, IF_MODIFIED_SINCE, IF_RANGE, IF_UNMODIFIED_SINCE, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderValue};

use super::conditions::upload_conditions;
use super::digests::Digests;
use super::incoming_content::IncomingContent;
use super::upload_lease::UploadLease;
use super::{CRC64, ObjectError};
use crate::checksums::Checksums;
use crate::crash;
use crate::http::App;
use crate::http::body::{self, BodyError};
use crate::http::upload_reservations::Reservation;
use crate::metadata::{Conditions, Content, FileKey, MAX_INLINE_BYTES, Quotas, StoreError};

pub(super) async fn put(
    app: Arc<App>,
    key: FileKey,
    quotas: Quotas,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Response, ObjectError> {
    let length = check_headers(headers, app.limits.object_bytes)?;
    let digests = Digests::parse(headers)?;
    let conditions = upload_conditions(headers)?;
    let reservation = prepare(&app, &key, length, &conditions, &quotas).await?;
    if length > MAX_INLINE_BYTES {
        app.metadata.check_space().await?;
    }
    crash::point("upload-before-first-byte");
    let mut content = IncomingContent::begin(&app.blobs, length, digests.need_sha256()).await?;
    let mut lease = match content.blob() {
        Some(blob) => {
            Some(UploadLease::begin(app.metadata.clone(), blob, app.metrics.leases()).await?)
        }
        None => None,
    };
    let received = tokio::select! {
        received = receive(&app, &mut content, body, length, &digests) => received,
        expired = lost(&mut lease) => Err(expired.into()),
    };
    let checksums = match received {
        Ok(checksums) => checksums,
        Err(error) => {
            if content.abort().await {
                forget(&lease).await;
            }
            return Err(error);
        }
    };
    // In a separate task, because a disconnect of the client must not cancel it.
    let received = Received {
        content,
        checksums,
        lease,
        reservation,
    };
    let checksums = tokio::spawn(publish(app, key, received, conditions, quotas))
        .await
        .map_err(|_| ObjectError::unavailable())??;
    let mut response = Response::new(Body::empty());
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", checksums.etag)) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
        .headers_mut()
        .insert(CRC64, HeaderValue::from(checksums.crc64));
    Ok(response)
}

/// Checks conditions and quotas early, before the body is received. The checks in the transaction are decisive. Returns the share
/// of the quotas that the upload reserves.
async fn prepare(
    app: &App,
    key: &FileKey,
    length: u64,
    conditions: &Conditions,
    quotas: &Quotas,
) -> Result<Option<Reservation>, ObjectError> {
    let prepared = app.metadata.prepare_upload(key, length, quotas).await;
    let etag = match &prepared {
        Ok(prepared) => prepared.replaced.as_ref().map(|file| file.etag.clone()),
        // A condition that is not met is reported first, as in the transaction.
        Err(StoreError::QuotaExceeded(_)) if *conditions != Conditions::default() => {
            match app.metadata.file(key).await {
                Ok(file) => Some(file.etag),
                Err(StoreError::NoFile) => None,
                Err(error) => return Err(error.into()),
            }
        }
        Err(error) => return Err(rejected(app, error.clone())),
    };
    if !conditions.are_met_by(etag.as_deref()) {
        return Err(ObjectError::precondition());
    }
    let prepared = prepared.map_err(|error| rejected(app, error))?;
    // A small content is stored by the transaction that checks the quotas.
    if length <= MAX_INLINE_BYTES {
        return Ok(None);
    }
    app.reservations
        .reserve(key, length, &prepared, quotas)
        .map_err(|quota| rejected(app, StoreError::QuotaExceeded(quota)))
}

/// Counts a rejection by a quota, and returns the error of the response.
fn rejected(app: &App, error: StoreError) -> ObjectError {
    if let StoreError::QuotaExceeded(quota) = &error {
        app.metrics.count_quota_rejection(quota.kind.as_str());
    }
    error.into()
}

/// Rejects headers that would change the stored content, and returns the length.
fn check_headers(headers: &HeaderMap, max: u64) -> Result<u64, ObjectError> {
    let unsupported = [
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
        return Err(ObjectError::unsupported_encoding());
    }
    if unsupported.iter().any(|name| headers.contains_key(*name)) {
        return Err(ObjectError::unsupported_header());
    }
    match body::content_length(headers) {
        Some(length) if !headers.contains_key(TRANSFER_ENCODING) => {
            if length > max {
                Err(ObjectError::too_large())
            } else {
                Ok(length)
            }
        }
        _ => Err(ObjectError::missing_length()),
    }
}

/// Receives the body and checks its length and checksums. Returns its checksums.
async fn receive(
    app: &App,
    content: &mut IncomingContent,
    body: &mut Body,
    length: u64,
    digests: &Digests,
) -> Result<Checksums, ObjectError> {
    let mut rate = body::minimum_rate(&app.limits);
    while let Some(bytes) = body::next(body, &mut rate)
        .await
        .map_err(|error| match error {
            BodyError::Incomplete => ObjectError::incomplete(),
            BodyError::Timeout => ObjectError::timeout(),
        })?
    {
        // Hyper enforces the length, too. This check protects the memory of small contents.
        if content.size() + bytes.len() as u64 > length {
            return Err(ObjectError::incomplete());
        }
        content.write(bytes).await?;
    }
    if content.size() != length {
        return Err(ObjectError::incomplete());
    }
    let checksums = content.checksums().await?;
    digests.check(&checksums)?;
    Ok(checksums)
}

/// A content that was received completely.
struct Received {
    content: IncomingContent,
    checksums: Checksums,
    lease: Option<UploadLease>,
    reservation: Option<Reservation>,
}

/// Makes the content durable and publishes the file. Returns the checksums of the content.
async fn publish(
    app: Arc<App>,
    key: FileKey,
    received: Received,
    conditions: Conditions,
    quotas: Quotas,
) -> Result<Checksums, ObjectError> {
    let Received {
        content,
        checksums,
        lease,
        reservation,
    } = received;
    crash::point("upload-before-blob");
    let file = content.finish(checksums).await?;
    crash::point("upload-after-blob");
    // Before the commit, so that no other upload counts the file twice.
    drop(reservation);
    let blob = match &file.content {
        Content::Inline(_) => None,
        Content::Blob(blob) => Some(blob.clone()),
    };
    let checksums = file.checksums.clone();
    match app
        .metadata
        .put_file(&key, file, conditions, &quotas, app.now())
        .await
    {
        Ok(replaced) => {
            crash::point("upload-after-publish");
            if replaced {
                app.wake.wake();
            }
            Ok(checksums)
        }
        Err(error) => {
            // Only if certainly no row references the blob. A failed commit may still be on disk. The next start decides
            // about its blob.
            if matches!(
                error,
                StoreError::Stale
                    | StoreError::Precondition
                    | StoreError::QuotaExceeded(_)
                    | StoreError::Full
                    | StoreError::UploadExpired
            ) && let Some(blob) = blob
            {
                match app.blobs.delete(&blob).await {
                    Ok(()) => forget(&lease).await,
                    Err(error) => {
                        tracing::warn!(%error, "can't delete the content of a rejected upload; it is moved to the quarantine later");
                    }
                }
            }
            Err(rejected(&app, error))
        }
    }
}

/// Waits until the lease of an upload is lost. Never returns for a small content, which has none.
async fn lost(lease: &mut Option<UploadLease>) -> StoreError {
    match lease {
        Some(lease) => lease.lost().await,
        None => std::future::pending().await,
    }
}

/// Ends the lease of an upload whose bytes are deleted.
async fn forget(lease: &Option<UploadLease>) {
    if let Some(lease) = lease {
        lease.forget().await;
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
    async fn an_idle_body_times_out() {
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
