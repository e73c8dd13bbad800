//! `resources/read`.

use agbcloud::{FolderPath, RemotePath};
use base64::{Engine, prelude::BASE64_STANDARD};
use rmcp::model::{JsonObject, MetaObject, ReadResourceResult, ResourceContents};
use serde_json::{Value, json};

use super::list::LISTING;
use crate::{
    content::{NOTICE, as_text},
    failure::{Failure, Result},
    limits::{DEFAULT_ENTRIES, MAX_RESOURCE_BYTES},
    scope::Place,
    state::State,
    tools::whole_file,
    uri,
};

/// Key of the notice in `_meta`.
const NOTICE_KEY: &str = "agb/notice";

/// Reads a file, or lists a folder whose path ends with a slash.
///
/// # Errors
///
/// `too_large` for a file of more than 1 MiB, `not_allowed` for another context than that of the server.
pub(crate) async fn read(state: &State, given: &str) -> Result<ReadResourceResult> {
    let address = uri::parse(given)?;
    let place = state.scope.place(Some(&address.context)).await?;
    let contents = match address.path.ends_with('/') {
        true => list_folder(&place, &address.path, given).await?,
        false => read_file(&place, &address.path, given).await?,
    };
    let notice = Value::from(NOTICE);
    let meta = MetaObject(JsonObject::from_iter([(NOTICE_KEY.to_owned(), notice)]));
    Ok(ReadResourceResult::new(vec![contents.with_meta(meta)]))
}

async fn read_file(place: &Place, path: &str, uri: &str) -> Result<ResourceContents> {
    let path = RemotePath::new(path)?;
    let next_step = "call the tool read_file with offset for parts, or with presigned_url true for a URL of the whole file";
    let file = whole_file(place, &path, MAX_RESOURCE_BYTES, next_step).await?;
    Ok(match as_text(&file.bytes) {
        Some(text) => ResourceContents::text(text, uri),
        None => ResourceContents::blob(BASE64_STANDARD.encode(&file.bytes), uri)
            .with_mime_type("application/octet-stream"),
    })
}

async fn list_folder(place: &Place, path: &str, uri: &str) -> Result<ResourceContents> {
    let folder = FolderPath::new(path)?;
    let listing = place.files.list().folder(&folder);
    let mut items = listing.page_size(DEFAULT_ENTRIES).by_item();
    let mut entries = Vec::new();
    while entries.len() < DEFAULT_ENTRIES as usize {
        let Some(entry) = items.next().await else {
            break;
        };
        let entry = entry?;
        let suffix = if entry.is_folder() { "/" } else { "" };
        let path = format!("{}{suffix}", entry.path.trim_end_matches('/'));
        entries.push(json!({ "uri": place.uri(&path), "kind": entry.kind, "size": entry.size }));
    }
    let is_truncated = items.continuation().is_some();
    if entries.is_empty() && !folder.is_root() {
        return Err(Failure::new(
            "not_found",
            format!("there is nothing in {path}"),
            "call list_files to find the folder, and remove the slash at the end of a file",
        ));
    }
    let mut answer = json!({ "entries": entries, "truncated": is_truncated });
    if is_truncated {
        answer["next"] = Value::from("call the tool list_files, which returns all pages");
    }
    Ok(ResourceContents::text(answer.to_string(), uri).with_mime_type(LISTING))
}
