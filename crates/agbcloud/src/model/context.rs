//! Contexts and pages of contexts.

use std::{convert::Infallible, fmt, str::FromStr};

use agbcloud_api::types;
use serde::{Deserialize, Serialize};

use super::{ContextId, Timestamp};
use crate::{
    error::{Error, ErrorKind, Result},
    text::snippet,
};

/// A context: named, persistent storage for agent sandboxes.
///
/// It can be stored in any serde format, and read by later versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Context {
    /// The id, which never changes.
    pub id: ContextId,
    /// The name.
    pub name: String,
    /// The state.
    pub state: ContextState,
    /// Time of creation.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// Time of last use.
    #[serde(default)]
    pub last_used_at: Option<Timestamp>,
    /// Operating system of the sandbox that the context was created for, if known.
    #[serde(default)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[doc(alias = "ContextListResult")]
pub struct ContextPage {
    /// The contexts of this page.
    pub contexts: Vec<Context>,
    /// The token of the next page, for [`ListContexts::start_at_token`](crate::ListContexts::start_at_token); `None` on the last page.
    pub next_token: Option<String>,
    /// The page size that the service used.
    pub max_results: Option<u32>,
    /// The number of contexts on all pages.
    pub total_count: Option<u64>,
    /// Id of the request that fetched this page.
    pub request_id: Option<String>,
}

/// The state of a context. An unknown state is [`Other`](Self::Other).
///
/// ```
/// use agbcloud::ContextState;
///
/// let state: ContextState = "in-use".parse()?;
/// assert_eq!((state.to_string(), state), ("in-use".to_owned(), ContextState::InUse));
/// # Ok::<(), std::convert::Infallible>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
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

/// How an unspecified state is displayed.
const UNSPECIFIED: &str = "unspecified";

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
            "" | UNSPECIFIED => Self::Unspecified,
            _ => Self::Other(text),
        }
    }
}

impl From<&str> for ContextState {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// Never fails: an unknown state is [`Other`](ContextState::Other).
impl FromStr for ContextState {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

/// The text of [`as_str`](ContextState::as_str).
impl From<ContextState> for String {
    fn from(state: ContextState) -> Self {
        match state {
            ContextState::Other(text) => text,
            state => state.as_str().to_owned(),
        }
    }
}

impl fmt::Display for ContextState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unspecified => f.write_str(UNSPECIFIED),
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
    fn a_stored_context_is_read_back() {
        let context = types::Context {
            id: Some("SdkCtx-1".into()),
            name: Some("my-project".into()),
            state: Some("hibernating".into()),
            create_time: Some("2025-05-29T12:00:00Z".into()),
            ..types::Context::default()
        };
        let context = Context::from_wire(context).unwrap();
        let json = serde_json::to_string(&context).unwrap();
        assert_eq!(serde_json::from_str::<Context>(&json).unwrap(), context);
        let bytes = postcard::to_allocvec(&context).unwrap();
        assert_eq!(postcard::from_bytes::<Context>(&bytes).unwrap(), context);
        let least = r#"{"id":"SdkCtx-1","name":"","state":""}"#;
        let least: Context = serde_json::from_str(least).unwrap();
        assert_eq!(least.state, ContextState::Unspecified);
        assert!(serde_json::from_str::<Context>(r#"{"id":"","name":"","state":""}"#).is_err());
    }

    #[test]
    fn states_are_parsed_as_displayed() {
        for state in [
            ContextState::Available,
            ContextState::Clearing,
            ContextState::PreAvailable,
            ContextState::InUse,
            ContextState::Unspecified,
            ContextState::Other("hibernating".into()),
        ] {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
    }

    #[test]
    fn a_context_without_an_id_is_an_invalid_response() {
        let error = Context::from_wire(types::Context::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    }
}
