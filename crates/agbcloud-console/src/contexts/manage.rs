//! Managing one context: the forms to rename, clear and delete it, and its current state for the script.

use agbcloud::ContextState;
use askama::Template;
use axum::Json;
use serde::Serialize;

use super::lookup::{display_name, find, is_changing, poll_url};
use crate::{
    text,
    web::{
        extract::Path,
        failure::{Failure, Result},
        layout::{Layout, html},
        links,
        visit::Visit,
    },
};

#[derive(Template)]
#[template(path = "manage.html")]
struct Manage {
    layout: Layout,
    name: String,
    /// As stored, for the form.
    raw_name: String,
    id: String,
    state: String,
    poll: Option<String>,
    created: String,
    used: String,
    is_clearing: bool,
    url: String,
    rename_url: String,
    clear_url: String,
    delete_url: String,
}

#[derive(Template)]
#[template(path = "confirm.html")]
pub(crate) struct Confirm {
    pub(crate) layout: Layout,
    pub(crate) question: String,
    pub(crate) consequence: String,
    pub(crate) button: &'static str,
    pub(crate) action: String,
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) cancel: String,
}

/// The state of a context, for the script.
#[derive(Serialize)]
pub(crate) struct State {
    state: String,
    changing: bool,
}

pub(crate) async fn page(visit: Visit, Path(id): Path<String>) -> Result {
    let context = find(&visit, &id).await?;
    let name = display_name(&context);
    let at = |page| links::context(&id, page);
    Ok(html(&Manage {
        layout: visit.layout(format!("Manage {name}")),
        name,
        id: text::name(context.id.as_str()),
        state: context.state.to_string(),
        poll: poll_url(&context),
        created: text::timestamp(context.created_at.as_ref()),
        used: text::timestamp(context.last_used_at.as_ref()),
        is_clearing: context.state == ContextState::Clearing,
        url: at(""),
        rename_url: at("rename"),
        clear_url: at("confirm-clear"),
        delete_url: at("confirm-delete"),
        raw_name: context.name,
    }))
}

pub(crate) async fn clear(visit: Visit, Path(id): Path<String>) -> Result {
    let name = display_name(&find(&visit, &id).await?);
    let files = visit.app.client.contexts().files(id.as_str());
    let entries = files.list().page_size(1).send().await?.total_count;
    Ok(html(&Confirm {
        layout: visit.layout(format!("Clear {name}?")),
        question: format!("Delete all files of {name}?"),
        consequence: match entries {
            Some(0) => "The context is empty already.".to_owned(),
            Some(1) => "There is 1 file or folder at its top level. Everything below it is deleted, too. This can't be undone.".to_owned(),
            Some(entries) => format!(
                "There are {} files and folders at its top level. Everything below them is deleted, too. This can't be undone.",
                text::count(entries)
            ),
            None => "This can't be undone.".to_owned(),
        },
        button: "Delete all files",
        action: links::context(&id, "clear"),
        fields: Vec::new(),
        cancel: links::context(&id, "manage"),
    }))
}

pub(crate) async fn delete(visit: Visit, Path(id): Path<String>) -> Result {
    let name = display_name(&find(&visit, &id).await?);
    Ok(html(&Confirm {
        layout: visit.layout(format!("Delete {name}?")),
        question: format!("Delete the context {name}?"),
        consequence: "The context and all its files are deleted. This can't be undone.".to_owned(),
        button: "Delete context",
        action: links::context(&id, "delete"),
        fields: Vec::new(),
        cancel: links::context(&id, "manage"),
    }))
}

/// Returns the current state as JSON.
pub(crate) async fn state(
    visit: Visit,
    Path(id): Path<String>,
) -> std::result::Result<Json<State>, axum::response::Response> {
    let context = find(&visit, &id).await.map_err(Failure::into_json)?;
    Ok(Json(State {
        changing: is_changing(&context.state),
        state: context.state.to_string(),
    }))
}
