//! [`Scope`]: the contexts that a server may use.

use agbcloud::{Client, Context, ContextId, Files, LookupByName};

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
    /// Name or id of the only context.
    pub(crate) confined: Option<String>,
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
}

impl Scope {
    /// Looks up the context of a call by name or id. `None` means the context of the server.
    ///
    /// # Errors
    ///
    /// `invalid_argument` without a context where the server has several, `not_allowed` for another context than that of the
    /// server, and those of the lookup.
    pub(crate) async fn place(&self, given: Option<&str>) -> Result<Place> {
        let reference = match (&self.confined, given) {
            (Some(only), _) => only.as_str(),
            (None, Some(given)) => given,
            (None, None) => {
                return Err(Failure::invalid_argument(
                    "the argument context is missing",
                    "pass the name or the id of a context; list_contexts returns them",
                ));
            }
        };
        let found = self.look_up(reference).await;
        if let (Some(only), Some(given)) = (&self.confined, given) {
            let is_same = given == only
                || found.as_ref().is_ok_and(|context| {
                    given == context.id.as_str() || (given == context.name && !is_id(given))
                });
            if !is_same {
                return Err(self.confined_to(only));
            }
        }
        let context = found?;
        Ok(Place {
            files: self.client.contexts().files(&context.id),
            reference: reference.to_owned(),
            context,
        })
    }

    /// Fails if the server is confined to another context than that of this name.
    pub(crate) fn check_name(&self, name: &str) -> Result<()> {
        match &self.confined {
            Some(only) if only != name => Err(self.confined_to(only)),
            _ => Ok(()),
        }
    }

    /// A lookup by name in the region of the server, which creates the context if it does not exist.
    pub(crate) fn get_or_create(&self, name: &str) -> LookupByName {
        self.in_region(self.client.contexts().get_or_create(name))
    }

    fn in_region(&self, lookup: LookupByName) -> LookupByName {
        match &self.region {
            Some(region) => lookup.region(region.as_str()),
            None => lookup,
        }
    }

    fn confined_to(&self, only: &str) -> Failure {
        Failure::not_allowed(
            format!("this server is confined to the context {only:?}"),
            format!("leave out the argument context, or pass {only:?}"),
        )
    }

    /// An id takes precedence. A text that does not look like an id is looked up as a name first, which saves a call.
    async fn look_up(&self, reference: &str) -> Result<Context> {
        let contexts = self.client.contexts();
        if is_id(reference) {
            match contexts.get(reference).await {
                Err(error) if error.is_not_found() => {}
                found => return Ok(found?),
            }
        }
        let by_name = self.in_region(contexts.get_by_name(reference)).await;
        match by_name {
            Err(error) if error.is_not_found() && !is_id(reference) => {
                match ContextId::new(reference) {
                    Ok(id) => contexts.get(id).await.map_err(|_| Failure::from(error)),
                    Err(_) => Err(error.into()),
                }
            }
            found => Ok(found?),
        }
    }
}

fn is_id(text: &str) -> bool {
    text.starts_with(ID_PREFIX)
}
