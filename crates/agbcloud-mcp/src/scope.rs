//! [`Scope`]: the contexts that a server may use.

use std::collections::HashMap;

use agbcloud::{Client, Context, ContextId, ContextName, Files, LookupByName};

use crate::{
    failure::{Failure, Result},
    uri,
};

/// The prefix of the ids of the service.
const ID_PREFIX: &str = "SdkCtx-";

/// The client, and the context that everything is confined to.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) client: Client,
    pub(crate) region: Option<String>,
    /// The only context.
    pub(crate) confined: Option<Confinement>,
    /// Whether tools may create contexts.
    pub(crate) may_create: bool,
}

/// The only context of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Confinement {
    Id(ContextId),
    Name(ContextName),
}

impl Confinement {
    /// Decides once whether the text is an id or a name, so that a name can't replace an id that was deleted.
    pub(crate) fn new(text: String) -> agbcloud::Result<Self> {
        match is_id(&text) {
            true => ContextId::new(text).map(Self::Id),
            false => ContextName::new(text).map(Self::Name),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Id(id) => id.as_str(),
            Self::Name(name) => name.as_str(),
        }
    }
}

/// A context that a call uses.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) context: Context,
    /// The name or id under which the context was found, for URIs.
    pub(crate) reference: String,
    pub(crate) files: Files,
}

impl Place {
    pub(crate) fn uri(&self, path: &str) -> String {
        uri::of(&self.reference, path)
    }

    /// The URI of a folder, which ends in a slash.
    pub(crate) fn folder_uri(&self, path: &str) -> String {
        self.uri(&format!("{}/", path.trim_end_matches('/')))
    }
}

impl Scope {
    /// Looks up the context of a call by name or id. `None` means the context of the server.
    ///
    /// # Errors
    ///
    /// `invalid_argument` without a context where the server has several, `not_allowed` for another context than that of the
    /// server, and those of the lookup.
    pub(crate) async fn place(&self, given: Option<&str>) -> Result<Place> {
        let (context, reference) = match (&self.confined, given) {
            (Some(only), given) => (self.confined_context(only, given).await?, only.as_str()),
            (None, Some(given)) => (self.look_up(given).await?, given),
            (None, None) => {
                return Err(Failure::invalid_argument(
                    "the argument context is missing",
                    "pass the name or the id of a context; list_contexts returns them",
                ));
            }
        };
        Ok(Place {
            files: self.client.contexts().files(&context.id),
            reference: reference.to_owned(),
            context,
        })
    }

    /// Looks up the only context, and compares it with that of the call.
    async fn confined_context(&self, only: &Confinement, given: Option<&str>) -> Result<Context> {
        let contexts = self.client.contexts();
        let found = match only {
            Confinement::Id(id) => contexts.get(id).await,
            Confinement::Name(name) => self.in_region(contexts.get_by_name(name)).await,
        };
        let is_same = given.is_none_or(|given| {
            given == only.as_str() || found.as_ref().is_ok_and(|found| is_reference(found, given))
        });
        match found {
            _ if !is_same => Err(confined_to(only)),
            Err(error) if error.is_not_found() => Err(self.missing(only, error)),
            found => Ok(found?),
        }
    }

    /// Creates a context, or returns the existing one of the name. Nothing is created if the server is confined to an id.
    ///
    /// # Errors
    ///
    /// `not_allowed` for another context than that of the server, and those of the calls.
    pub(crate) async fn get_or_create(&self, name: &str) -> Result<Context> {
        match &self.confined {
            Some(only @ Confinement::Id(_)) => {
                let context = self.confined_context(only, None).await?;
                match context.name == name {
                    true => Ok(context),
                    false => Err(confined_to(only)),
                }
            }
            Some(only) if only.as_str() != name => Err(confined_to(only)),
            _ => Ok(self
                .in_region(self.client.contexts().get_or_create(name))
                .await?),
        }
    }

    /// Returns the name or id that means a context which was looked up by its name, for URIs.
    pub(crate) fn reference(&self, context: &Context) -> String {
        match &self.confined {
            Some(only) => only.as_str().to_owned(),
            None if is_id(&context.name) => context.id.to_string(),
            None => context.name.clone(),
        }
    }

    /// The only context does not exist.
    fn missing(&self, only: &Confinement, error: agbcloud::Error) -> Failure {
        let next_step = match only {
            Confinement::Name(name) if self.may_create => {
                format!("call create_context with the name {:?}", name.as_str())
            }
            Confinement::Name(name) => format!(
                "ask the user to create the context {:?}, or to start the server with another --context",
                name.as_str()
            ),
            Confinement::Id(_) => {
                "ask the user to start the server with another --context".to_owned()
            }
        };
        Failure {
            next_step,
            ..error.into()
        }
    }

    fn in_region(&self, lookup: LookupByName) -> LookupByName {
        match &self.region {
            Some(region) => lookup.region(region.as_str()),
            None => lookup,
        }
    }

    /// A text that looks like an id is never a name, so that it does not mean another context after that of the id was deleted.
    async fn look_up(&self, reference: &str) -> Result<Context> {
        let contexts = self.client.contexts();
        if is_id(reference) {
            return Ok(contexts.get(reference).await?);
        }
        match self.in_region(contexts.get_by_name(reference)).await {
            // A service may have other ids.
            Err(error) if error.is_not_found() => match ContextId::new(reference) {
                Ok(id) => contexts.get(id).await.map_err(|_| Failure::from(error)),
                Err(_) => Err(error.into()),
            },
            found => Ok(found?),
        }
    }
}

fn confined_to(only: &Confinement) -> Failure {
    let only = only.as_str();
    Failure::not_allowed(
        format!("this server is confined to the context {only:?}"),
        format!("leave out the argument context, or pass {only:?}"),
    )
}

/// Whether a call means this context.
fn is_reference(context: &Context, given: &str) -> bool {
    given == context.id.as_str() || (given == context.name && !is_id(given))
}

/// Returns what means each context of a listing: its name, or its id if the name looks like an id or several have it, in
/// different regions.
pub(crate) fn references(contexts: &[Context]) -> Vec<String> {
    let mut count = HashMap::<_, u32>::new();
    for context in contexts {
        *count.entry(context.name.as_str()).or_default() += 1;
    }
    let reference = |context: &Context| match is_id(&context.name) || count[&*context.name] > 1 {
        true => context.id.to_string(),
        false => context.name.clone(),
    };
    contexts.iter().map(reference).collect()
}

/// Whether a text is an id and not a name.
fn is_id(text: &str) -> bool {
    text.starts_with(ID_PREFIX)
}
