//! The operations on the files of a context.

use agbcloud_api::types::{FileEntry, FileListData};
use axum::response::Response;

use super::envelope::success;
use super::{Call, ControlError, stale_listing};
use crate::metadata::ListedEntry;
use crate::names::FolderPath;

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

pub(super) async fn delete(call: Call) -> Result<Response, ControlError> {
    let (id, path) = (call.params.id("contextId")?, call.params.file_path()?);
    call.app
        .metadata
        .delete_file(&call.tenant, id, &path, call.app.now())
        .await?;
    call.app.wake.wake();
    Ok(success!(call, DeleteContextFileResponse))
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
