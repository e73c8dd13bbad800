//! [`Visit`]: a request with a session.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::Deserialize;

use super::{failure::Failure, layout::Layout};
use crate::{app::App, sessions::Session};

/// A request with a session: everything for the frame of its page.
pub(crate) struct Visit {
    pub(crate) app: Arc<App>,
    session: Session,
    notice: Option<&'static str>,
}

#[derive(Deserialize)]
struct Done {
    #[serde(default)]
    done: String,
}

impl Visit {
    pub(crate) fn layout(&self, title: impl Into<String>) -> Layout {
        Layout {
            title: title.into(),
            endpoint: Some(self.app.client.endpoint().to_owned()),
            has_metrics: self.app.history.is_some(),
            csrf: self.session.csrf.as_str().to_owned(),
            notice: self.notice,
        }
    }
}

impl FromRequestParts<Arc<App>> for Visit {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let session = parts.extensions.get::<Session>().cloned();
        let done = Query::<Done>::try_from_uri(&parts.uri);
        Ok(Self {
            app: app.clone(),
            session: session.ok_or_else(Failure::no_session)?,
            notice: done.ok().and_then(|done| notice(&done.done)),
        })
    }
}

/// The results of actions. A URL selects one, so that no other page can show a text of its own.
fn notice(name: &str) -> Option<&'static str> {
    Some(match name {
        "created" => "Context created.",
        "exists" => "A context with this name exists already.",
        "context-renamed" => "Context renamed.",
        "context-deleted" => "Context deleted.",
        "clearing" => "Clearing the context.",
        "uploaded" => "Upload complete.",
        "file-renamed" => "File renamed.",
        "file-deleted" => "File deleted.",
        _ => return None,
    })
}
