//! `resources/list` and `resources/templates/list`.

use agbcloud::{Continuation, FileEntry};
use rmcp::model::{ListResourceTemplatesResult, ListResourcesResult, Resource, ResourceTemplate};

use crate::{
    failure::Result,
    limits::RESOURCES_PAGE,
    scope::{Place, references},
    state::State,
    tree::{Tree, TreePosition},
    uri,
};

/// The call in cursors.
const CALL: &str = "resources/list";

/// The media type of the listing of a folder.
pub(super) const LISTING: &str = "application/json";

/// Lists a page of resources: contexts, or the files of the only context.
pub(crate) async fn list(state: &State, cursor: Option<&str>) -> Result<ListResourcesResult> {
    match state.scope.confined {
        Some(_) => list_files(state, cursor).await,
        None => list_contexts(state, cursor).await,
    }
}

async fn list_contexts(state: &State, cursor: Option<&str>) -> Result<ListResourcesResult> {
    let page = u32::try_from(RESOURCES_PAGE).unwrap_or(u32::MAX);
    let mut listing = state.scope.client.contexts().list().page_size(page);
    if let Some(cursor) = cursor {
        let position: Continuation = state.cursors.load(cursor, &CALL)?;
        listing = listing.start_at(position);
    }
    let mut items = listing.by_item();
    let mut contexts = Vec::new();
    while contexts.len() < RESOURCES_PAGE {
        let Some(context) = items.next().await else {
            break;
        };
        contexts.push(context?);
    }
    let roots = contexts.iter().zip(references(&contexts));
    let roots = roots.map(|(context, reference)| {
        let root = Resource::new(uri::of(&reference, "/"), &context.name);
        let root = root.with_description("Folders and files of a context");
        root.with_mime_type(LISTING)
    });
    let mut result = ListResourcesResult::with_all_items(roots.collect());
    let position = items.continuation();
    let next = position.map(|position| state.cursors.save(&CALL, &position));
    result.next_cursor = next.transpose()?;
    Ok(result)
}

async fn list_files(state: &State, cursor: Option<&str>) -> Result<ListResourcesResult> {
    let place = state.scope.place(None).await?;
    let call = (CALL, place.context.id.as_str());
    let mut tree = match cursor {
        Some(cursor) => {
            let position: TreePosition = state.cursors.load(cursor, &call)?;
            Tree::resume(&place.files, position)
        }
        None => Tree::new(&place.files, "/"),
    };
    let mut resources = Vec::new();
    while resources.len() < RESOURCES_PAGE {
        let Some(entry) = tree.next().await? else {
            break;
        };
        resources.push(resource(&place, entry));
    }
    let mut result = ListResourcesResult::with_all_items(resources);
    let next = tree
        .position()
        .map(|position| state.cursors.save(&call, &position));
    result.next_cursor = next.transpose()?;
    Ok(result)
}

fn resource(place: &Place, entry: FileEntry) -> Resource {
    let is_folder = entry.is_folder();
    let mut path = entry.path;
    if is_folder && !path.ends_with('/') {
        path.push('/');
    }
    let mut resource = Resource::new(place.uri(&path), entry.name);
    resource.size = entry.size.filter(|_| !is_folder);
    match is_folder {
        true => resource.with_mime_type(LISTING),
        false => resource,
    }
}

/// The templates of URIs.
pub(crate) fn templates(state: &State) -> ListResourceTemplatesResult {
    let template = match &state.scope.confined {
        Some(only) => format!("{}/{{+path}}", uri::prefix(only.as_str())),
        None => "agb://{context}/{+path}".to_owned(),
    };
    let template = ResourceTemplate::new(template, "file").with_title("File in a context");
    let description = "A file by its path, or the listing of a folder, whose path ends with a slash. Percent-encode \
         the path.";
    ListResourceTemplatesResult::with_all_items(vec![template.with_description(description)])
}
