//! A context, as the pages look it up and name it.

use agbcloud::{Context, ContextState};

use crate::{
    text,
    web::{failure::Result, links, visit::Visit},
};

/// The name of a context, or its id if it has none.
pub(crate) fn display_name(context: &Context) -> String {
    match context.name.trim() {
        "" => text::name(context.id.as_str()),
        _ => text::name(&context.name),
    }
}

/// Whether a state ends by itself.
pub(super) fn is_changing(state: &ContextState) -> bool {
    matches!(state, ContextState::Clearing | ContextState::PreAvailable)
}

/// Where the script reads the state of a context; `None` if it does not change by itself.
pub(crate) fn poll_url(context: &Context) -> Option<String> {
    is_changing(&context.state).then(|| links::context(context.id.as_str(), "state"))
}

/// The context with this id.
pub(crate) async fn find(visit: &Visit, id: &str) -> Result<Context> {
    Ok(visit.app.client.contexts().get(id).await?)
}
