//! Listings.

use std::{collections::BTreeSet, time::SystemTime};

use agbcloud::{FileEntry, MAX_PAGE_SIZE};
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{ListResult, ObjectMeta, Result, path::Path};

use crate::{
    error::{generic, of_listing},
    location::{folder_path, location_of},
    store::ContextStore,
};

impl ContextStore {
    /// Lists all files below a folder, folder by folder.
    pub(crate) fn list_all(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let folder = match folder_path(prefix) {
            Ok(folder) => folder,
            Err(error) => return futures_util::stream::iter([Err(error)]).boxed(),
        };
        let listing = self.files().list().folder(folder).page_size(MAX_PAGE_SIZE);
        let prefix = prefix.cloned();
        listing
            .prefetch(true)
            .walk()
            .map_err(move |error| of_listing(prefix.as_ref(), error))
            .try_filter_map(async |entry| match entry.is_folder() {
                true => Ok(None),
                false => meta_of(&entry).map(Some),
            })
            .boxed()
    }

    /// Lists one folder.
    pub(crate) async fn list_folder(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let folder = folder_path(prefix)?;
        let below = match folder.as_str() {
            "/" => "/".to_owned(),
            folder => format!("{folder}/"),
        };
        let listing = self.files().list().folder(folder).page_size(MAX_PAGE_SIZE);
        let mut entries = listing.prefetch(true).by_item();
        let (mut folders, mut objects) = (BTreeSet::new(), Vec::new());
        while let Some(entry) = entries.next().await {
            let entry = entry.map_err(|error| of_listing(prefix, error))?;
            let path = entry.path.trim_end_matches('/');
            // A service may return the folder itself, or entries of its subfolders.
            let Some(name) = path.strip_prefix(&below) else {
                continue;
            };
            match name.split_once('/') {
                Some((folder, _)) => {
                    folders.insert(location_of(&format!("{below}{folder}"))?);
                }
                None if entry.is_folder() => {
                    folders.insert(location_of(path)?);
                }
                None => objects.push(meta_of(&entry)?),
            }
        }
        Ok(ListResult {
            common_prefixes: folders.into_iter().collect(),
            objects,
            extensions: Default::default(),
        })
    }
}

/// Converts an entry of a listing.
pub(crate) fn meta_of(entry: &FileEntry) -> Result<ObjectMeta> {
    let location = location_of(&entry.path)?;
    // Readers use the size to find the end of a file.
    let size = entry.size.ok_or_else(|| {
        let message = format!("the service does not report the size of {location}");
        generic(message)
    })?;
    let time = entry.modified_at.as_ref().or(entry.created_at.as_ref());
    let modified = time.and_then(|time| time.to_system_time());
    Ok(ObjectMeta {
        location,
        last_modified: modified.unwrap_or(SystemTime::UNIX_EPOCH).into(),
        size,
        e_tag: entry.etag.clone(),
        version: None,
    })
}
