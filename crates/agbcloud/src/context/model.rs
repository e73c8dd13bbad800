//! A context as the SDK shows it.

use std::fmt;

use agbcloud_api::types::{self, GetContextResponse};

use crate::{
    ContextId, Error, ErrorKind, Result, Timestamp,
    error::{Reading, snippet},
    wire::FromEnvelope,
};

/// A context: named, persistent storage for agent sandboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// Its id, which never changes.
    pub id: ContextId,
    /// Its name, as the service tells it.
    pub name: String,
    /// What it is doing.
    pub state: ContextState,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// Operating system of the sandbox that it was made for, where the service tells it.
    pub os_type: Option<String>,
}

impl Context {
    pub(crate) fn from_wire(context: types::Context) -> Result<Self> {
        let id = context.id.unwrap_or_default();
        let id = ContextId::new(id).map_err(|error| {
            Error::new(
                ErrorKind::InvalidResponse,
                "the answer holds a context without a usable id",
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

impl FromEnvelope for Context {
    type Envelope = GetContextResponse;

    fn from_envelope(envelope: GetContextResponse, _: Reading<'_>) -> Result<Self> {
        let invalid = || Error::new(ErrorKind::InvalidResponse, "the answer holds no context");
        envelope.data.ok_or_else(invalid).and_then(Self::from_wire)
    }
}

/// What a context is doing. The set is open: a state that this version does not know is kept as
/// [`Other`](Self::Other).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContextState {
    /// Ready for use.
    Available,
    /// Its files are being deleted.
    Clearing,
    /// About to be ready.
    PreAvailable,
    /// A sandbox uses it.
    InUse,
    /// The service did not tell.
    Unspecified,
    /// A state that this version does not know, as the service wrote it.
    Other(String),
}

impl ContextState {
    /// The state as on the wire; empty for [`Unspecified`](Self::Unspecified).
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
            // A state that is not known may have any characters in it.
            state => f.write_str(&snippet(state.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_the_future_is_kept() {
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
    fn a_context_without_id_is_no_context() {
        let error = Context::from_wire(types::Context::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    }
}
