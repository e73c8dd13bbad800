//! `create_upload_url`.

use agbcloud::RemotePath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    answers::UrlAnswer,
    tool::{Hints, ToolCall},
};
use crate::{access::Permission, failure::Result, state::State};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateUploadUrl {
    /// Name or id of the context. Can be left out if the server is confined to one context
    context: Option<String>,
    /// Absolute path of the file
    path: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Answer {
    /// Name of the context
    context: String,
    /// Absolute path of the file
    path: String,
    /// Send the content to this URL by a PUT request with Content-Length and without Content-Type
    put: UrlAnswer,
}

impl ToolCall for CreateUploadUrl {
    const NAME: &'static str = "create_upload_url";
    const TITLE: &'static str = "Create an upload URL";
    const DESCRIPTION: &'static str = "Returns a URL that writes one file by a PUT request without an API key, for files larger \
         than 4 MiB. Anyone who has the URL can replace the file until it expires.";
    const PERMISSION: Permission = Permission::Write;
    const HINTS: Hints = Hints {
        destructive: true,
        idempotent: true,
        open_world: true,
    };
    type Answer = Answer;

    async fn run(self, state: &State) -> Result<Answer> {
        let path = RemotePath::new(self.path)?;
        let place = state.scope.place(self.context.as_deref()).await?;
        let url = place.files.upload_url(&path).await?;
        Ok(Answer {
            context: place.context.name,
            path: path.as_str().to_owned(),
            put: url.into(),
        })
    }
}
