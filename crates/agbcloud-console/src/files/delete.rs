//! Deleting a file, after a confirmation that shows its version.

use agbcloud::RemotePath;

use super::{
    download::FileParameters,
    version::{Deletion, Version, delete_version},
};
use crate::{
    contexts::{
        lookup::{self, display_name},
        manage::Confirm,
    },
    text,
    web::{
        extract::{Path, Query},
        failure::{Failure, Result},
        form::Form,
        layout::html,
        links,
        visit::Visit,
    },
};

/// Asks for a confirmation.
pub(crate) async fn page(
    visit: Visit,
    Path(id): Path<String>,
    Query(FileParameters { path }): Query<FileParameters>,
) -> Result {
    let path = RemotePath::new(path)?;
    let name = display_name(&lookup::find(&visit, &id).await?);
    let files = visit.app.client.contexts().files(id.as_str());
    let version = Version::of(&files.open(&path).await?);
    let shown = text::name(path.as_str());
    let mut fields = vec![("path", path.as_str().to_owned())];
    fields.extend(version.fields());
    Ok(html(&Confirm {
        layout: visit.layout(format!("Delete {shown}?")),
        question: format!("Delete {shown} from {name}?"),
        consequence: match version.describe() {
            version if version.is_empty() => "This can't be undone.".to_owned(),
            version => format!("The file has {version}. This can't be undone."),
        },
        button: "Delete file",
        action: links::context(&id, "delete-file"),
        cancel: links::at_path(&id, "file", path.as_str()),
        fields,
    }))
}

/// Deletes the version that the confirmation has shown.
pub(crate) async fn post(visit: Visit, Path(id): Path<String>, form: Form) -> Result {
    let path = RemotePath::new(form.get("path"))?;
    let version = Version::of_form(&form);
    let deletion = Box::pin(delete_version(&visit.app, &id, &path, &version)).await?;
    if deletion == Deletion::Changed {
        return Err(
            Failure::conflict("The file was changed after the confirmation")
                .cause(text::name(path.as_str()))
                .hint("The file is kept. Go back to see the current version."),
        );
    }
    let folder = links::folder(&id, path.parent().as_str());
    Ok(links::done(&folder, "file-deleted"))
}
