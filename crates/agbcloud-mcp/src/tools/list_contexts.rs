//! `list_contexts`.

use agbcloud::Continuation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    answers::{AnswerSize, ContextAnswer},
    tool::{Hints, ToolCall},
};
use crate::{
    access::Permission,
    failure::{Failure, Result},
    limits::{DEFAULT_CONTEXTS, MAX_CONTEXTS},
    scope::references,
    state::State,
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListContexts {
    /// Maximum number of contexts, from 1 to 500. Defaults to 50
    limit: Option<u32>,
    /// The value of next in an earlier answer, to continue
    cursor: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Answer {
    /// The contexts
    contexts: Vec<ContextAnswer>,
    /// Whether there are more contexts
    truncated: bool,
    /// Pass this as cursor to continue
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl ToolCall for ListContexts {
    const NAME: &'static str = "list_contexts";
    const TITLE: &'static str = "List contexts";
    const DESCRIPTION: &'static str = "Lists contexts: named, persistent storage that contains files. Other tools take the name \
         or the id of a context.";
    const PERMISSION: Permission = Permission::Read;
    const HINTS: Hints = Hints::READ;
    type Answer = Answer;

    async fn run(self, state: &State) -> Result<Answer> {
        let limit = limit(self.limit, DEFAULT_CONTEXTS, MAX_CONTEXTS)?;
        if state.scope.confined.is_some() {
            let place = state.scope.place(None).await?;
            return Ok(Answer {
                contexts: vec![ContextAnswer::new(place.context, &place.reference)],
                truncated: false,
                next: None,
            });
        }
        let mut listing = state.scope.client.contexts().list().page_size(limit);
        if let Some(cursor) = self.cursor {
            let position: Continuation = state.cursors.load(&cursor, &Self::NAME)?;
            listing = listing.start_at(position);
        }
        let mut items = listing.by_item();
        let (mut contexts, mut size) = (Vec::new(), AnswerSize::default());
        while contexts.len() < limit as usize {
            let Some(context) = items.next().await else {
                break;
            };
            let context = context?;
            let has_room = size.add(&ContextAnswer::new(context.clone(), &context.name));
            contexts.push(context);
            if !has_room {
                break;
            }
        }
        let references = references(&contexts);
        let contexts = contexts.into_iter().zip(references);
        let contexts = contexts
            .map(|(context, reference)| ContextAnswer::new(context, &reference))
            .collect();
        let position = items.continuation();
        let next = position.map(|position| state.cursors.save(&Self::NAME, &position));
        let next = next.transpose()?;
        Ok(Answer {
            contexts,
            truncated: next.is_some(),
            next,
        })
    }
}

/// Checks the argument `limit`.
pub(super) fn limit(given: Option<u32>, default: u32, max: u32) -> Result<u32> {
    match given.unwrap_or(default) {
        0 => Err(Failure::invalid_argument(
            "limit is 0",
            format!("pass a limit from 1 to {max}"),
        )),
        limit => Ok(limit.min(max)),
    }
}
