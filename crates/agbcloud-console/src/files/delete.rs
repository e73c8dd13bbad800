//! Deleting a file, after a confirmation.

use agbcloud::RemotePath;
use axum::extract::{Path, Query};

use super::download::FileParameters;
use crate::{
    contexts::{
        lookup::{self, display_name},
        manage::Confirm,
    },
    text,
    web::{failure::Result, form::Form, layout::html, links, visit::Visit},
};

/// Asks for a confirmation.
pub(crate) async fn page(
    visit: Visit,
    Path(id): Path<String>,
    Query(FileParameters { path }): Query<FileParameters>,
) -> Result {
    let path = RemotePath::new(path)?;
    let name = display_name(&lookup::find(&visit, &id).await?);
    let shown = text::name(path.as_str());
    Ok(html(&Confirm {
        layout: visit.layout(format!("Delete {shown}?")),
        question: format!("Delete {shown} from {name}?"),
        consequence: "This can't be undone.".to_owned(),
        button: "Delete file",
        action: links::context(&id, "delete-file"),
        cancel: links::at_path(&id, "file", path.as_str()),
        fields: vec![("path", path.into())],
    }))
}

pub(crate) async fn post(visit: Visit, Path(id): Path<String>, form: Form) -> Result {
    let path = RemotePath::new(form.get("path"))?;
    let files = visit.app.client.contexts().files(id.as_str());
    files.delete(&path).missing_ok(true).await?;
    let folder = links::folder(&id, path.parent().as_str());
    Ok(links::done(&folder, "file-deleted"))
}
