//! [`Place`]: where a snapshot is: a tar archive, a folder or another context.

use std::path::{Path, PathBuf};

use agbcloud::Context;

use crate::{
    address::{self, Address},
    commands::{lookup, transfer::has_slash},
    connection::ServiceClient,
    failure::{Code, ErrorContext, Failure},
    output::quote,
};

/// Returns the name or id of the context in an operand, which may also be the address of its root.
pub(super) fn context_name(text: &str) -> Result<String, Failure> {
    match address::folder(text) {
        Ok(remote) if remote.path == "/" => Ok(remote.context),
        Ok(remote) => {
            let failure = Failure::usage(format!("{remote} is not a whole context"));
            Err(failure.with_hint(format!(
                "copy a folder with: agb cp -r {} NAME2:/",
                quote(format_args!(
                    "{}/",
                    remote.to_string().trim_end_matches('/')
                ))
            )))
        }
        // A name that can't be part of an address.
        Err(_) => Ok(text.to_owned()),
    }
}

/// Returns the context with this id or name; `None` if no context has this name.
pub(super) async fn existing_context(
    client: &ServiceClient,
    name: &str,
) -> Result<Option<Context>, Failure> {
    match lookup::context(client, name).await {
        // A mistyped id must not become the name of a new context.
        Err(failure) if failure.code == Code::NotFound && !lookup::looks_like_id(name) => Ok(None),
        found => found.map(Some),
    }
}

/// Creates the context, or returns the one that another client has created meanwhile.
pub(super) async fn create_context(client: &ServiceClient, name: &str) -> Result<Context, Failure> {
    let created = client.get_or_create(name).await;
    created.with_action(|| format!("create context {name:?}"))
}

/// Where a snapshot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A tar file.
    Archive(PathBuf),
    Folder(PathBuf),
    /// Name or id of a context.
    Context(String),
}

impl Place {
    /// `NAME:` is a context, and a local path with a slash at the end, or of an existing folder, is a folder. Other local paths
    /// are archives.
    pub(super) fn parse(path: &Path) -> Result<Self, Failure> {
        let text = path.to_string_lossy();
        match text.parse() {
            Ok(Address::Remote(remote)) if remote.path == "/" => Ok(Self::Context(remote.context)),
            Ok(Address::Remote(remote)) => {
                let name = &remote.context;
                let failure = Failure::usage(format!("{remote} is not a whole context"));
                Err(failure.with_hint(format!(
                    "write {name}: for the context, and copy a folder with: agb cp -r"
                )))
            }
            Ok(Address::Local(_)) if has_slash(path) || path.is_dir() => {
                Ok(Self::Folder(path.to_owned()))
            }
            Ok(Address::Local(_)) => Ok(Self::Archive(path.to_owned())),
            Err(_) => {
                let name = text.split(':').next().unwrap_or_default();
                let failure =
                    Failure::usage(format!("{text} is neither a local path nor a context"));
                Err(failure.with_hint(format!(
                    "write ./{text} for a local file, and {name}: for a context"
                )))
            }
        }
    }

    /// The name if this may be a context that was written without its colon.
    fn bare_name(&self) -> Option<&str> {
        let Self::Archive(path) = self else {
            return None;
        };
        let name = path.to_str()?;
        match address::folder(name) {
            Ok(remote) if remote.context == name && path.extension().is_none() => Some(name),
            _ => None,
        }
    }

    /// Fails if a path without an extension is also the name of a context.
    pub(super) async fn check_ambiguous(&self, client: &ServiceClient) -> Result<(), Failure> {
        let Some(name) = self.bare_name() else {
            return Ok(());
        };
        let is_context = match client.get_by_name(name).await {
            Ok(_) => true,
            Err(error) if lookup::is_not_found(&error) => false,
            Err(error) => return Err(error).with_action(|| format!("look up context {name:?}")),
        };
        match is_context {
            false => Ok(()),
            true => {
                let failure = Failure::usage(format!("{name} is also the name of a context"));
                Err(failure.with_hint(format!(
                    "write {name}: for the context, ./{name} for a tar file and {name}/ for a folder"
                )))
            }
        }
    }
}
