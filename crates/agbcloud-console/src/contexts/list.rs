//! The list of contexts, with search.

use agbcloud::{Context, ContextPage, ErrorKind, MAX_PAGE_SIZE};
use askama::Template;
use axum::http::StatusCode;
use serde::Deserialize;

use super::lookup::{display_name, poll_url};
use crate::{
    text,
    web::{
        extract::Query,
        failure::{Failure, Result},
        layout::{Layout, html},
        links,
        visit::Visit,
    },
};

/// Contexts on a page.
const PAGE_SIZE: u32 = 50;
/// Maximum number of calls of one search, each for a thousand contexts. A link continues it.
const SEARCH_CALLS: u32 = 10;
/// A search ends after the call that reaches this number of matches.
const SEARCH_MATCHES: usize = 200;

#[derive(Deserialize)]
pub(crate) struct Parameters {
    /// A part of a name or an id.
    #[serde(default)]
    q: String,
    /// A state; all if empty.
    #[serde(default)]
    state: String,
    /// The page.
    #[serde(default)]
    token: String,
}

#[derive(Template)]
#[template(path = "contexts.html")]
struct Contexts {
    layout: Layout,
    rows: Vec<Row>,
    query: String,
    states: Vec<StateOption>,
    is_search: bool,
    is_first: bool,
    summary: String,
    next: Option<String>,
}

struct StateOption {
    value: &'static str,
    label: &'static str,
    selected: bool,
}

struct Row {
    name: String,
    url: String,
    id: String,
    state: String,
    /// Where the script reads the state, while it changes.
    poll: Option<String>,
    created: String,
    used: String,
}

impl From<&Context> for Row {
    fn from(context: &Context) -> Self {
        let id = context.id.as_str();
        Self {
            name: display_name(context),
            url: links::context(id, ""),
            id: text::name(id),
            state: context.state.to_string(),
            poll: poll_url(context),
            created: text::timestamp(context.created_at.as_ref()),
            used: text::timestamp(context.last_used_at.as_ref()),
        }
    }
}

/// What a search has found.
struct Found {
    contexts: Vec<Context>,
    searched: usize,
    total: Option<u64>,
    next: Option<String>,
}

pub(crate) async fn page(visit: Visit, Query(parameters): Query<Parameters>) -> Result {
    let Parameters { q, state, token } = parameters;
    let is_search = !q.trim().is_empty() || !state.is_empty();
    let found = match is_search {
        true => search(&visit, q.trim(), &state, &token).await,
        false => {
            let page = list(&visit, PAGE_SIZE, &token).await;
            page.map(|page| Found {
                searched: page.contexts.len(),
                contexts: page.contexts,
                total: page.total_count,
                next: page.next_token,
            })
        }
    };
    let found = found.map_err(|error| match error.kind() {
        // The service accepts only the tokens that it has returned.
        ErrorKind::Rejected | ErrorKind::InvalidArgument if !token.is_empty() => {
            let first = links::with("/", &[("q", q.trim()), ("state", state.as_str())]);
            Failure::from(error)
                .title("This page does not exist")
                .first_page(StatusCode::BAD_REQUEST, first)
        }
        _ => error.into(),
    })?;
    let next = found.next.as_deref().map(|token| {
        let parameters = [("q", q.trim()), ("state", state.as_str()), ("token", token)];
        links::with("/", &parameters)
    });
    let states = [
        ("", "Any state"),
        ("available", "available"),
        ("clearing", "clearing"),
        ("pre-available", "pre-available"),
        ("in-use", "in-use"),
    ];
    let page = Contexts {
        layout: visit.layout("Contexts"),
        rows: found.contexts.iter().map(Row::from).collect(),
        states: states
            .map(|(value, label)| StateOption {
                value,
                label,
                selected: value == state,
            })
            .into(),
        is_search,
        is_first: token.is_empty(),
        summary: summary(&found, is_search),
        query: q,
        next,
    };
    Ok(html(&page))
}

fn summary(found: &Found, is_search: bool) -> String {
    let shown = text::count(found.contexts.len() as u64);
    match (is_search, found.total) {
        (true, _) => {
            let searched = text::count(found.searched as u64);
            format!("{shown} found, {searched} searched")
        }
        (false, Some(total)) => format!("{shown} of {}", text::count(total)),
        (false, None) => shown,
    }
}

async fn list(visit: &Visit, size: u32, token: &str) -> agbcloud::Result<ContextPage> {
    let contexts = visit.app.client.contexts();
    let listing = contexts.list().page_size(size).start_at_token(token);
    listing.send().await
}

/// Searches the names and ids on several pages. The service has no search of its own.
async fn search(visit: &Visit, part: &str, state: &str, token: &str) -> agbcloud::Result<Found> {
    let part = part.to_lowercase();
    let mut found = Found {
        contexts: Vec::new(),
        searched: 0,
        total: None,
        next: Some(token.to_owned()),
    };
    for _ in 0..SEARCH_CALLS {
        let Some(token) = found.next.take() else {
            break;
        };
        let page = list(visit, MAX_PAGE_SIZE, &token).await?;
        found.searched += page.contexts.len();
        found
            .contexts
            .extend(page.contexts.into_iter().filter(|context| {
                (state.is_empty() || context.state.as_str() == state)
                    && (context.name.to_lowercase().contains(&part)
                        || context.id.as_str().to_lowercase().contains(&part))
            }));
        // A service that repeats a token would make the link continue forever.
        found.next = page.next_token.filter(|next| *next != token);
        if found.contexts.len() >= SEARCH_MATCHES {
            break;
        }
    }
    Ok(found)
}
