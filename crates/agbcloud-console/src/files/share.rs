//! Sharing a file by a presigned URL.

use agbcloud::RemotePath;
use askama::Template;

use crate::{
    text,
    web::{
        extract::Path,
        failure::Result,
        form::Form,
        layout::{Layout, html},
        links,
        visit::Visit,
    },
};

#[derive(Template)]
#[template(path = "share.html")]
struct Share {
    layout: Layout,
    path: String,
    url: String,
    expires: Option<String>,
    back: String,
}

/// Requests a URL and shows it. The URL is a credential: a form requests it, and its page is not stored.
pub(crate) async fn post(visit: Visit, Path(id): Path<String>, form: Form) -> Result {
    let path = RemotePath::new(form.get("path"))?;
    let files = visit.app.client.contexts().files(id.as_str());
    let url = files.download_url(&path).await?;
    let shown = text::name(path.as_str());
    Ok(html(&Share {
        layout: visit.layout(format!("Share {shown}")),
        path: shown,
        url: url.as_str().to_owned(),
        expires: url.expires_at().and_then(text::time),
        back: links::at_path(&id, "file", path.as_str()),
    }))
}
