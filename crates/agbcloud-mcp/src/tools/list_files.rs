//! `list_files`.

use agbcloud::{Continuation, FolderPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    answers::{AnswerSize, EntryAnswer},
    list_contexts::limit,
    tool::{Hints, ToolCall},
};
use crate::{
    access::Permission,
    failure::Result,
    limits::{DEFAULT_ENTRIES, MAX_ENTRIES},
    state::State,
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListFiles {
    /// Name or id of the context. Can be left out if the server is confined to one context
    context: Option<String>,
    /// Absolute path of the folder. Defaults to /
    path: Option<String>,
    /// Maximum number of entries, from 1 to 1000. Defaults to 100
    limit: Option<u32>,
    /// The value of next in an earlier answer, to continue
    cursor: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Answer {
    /// Name of the context
    context: String,
    /// Absolute path of the folder
    path: String,
    /// URI of the folder
    uri: String,
    /// Files and folders directly in the folder. Empty if the folder does not exist
    entries: Vec<EntryAnswer>,
    /// Whether the folder has more entries
    truncated: bool,
    /// Pass this as cursor to continue
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl ToolCall for ListFiles {
    const NAME: &'static str = "list_files";
    const TITLE: &'static str = "List files";
    const DESCRIPTION: &'static str = "Lists the files and folders directly in a folder. search_files finds files in all folders \
         below.";
    const PERMISSION: Permission = Permission::Read;
    const HINTS: Hints = Hints::READ;
    type Answer = Answer;

    async fn run(self, state: &State) -> Result<Answer> {
        let limit = limit(self.limit, DEFAULT_ENTRIES, MAX_ENTRIES)?;
        let folder = FolderPath::new(self.path.as_deref().unwrap_or("/"))?;
        let place = state.scope.place(self.context.as_deref()).await?;
        let call = (Self::NAME, place.context.id.as_str(), folder.as_str());
        let mut listing = place.files.list().folder(&folder).page_size(limit);
        if let Some(cursor) = self.cursor {
            let position: Continuation = state.cursors.load(&cursor, &call)?;
            listing = listing.start_at(position);
        }
        let mut items = listing.by_item();
        let (mut entries, mut size) = (Vec::new(), AnswerSize::default());
        while entries.len() < limit as usize {
            let Some(entry) = items.next().await else {
                break;
            };
            let entry = EntryAnswer::from(entry?);
            let has_room = size.add(&entry);
            entries.push(entry);
            if !has_room {
                break;
            }
        }
        let position = items.continuation();
        let next = position.map(|position| state.cursors.save(&call, &position));
        let next = next.transpose()?;
        Ok(Answer {
            uri: place.folder_uri(folder.as_str()),
            path: folder.as_str().to_owned(),
            context: place.context.name,
            entries,
            truncated: next.is_some(),
            next,
        })
    }
}
