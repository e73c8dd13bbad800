//! `completion/complete`: contexts and paths of the template.

use agbcloud::FolderPath;
use percent_encoding::percent_decode_str;
use rmcp::model::{CompleteRequestParams, CompletionInfo, Reference};

use crate::{
    failure::{Failure, Result},
    limits::COMPLETION_ENTRIES,
    state::State,
    uri,
};

/// Completes an argument of the resource template.
pub(crate) async fn complete(
    state: &State,
    request: CompleteRequestParams,
) -> Result<CompletionInfo> {
    let Reference::Resource(template) = &request.r#ref else {
        return Err(Failure::invalid_argument(
            "the server has no prompts",
            "complete an argument of a resource template",
        ));
    };
    let value = request.argument.value.as_str();
    match request.argument.name.as_str() {
        "context" => contexts(state, value).await,
        "path" => {
            let arguments = request.context.as_ref();
            let given = arguments.and_then(|given| given.get_argument("context").cloned());
            // The context is an argument of the template, or a part of it.
            let given = given.or_else(|| {
                let address = uri::parse(&template.uri).ok()?;
                (!address.context.starts_with('{')).then_some(address.context)
            });
            paths(state, given.as_deref(), value).await
        }
        other => Err(Failure::invalid_argument(
            format!("the template has no argument {other:?}"),
            "complete context or path",
        )),
    }
}

async fn contexts(state: &State, start: &str) -> Result<CompletionInfo> {
    if state.scope.confined.is_some() {
        let reference = state.scope.place(None).await?.reference;
        let names = Vec::from_iter(reference.starts_with(start).then_some(reference));
        return Ok(info(names, false));
    }
    let listing = state.scope.client.contexts().list();
    let mut items = listing.page_size(agbcloud::MAX_PAGE_SIZE).by_item();
    let (mut names, mut examined) = (Vec::new(), 0);
    while names.len() < CompletionInfo::MAX_VALUES && examined < COMPLETION_ENTRIES {
        let Some(context) = items.next().await else {
            return Ok(info(names, false));
        };
        examined += 1;
        let name = context?.name;
        if name.starts_with(start) {
            names.push(name);
        }
    }
    Ok(info(names, items.continuation().is_some()))
}

async fn paths(state: &State, context: Option<&str>, start: &str) -> Result<CompletionInfo> {
    let place = state.scope.place(context).await?;
    // The value is a part of a URI, so that it is percent-encoded, but a user may type it.
    let Ok(start) = percent_decode_str(start).decode_utf8() else {
        return Ok(info(Vec::new(), false));
    };
    // The argument has no slash at its start, which the template has.
    let (folder, _) = start.rsplit_once('/').unwrap_or_default();
    let Ok(folder) = FolderPath::new(format!("/{}", folder.trim_start_matches('/'))) else {
        return Ok(info(Vec::new(), false));
    };
    let listing = place.files.list().folder(&folder);
    let mut items = listing.page_size(agbcloud::MAX_PAGE_SIZE).by_item();
    let start = start.trim_start_matches('/');
    let (mut paths, mut examined) = (Vec::new(), 0);
    while paths.len() < CompletionInfo::MAX_VALUES && examined < COMPLETION_ENTRIES {
        let Some(entry) = items.next().await else {
            return Ok(info(paths, false));
        };
        examined += 1;
        let entry = entry?;
        let suffix = if entry.is_folder() { "/" } else { "" };
        let path = entry.path.trim_matches('/');
        if path.starts_with(start) {
            paths.push(uri::encoded_path(&format!("{path}{suffix}")));
        }
    }
    Ok(info(paths, items.continuation().is_some()))
}

fn info(values: Vec<String>, has_more: bool) -> CompletionInfo {
    let mut info = CompletionInfo::default();
    info.values = values;
    info.has_more = Some(has_more);
    info
}
