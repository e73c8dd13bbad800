//! Contexts and pages of contexts.

use std::fmt;

use agbcloud_api::types;

use super::{ContextId, Timestamp};
use crate::{
    error::{Error, ErrorKind, Result},
    text::snippet,
};

/// A context: named, persistent storage for agent sandboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// The id, which never changes.
    pub id: ContextId,
    /// The name.
    pub name: String,
    /// The state.
    pub state: ContextState,
    /// Time of creation.
    pub created_at: Option<Timestamp>,
    /// Time of last use.
    pub last_used_at: Option<Timestamp>,
    /// Operating system of the sandbox that the context was created for, if known.
    pub os_type: Option<String>,
}

impl Context {
    pub(crate) fn from_wire(context: types::Context) -> Result<Self> {
        let id = context.id.unwrap_or_default();
        let id = ContextId::new(id).map_err(|error| {
            Error::new(
                ErrorKind::InvalidResponse,
                "the response has a context without a valid id",
            )
            .with_source(error)
        })?;
        Ok(Self {
            id,
            name: context.name.unwrap_or_default(),
            state: ContextState::from(context.state.unwrap_or_default()),
            created_at: Timestamp::from_wire(context.create_time),
            last_used_at: Timestamp::from_wire(context.last_used_time),
            os_type: context.os_type,
        })
    }
}

/// One page of contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "ContextListResult")]
pub struct ContextPage {
    /// The contexts of this page.
    pub contexts: Vec<Context>,
    /// The token of the next page, for [`ListContexts::start_at`](crate::ListContexts::start_at); `None` on the last page.
    pub next_token: Option<String>,
    /// The page size that the service used.
    pub max_results: Option<u32>,
    /// The number of contexts on all pages.
    pub total_count: Option<u64>,
    /// Id of the request that fetched this page.
    pub request_id: Option<String>,
}

/// The state of a context. An unknown state is [`Other`](Self::Other).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContextState {
    /// Ready for use.
    Available,
    /// Its files are being deleted.
    Clearing,
    /// Becoming available.
    PreAvailable,
    /// Used by a sandbox.
    InUse,
    /// Not specified by the service.
    Unspecified,
    /// A state that this version does not know.
    Other(String),
}

impl ContextState {
    /// The state in the format of the API; empty for [`Unspecified`](Self::Unspecified).
    pub fn as_str(&self) -> &str {
        match self {
            Self::Available => "available",
            Self::Clearing => "clearing",
            Self::PreAvailable => "pre-available",
            Self::InUse => "in-use",
            Self::Unspecified => "",
            Self::Other(text) => text,
        }
    }
}

impl From<String> for ContextState {
    fn from(text: String) -> Self {
        match text.as_str() {
            "available" => Self::Available,
            "clearing" => Self::Clearing,
            "pre-available" => Self::PreAvailable,
            "in-use" => Self::InUse,
            "" => Self::Unspecified,
            _ => Self::Other(text),
        }
    }
}

impl fmt::Display for ContextState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unspecified => f.write_str("unspecified"),
            // An unknown state can contain any character.
            state => f.write_str(&snippet(state.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_state_is_kept() {
        let context = types::Context {
            id: Some("SdkCtx-1".into()),
            state: Some("hibernating".into()),
            ..types::Context::default()
        };
        let context = Context::from_wire(context).unwrap();
        assert_eq!(context.state, ContextState::Other("hibernating".into()));
        assert_eq!(context.state.to_string(), "hibernating");
    }

    #[test]
    fn a_context_without_an_id_is_an_invalid_response() {
        let error = Context::from_wire(types::Context::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    }
}
