//! The operations on the files of a context.

use std::time::Duration;

use agbcloud_api::types::{ExpireTime, FileEntry, FileListData, FileUrl};
use axum::response::Response;
use http::Method;

use super::envelope::success;
use super::{Call, ControlError, stale_listing};
use crate::blobs::DownloadHeaders;
use crate::http::attachment::attachment;
use crate::metadata::{Content, Context, ContextState, FileKey, ListedEntry};
use crate::names::{FilePath, FolderPath};
use crate::signing::url::Grant;

/// Maximum lifetime of a URL of the blob store: it can't be revoked.
const MAX_DIRECT_TTL: Duration = Duration::from_secs(300);
/// The last use is only updated when it is older than this, so that not every URL costs a write.
const TOUCH_AFTER_MICROS: i64 = 60_000_000;

pub(super) async fn list(call: Call) -> Result<Response, ControlError> {
    let id = call.params.id("contextId")?;
    let folder = call.params.folder_path()?;
    let number = call.params.page_number()?;
    let size = call.params.page_size("pageSize", 50)?;
    let offset = (number - 1).saturating_mul(i64::from(size));
    let (store, tenant) = (&*call.app.metadata, &call.tenant);
    let page = match call.stale_until("DescribeContextFiles") {
        None => store.list_files(tenant, id, &folder, offset, size).await?,
        Some(until) => {
            stale_listing::files(store, (tenant, id, &folder), until, offset, size).await?
        }
    };
    let entries: Vec<_> = page
        .entries
        .into_iter()
        .map(|entry| to_wire(&folder, entry))
        .collect();
    Ok(success!(
        call,
        DescribeContextFilesResponse,
        data: Some(FileListData::Array(entries)),
        count: Some(page.count),
    ))
}

pub(super) async fn upload_url(call: Call) -> Result<Response, ControlError> {
    let (context, path) = context_and_path(&call).await?;
    if call.state(&context) == ContextState::Clearing {
        return Err(ControlError::clearing());
    }
    let url = signed_url(&call, &Method::PUT, &context, path).await?;
    update_last_use(&call, &context).await;
    Ok(success!(call, GetContextFileUploadUrlResponse, data: Some(url)))
}

pub(super) async fn download_url(call: Call) -> Result<Response, ControlError> {
    let (context, path) = context_and_path(&call).await?;
    let key = FileKey {
        tenant: call.tenant.clone(),
        context: context.id.clone(),
        generation: context.generation,
        path: path.clone(),
    };
    let url = match direct_url(&call, &key).await? {
        Some(url) => url,
        None => signed_url(&call, &Method::GET, &context, path).await?,
    };
    update_last_use(&call, &context).await;
    Ok(success!(call, GetContextFileDownloadUrlResponse, data: Some(url)))
}

pub(super) async fn delete(call: Call) -> Result<Response, ControlError> {
    let (id, path) = (call.params.id("contextId")?, call.params.file_path()?);
    call.app
        .metadata
        .delete_file(&call.tenant, id, &path, call.app.now())
        .await?;
    call.app.wake.wake();
    Ok(success!(call, DeleteContextFileResponse))
}

async fn context_and_path(call: &Call) -> Result<(Context, FilePath), ControlError> {
    let (id, path) = (call.params.id("contextId")?, call.params.file_path()?);
    let context = call
        .app
        .metadata
        .context_by_id(&call.tenant, id)
        .await?
        .ok_or_else(ControlError::no_context)?;
    Ok((context, path))
}

/// Checks that the file exists. Returns a URL of the blob store if downloads are direct and the content is a blob.
async fn direct_url(call: &Call, key: &FileKey) -> Result<Option<FileUrl>, ControlError> {
    if !call.app.direct_downloads {
        call.app.metadata.file(key).await?;
        return Ok(None);
    }
    let opened = call.app.metadata.open_file(key).await?;
    let Content::Blob(blob) = opened.content else {
        return Ok(None);
    };
    let ttl = call.app.url_ttl.min(MAX_DIRECT_TTL);
    let headers = DownloadHeaders {
        disposition: &attachment(key.path.name()),
        content_type: "application/octet-stream",
        cache_control: "private, no-store",
    };
    match call.app.blobs.download_url(&blob, headers, ttl).await {
        Ok(url) => Ok(Some(FileUrl {
            url: Some(url.into()),
            expire_time: Some(ExpireTime::Integer(
                i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX),
            )),
        })),
        // Such as temporary credentials that can't be renewed. The service has its own way to the store.
        Err(error) => {
            tracing::warn!(%error, request_id = call.request_id, "can't sign a direct download");
            Ok(None)
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

fn to_wire(folder: &FolderPath, entry: ListedEntry) -> FileEntry {
    FileEntry {
        file_id: Some(entry.id),
        file_path: Some(folder.join(&entry.name)),
        file_name: Some(entry.name),
        file_type: Some(if entry.folder { "folder" } else { "file" }.to_owned()),
        gmt_create: Some(entry.created.rfc3339_micros()),
        gmt_modified: Some(entry.modified.rfc3339_micros()),
        size: Some(entry.size),
        status: Some("available".to_owned()),
        e_tag: entry.etag.map(|etag| format!("\"{etag}\"")),
        crc64: entry.crc64.map(|crc64| crc64.to_string()),
    }
}
