//! `stat_file`.

use agbcloud::RemotePath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    answers::EntryKind,
    tool::{Hints, ToolCall},
};
use crate::{access::Permission, failure::Result, scope::Place, state::State};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StatFile {
    /// Name or id of the context. Can be left out if the server is confined to one context
    context: Option<String>,
    /// Absolute path of a file or folder
    path: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Answer {
    /// Name of the context
    context: String,
    /// Absolute path in the context
    path: String,
    /// URI
    uri: String,
    /// file or folder
    kind: EntryKind,
    /// Size of a file in bytes, if known
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// Time of the last change, if known
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_at: Option<String>,
    /// Version of a file, to pass as if_version of a change
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

impl ToolCall for StatFile {
    const NAME: &'static str = "stat_file";
    const TITLE: &'static str = "Get the size and version of a file";
    const DESCRIPTION: &'static str = "Returns the kind, the size, the time and the version of a file or folder, without its \
         content.";
    const PERMISSION: Permission = Permission::Read;
    const HINTS: Hints = Hints::READ;
    type Answer = Answer;

    async fn run(self, state: &State) -> Result<Answer> {
        if self.path == "/" {
            let place = state.scope.place(self.context.as_deref()).await?;
            return Ok(Answer {
                uri: place.uri("/"),
                context: place.context.name,
                path: "/".to_owned(),
                kind: EntryKind::Folder,
                size: None,
                modified_at: None,
                version: None,
            });
        }
        let path = self.path.strip_suffix('/').unwrap_or(&self.path);
        let path = RemotePath::new(path)?;
        let place = state.scope.place(self.context.as_deref()).await?;
        let entry = place.files.stat(&path).await?;
        let uri = match entry.is_folder() {
            true => place.folder_uri(path.as_str()),
            false => place.uri(path.as_str()),
        };
        let version = match entry.is_folder() {
            true => None,
            false => match entry.etag {
                Some(etag) => Some(etag),
                None => version(&place, &path).await?,
            },
        };
        Ok(Answer {
            uri,
            context: place.context.name,
            path: path.as_str().to_owned(),
            kind: entry.kind.into(),
            size: entry.size,
            modified_at: entry.modified_at.map(|time| time.to_string()),
            version,
        })
    }
}

/// The version of a file whose listing has none.
async fn version(place: &Place, path: &RemotePath) -> Result<Option<String>> {
    let file = place.files.open(path).await?;
    Ok(file.etag().map(str::to_owned))
}
