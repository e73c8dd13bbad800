//! `clear_context`.

use agbcloud::ErrorKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tool::{Hints, ToolCall};
use crate::{access::Permission, failure::Result, limits::CLEAR_WAIT, state::State};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClearContext {
    /// Name or id
    context: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Answer {
    /// Id of the context
    id: String,
    /// Its name
    name: String,
    /// Whether all files are deleted. If not, the service continues to delete them
    done: bool,
    /// What to do if it is not done
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl ToolCall for ClearContext {
    const NAME: &'static str = "clear_context";
    const TITLE: &'static str = "Clear a context";
    const DESCRIPTION: &'static str = "Deletes all files of a context, and waits up to 30 seconds. This can't be undone: ask the \
         user first.";
    const PERMISSION: Permission = Permission::Destructive;
    const HINTS: Hints = Hints {
        destructive: true,
        ..Hints::READ
    };
    type Answer = Answer;

    async fn run(self, state: &State) -> Result<Answer> {
        let context = state.scope.place(Some(&self.context)).await?.context;
        let contexts = state.scope.client.contexts();
        let done = match contexts.clear(&context.id).timeout(CLEAR_WAIT).await {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::ClearTimeout => false,
            Err(error) => return Err(error.into()),
        };
        let next = "call get_context until the state is not clearing";
        Ok(Answer {
            id: context.id.to_string(),
            name: context.name,
            done,
            next: (!done).then(|| next.to_owned()),
        })
    }
}
