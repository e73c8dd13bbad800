//! [`Place`]: where a snapshot is: a tar archive, a folder or another context.

use agbcloud::Context;

use crate::{
    address,
    commands::lookup,
    connection::ServiceClient,
    failure::{Code, ErrorContext, Failure},
};

/// Returns the name or id of the context in an operand, which may also be the address of its root.
pub(super) fn context_name(text: &str) -> Result<String, Failure> {
    match address::folder(text) {
        Ok(remote) if remote.path == "/" => Ok(remote.context),
        Ok(remote) => {
            let failure = Failure::usage(format!("{remote} is not a whole context"));
            Err(failure.with_hint(format!(
                "copy a folder with: agb cp -r '{}/' 'NAME2:/'",
                remote.to_string().trim_end_matches('/')
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
        // Creating a context whose name is the mistyped id of another one helps nobody.
        Err(failure) if failure.code == Code::NotFound && !lookup::looks_like_id(name) => Ok(None),
        found => found.map(Some),
    }
}

/// Creates the context, or returns the one that another client has created meanwhile.
pub(super) async fn create_context(client: &ServiceClient, name: &str) -> Result<Context, Failure> {
    let created = client.get_or_create(name).await;
    created.with_action(|| format!("create context {name:?}"))
}
