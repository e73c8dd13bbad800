//! `delete_file`.

use agbcloud::RemotePath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tool::{Hints, ToolCall};
use crate::{access::Permission, failure::Result, state::State};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteFile {
    /// Name or id of the context. Can be left out if the server is confined to one context
    context: Option<String>,
    /// Absolute path of a file
    path: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Answer {
    /// Name of the context
    context: String,
    /// Absolute path of the deleted file
    path: String,
}

impl ToolCall for DeleteFile {
    const NAME: &'static str = "delete_file";
    const TITLE: &'static str = "Delete a file";
    const DESCRIPTION: &'static str = "Deletes one file, whatever its version. This can't be undone. A folder disappears with its \
         last file.";
    const PERMISSION: Permission = Permission::Write;
    const HINTS: Hints = Hints {
        destructive: true,
        ..Hints::READ
    };
    type Answer = Answer;

    async fn run(self, state: &State) -> Result<Answer> {
        let path = RemotePath::new(self.path)?;
        let place = state.scope.place(self.context.as_deref()).await?;
        place.files.delete(&path).await?;
        Ok(Answer {
            context: place.context.name,
            path: path.as_str().to_owned(),
        })
    }
}
