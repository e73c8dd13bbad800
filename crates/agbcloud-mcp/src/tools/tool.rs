//! [`ToolCall`]: one tool, with typed arguments and answer.

use futures_util::future::BoxFuture;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    access::Permission,
    failure::{Failure, Result},
    schema,
    state::State,
};

/// The arguments of a tool.
pub(super) trait ToolCall: DeserializeOwned + JsonSchema + Send + 'static {
    const NAME: &'static str;
    const TITLE: &'static str;
    const DESCRIPTION: &'static str;
    const PERMISSION: Permission;
    const HINTS: Hints;
    type Answer: Serialize + JsonSchema + Send;

    fn run(self, state: &State) -> impl Future<Output = Result<Self::Answer>> + Send;

    /// Links to resources beside the answer.
    fn links(_answer: &Self::Answer) -> Vec<ContentBlock> {
        Vec::new()
    }
}

/// What clients may show to users before a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hints {
    /// Replaces or deletes something.
    pub(super) destructive: bool,
    /// A second call with the same arguments changes nothing more.
    pub(super) idempotent: bool,
    /// Reaches beyond the contexts of the server.
    pub(super) open_world: bool,
}

impl Hints {
    pub(super) const READ: Self = Self {
        destructive: false,
        idempotent: true,
        open_world: false,
    };
}

type Run = for<'a> fn(&'a State, JsonObject) -> BoxFuture<'a, Result<CallToolResult>>;

/// A tool without its type.
pub(super) struct Entry {
    pub(super) definition: Tool,
    pub(super) permission: Permission,
    pub(super) run: Run,
}

impl Entry {
    pub(super) fn of<T: ToolCall>() -> Self {
        let hints = T::HINTS;
        let annotations = ToolAnnotations::with_title(T::TITLE)
            .read_only(T::PERMISSION == Permission::Read)
            .destructive(hints.destructive)
            .idempotent(hints.idempotent)
            .open_world(hints.open_world);
        Self {
            definition: Tool::new(T::NAME, T::DESCRIPTION, schema::of_input::<T>())
                .with_title(T::TITLE)
                .with_raw_output_schema(schema::of_output::<T::Answer>())
                .with_annotations(annotations),
            permission: T::PERMISSION,
            run: |state, arguments| Box::pin(run::<T>(state, arguments)),
        }
    }
}

async fn run<T: ToolCall>(state: &State, mut arguments: JsonObject) -> Result<CallToolResult> {
    // Some clients send null for an argument that is left out.
    arguments.retain(|_, value| !value.is_null());
    let call: T = serde_json::from_value(Value::Object(arguments)).map_err(|error| {
        Failure::invalid_argument(
            format!("the arguments of {} are wrong: {error}", T::NAME),
            "correct the arguments by the inputSchema of the tool",
        )
    })?;
    let answer = call.run(state).await?;
    let links = T::links(&answer);
    let value = serde_json::to_value(answer)
        .map_err(|error| Failure::internal(format!("can't write the answer: {error}")))?;
    let mut result = CallToolResult::structured(value);
    result.content.extend(links);
    Ok(result)
}

#[cfg(test)]
pub(super) mod tests {
    use serde::Deserialize;

    use super::*;

    /// A tool that panics.
    #[derive(Deserialize, JsonSchema)]
    pub(in crate::tools) struct Panic {}

    impl ToolCall for Panic {
        const NAME: &'static str = "panic";
        const TITLE: &'static str = "Panic";
        const DESCRIPTION: &'static str = "Panics.";
        const PERMISSION: Permission = Permission::Read;
        const HINTS: Hints = Hints::READ;
        type Answer = JsonObject;

        async fn run(self, _: &State) -> Result<JsonObject> {
            panic!("a defect of a tool")
        }
    }
}
