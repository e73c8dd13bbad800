//! Creating, renaming, clearing and deleting contexts.

use agbcloud::{ContextName, ErrorKind};
use axum::http::StatusCode;

use crate::web::{
    extract::Path,
    failure::{Failure, Result},
    form::Form,
    links,
    visit::Visit,
};

pub(crate) async fn create(visit: Visit, form: Form) -> Result {
    let name = checked_name(form.get("name"))?;
    let contexts = visit.app.client.contexts();
    let (context, result) = match contexts.get_by_name(&name).await {
        Ok(context) => (context, "exists"),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            (contexts.get_or_create(&name).await?, "created")
        }
        Err(error) => return Err(error.into()),
    };
    let url = links::context(context.id.as_str(), "");
    Ok(links::done(&url, result))
}

pub(crate) async fn rename(visit: Visit, Path(id): Path<String>, form: Form) -> Result {
    let name = checked_name(form.get("name"))?;
    let renamed = visit.app.client.contexts().rename(id.as_str(), name).await;
    match renamed {
        Ok(()) => Ok(links::done(
            &links::context(&id, "manage"),
            "context-renamed",
        )),
        Err(error) if error.kind() == ErrorKind::Conflict => {
            Err(Failure::conflict("Another context has this name")
                .hint("Go back and choose another name."))
        }
        Err(error) => Err(error.into()),
    }
}

/// Starts a clear, which continues in the service.
pub(crate) async fn clear(visit: Visit, Path(id): Path<String>, _form: Form) -> Result {
    visit
        .app
        .client
        .contexts()
        .clear(id.as_str())
        .start()
        .await?;
    Ok(links::done(&links::context(&id, ""), "clearing"))
}

pub(crate) async fn delete(visit: Visit, Path(id): Path<String>, _form: Form) -> Result {
    match visit.app.client.contexts().delete(id.as_str()).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(links::done("/", "context-deleted")),
    }
}

fn checked_name(name: &str) -> Result<ContextName> {
    ContextName::new(name).map_err(|error| {
        Failure::new(StatusCode::BAD_REQUEST, "This name is not allowed")
            .cause(error.to_string())
            .hint("Go back and enter a name of 1 to 255 characters without control characters.")
    })
}
