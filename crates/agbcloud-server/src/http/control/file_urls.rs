//! The operations that return presigned URLs: of one file, and of many by the extension `file-urls`.
//!
//! All of them issue URLs by the same code. A call for many files holds one permit of its tenant and reads the database by one
//! statement after the other, so at any time it takes no more of the service than a call for one file.

use std::time::Duration;

use agbcloud_api::extensions::{
    FileUrlOperation, FileUrlResult, GetContextFileUrlsResponse, MAX_FILE_URLS,
};
use agbcloud_api::types::{ExpireTime, FileUrl};
use axum::response::Response;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::envelope::{json, success};
use super::params::parse_file_path;
use super::{Call, ControlError};
use crate::blobs::DownloadHeaders;
use crate::http::attachment::attachment;
use crate::limits::Limits;
use crate::metadata::{Content, Context, ContextState, FileKey};
use crate::names::FilePath;
use crate::signing::url::Grant;

/// Maximum lifetime of a URL of the blob store: it can't be revoked.
const MAX_DIRECT_TTL: Duration = Duration::from_secs(300);
/// The last use is only updated when it is older than this, so that not every URL costs a write.
const TOUCH_AFTER_MICROS: i64 = 60_000_000;

pub(super) async fn upload(call: Call) -> Result<Response, ControlError> {
    let url = one(&call, FileUrlOperation::Upload).await?;
    Ok(success!(call, GetContextFileUploadUrlResponse, data: Some(url)))
}

pub(super) async fn download(call: Call) -> Result<Response, ControlError> {
    let url = one(&call, FileUrlOperation::Download).await?;
    Ok(success!(call, GetContextFileDownloadUrlResponse, data: Some(url)))
}

async fn one(call: &Call, operation: FileUrlOperation) -> Result<FileUrl, ControlError> {
    call.params.id("contextId")?;
    let path = call.params.file_path()?;
    let urls = issue(call, operation, vec![path]).await?;
    urls.into_iter()
        .next()
        .unwrap_or_else(|| Err(ControlError::internal()))
}

/// Returns the URLs of many files. An invalid path or a missing file fails for itself.
///
/// # Errors
///
/// What concerns all files, and failures of the service: the caller repeats the call, instead of one for each file.
pub(super) async fn many(call: Call) -> Result<Response, ControlError> {
    call.params.id("contextId")?;
    let (operation, names) = parse_body(&call.body, &call.app.limits)?;
    let parsed: Vec<_> = names.iter().map(|name| parse_file_path(name)).collect();
    let valid = parsed.iter().filter_map(|path| path.clone().ok()).collect();
    let mut urls = issue(&call, operation, valid).await?.into_iter();
    let mut data = Vec::with_capacity(names.len());
    for (name, path) in names.into_iter().zip(parsed) {
        let url = match path {
            Ok(_) => urls.next().unwrap_or_else(|| Err(ControlError::internal())),
            Err(error) => Err(error),
        };
        data.push(to_wire(name, url));
    }
    let envelope = GetContextFileUrlsResponse {
        request_id: Some(call.request_id.clone()),
        success: Some(true),
        code: Some("ok".to_owned()),
        message: Some(String::new()),
        http_status_code: Some(200),
        data: Some(data),
    };
    Ok(json(StatusCode::OK, &envelope))
}

/// Issues the URLs of files. Their results are in the same order.
///
/// # Errors
///
/// What concerns all files, and failures of the service.
async fn issue(
    call: &Call,
    operation: FileUrlOperation,
    paths: Vec<FilePath>,
) -> Result<Vec<Result<FileUrl, ControlError>>, ControlError> {
    let id = call.params.id("contextId")?;
    let context = call.app.metadata.context_by_id(&call.tenant, id).await?;
    let context = context.ok_or_else(ControlError::no_context)?;
    let is_upload = operation == FileUrlOperation::Upload;
    if is_upload && call.state(&context) == ContextState::Clearing {
        return Err(ControlError::clearing());
    }
    let mut urls = Vec::with_capacity(paths.len());
    match operation {
        FileUrlOperation::Upload => {
            for path in paths {
                let url = signed_url(call, &Method::PUT, &context, path).await;
                urls.push(own_result(url)?);
            }
        }
        FileUrlOperation::Download if call.app.direct_downloads => {
            for path in paths {
                let url = direct_or_signed_url(call, &context, path).await;
                urls.push(own_result(url)?);
            }
        }
        FileUrlOperation::Download => {
            let keys = paths.into_iter().map(|path| file_key(call, &context, path));
            let keys: Vec<_> = keys.collect();
            let files = call.app.metadata.files(keys.clone()).await;
            for (key, file) in keys.into_iter().zip(files) {
                let url = match file {
                    Ok(_) => signed_url(call, &Method::GET, &context, key.path).await,
                    Err(error) => Err(error.into()),
                };
                urls.push(own_result(url)?);
            }
        }
    }
    update_last_use(call, &context).await;
    let issued = urls.iter().filter(|url| url.is_ok()).count();
    call.app.metrics.count_urls(operation, issued);
    Ok(urls)
}

