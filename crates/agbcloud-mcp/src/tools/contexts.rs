//! `get_context`, `create_context` and `delete_context`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    answers::ContextAnswer,
    tool::{Hints, ToolCall},
};
use crate::{access::Permission, failure::Result, state::State};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetContext {
    /// Name or id. Can be left out if the server is confined to one context
    context: Option<String>,
}

impl ToolCall for GetContext {
    const NAME: &'static str = "get_context";
    const TITLE: &'static str = "Get a context";
    const DESCRIPTION: &'static str = "Returns the id, the name and the state of a context.";
    const PERMISSION: Permission = Permission::Read;
    const HINTS: Hints = Hints::READ;
    type Answer = ContextAnswer;

    async fn run(self, state: &State) -> Result<ContextAnswer> {
        let place = state.scope.place(self.context.as_deref()).await?;
        Ok(ContextAnswer::new(place.context, &place.reference))
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateContext {
    /// Name, at most 255 characters
    name: String,
}

impl ToolCall for CreateContext {
    const NAME: &'static str = "create_context";
    const TITLE: &'static str = "Create a context";
    const DESCRIPTION: &'static str =
        "Creates a context. Returns the existing one if a context has the name already.";
    const PERMISSION: Permission = Permission::Write;
    const HINTS: Hints = Hints {
        destructive: false,
        ..Hints::READ
    };
    type Answer = ContextAnswer;

    async fn run(self, state: &State) -> Result<ContextAnswer> {
        let context = state.scope.get_or_create(&self.name).await?;
        let reference = state.scope.reference(&context);
        Ok(ContextAnswer::new(context, &reference))
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteContext {
    /// Name or id
    context: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DeletedContext {
    /// Id of the deleted context
    id: String,
    /// Its name, which can be used again
    name: String,
}

impl ToolCall for DeleteContext {
    const NAME: &'static str = "delete_context";
    const TITLE: &'static str = "Delete a context";
    const DESCRIPTION: &'static str =
        "Deletes a context with all its files. This can't be undone: ask the user first.";
    const PERMISSION: Permission = Permission::Destructive;
    const HINTS: Hints = Hints {
        destructive: true,
        ..Hints::READ
    };
    type Answer = DeletedContext;

    async fn run(self, state: &State) -> Result<DeletedContext> {
        let context = state.scope.place(Some(&self.context)).await?.context;
        state.scope.client.contexts().delete(&context.id).await?;
        Ok(DeletedContext {
            id: context.id.to_string(),
            name: context.name,
        })
    }
}