/// Returns the result of one file.
///
/// # Errors
///
/// A failure of the service, which the other files would have too.
fn own_result<T>(result: Result<T, ControlError>) -> Result<Result<T, ControlError>, ControlError> {
    match result {
        Err(error) if error.is_service_failure() => Err(error),
        result => Ok(result),
    }
}

fn file_key(call: &Call, context: &Context, path: FilePath) -> FileKey {
    FileKey {
        tenant: call.tenant.clone(),
        context: context.id.clone(),
        generation: context.generation,
        path,
    }
}

/// Returns a URL of the blob store if the content is a blob.
async fn direct_or_signed_url(
    call: &Call,
    context: &Context,
    path: FilePath,
) -> Result<FileUrl, ControlError> {
    let key = file_key(call, context, path);
    let opened = call.app.metadata.open_file(&key).await?;
    if let Content::Blob(blob) = opened.content
        && let Some(url) = direct_url(call, &key.path, &blob).await
    {
        return Ok(url);
    }
    signed_url(call, &Method::GET, context, key.path).await
}

async fn direct_url(call: &Call, path: &FilePath, blob: &str) -> Option<FileUrl> {
    let ttl = call.app.url_ttl.min(MAX_DIRECT_TTL);
    let headers = DownloadHeaders {
        disposition: &attachment(path.name()),
        content_type: "application/octet-stream",
        cache_control: "private, no-store",
    };
    match call.app.blobs.download_url(blob, headers, ttl).await {
        Ok(url) => Some(FileUrl {
            url: Some(url.into()),
            expire_time: Some(ExpireTime::Integer(
                i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX),
            )),
        }),
        // Such as temporary credentials that can't be renewed. The service has its own way to the store.
        Err(error) => {
            tracing::warn!(%error, request_id = call.request_id, "can't sign a direct download");
            None
        }
    }
}

async fn signed_url(
    call: &Call,
    method: &Method,
    context: &Context,
    path: FilePath,
) -> Result<FileUrl, ControlError> {
    let ttl = i64::try_from(call.app.url_ttl.as_secs()).unwrap_or(i64::MAX);
    let grant = Grant {
        tenant: call.tenant.clone(),
        context: context.id.clone(),
        generation: context.generation,
        path,
        expires: call.app.now().seconds().saturating_add(ttl),
        issuer: call.issuer.clone(),
    };
    let url = format!(
        "{}{}",
        call.app.public_url,
        call.app.keys.ring().await?.sign(method, &grant)
    );
    Ok(FileUrl {
        url: Some(url.into()),
        expire_time: Some(ExpireTime::Integer(ttl)),
    })
}

/// Updates the last use of a context. A failure is only logged, because the URL is valid anyway.
async fn update_last_use(call: &Call, context: &Context) {
    let now = call.app.now();
    if now.0.saturating_sub(context.last_used.0) > TOUCH_AFTER_MICROS
        && let Err(error) = call
            .app
            .metadata
            .touch_context(&call.tenant, &context.id, now)
            .await
    {
        tracing::warn!(%error, request_id = call.request_id, "can't update the last use of a context");
    }
}

fn to_wire(name: String, url: Result<FileUrl, ControlError>) -> FileUrlResult {
    match url {
        Ok(url) => FileUrlResult {
            file_path: Some(name),
            url: url.url,
            expire_time: url.expire_time,
            ..FileUrlResult::default()
        },
        Err(error) => {
            let (status, code, message) = error.into_parts();
            FileUrlResult {
                file_path: Some(name),
                code: Some(code),
                message: Some(message),
                http_status_code: Some(status.as_u16().into()),
                ..FileUrlResult::default()
            }
        }
    }
}

/// The body of a call for many files, field by field.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    operation: Option<Value>,
    file_paths: Option<Value>,
}

fn parse_body(
    body: &[u8],
    limits: &Limits,
) -> Result<(FileUrlOperation, Vec<String>), ControlError> {
    let body: Body = match body {
        [] => Body::default(),
        // A repeated field is an error too.
        body => serde_json::from_slice(body)
            .map_err(|_| explain_body(ControlError::invalid_body(), limits))?,
    };
    let what = "`upload` or `download`";
    let operation = body
        .operation
        .ok_or_else(|| ControlError::missing("operation", what))?;
    let operation = serde_json::from_value(operation)
        .map_err(|_| ControlError::invalid("operation", &format!("give {what}")))?;
    let what = format!("an array of 1 to {MAX_FILE_URLS} absolute paths of files");
    let paths = body
        .file_paths
        .ok_or_else(|| ControlError::missing("filePaths", &what))?;
    let paths: Option<Vec<String>> = serde_json::from_value(paths).ok();
    let paths = paths.filter(|paths| (1..=MAX_FILE_URLS).contains(&paths.len()));
    let paths = paths.ok_or_else(|| ControlError::invalid("filePaths", &format!("give {what}")))?;
    Ok((operation, paths))
}

/// Describes the body that the call for many files requires.
pub(super) fn explain_body(error: ControlError, limits: &Limits) -> ControlError {
    error.with_message(format!(
        "send a JSON object with `operation` and `filePaths` of at most {} bytes, without Content-Encoding: give fewer paths in one call",
        limits.body_bytes
    ))
}
