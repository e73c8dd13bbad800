//! Renaming a file: a verified copy, then a deletion. The service has no operation for it.

use std::io;

use agbcloud::{DownloadTarget, Files, RemotePath, Uploaded};
use futures_util::TryStreamExt;

use super::{
    content::Content,
    store::{Stored, store},
    version::{Deletion, Version, delete_version},
};
use crate::{
    app::App,
    text,
    web::{
        extract::Path,
        failure::{Failure, Result},
        form::Form,
        links,
        visit::Visit,
    },
};

/// What to do if the new name is used already.
const EXISTS_HINT: &str = "Go back and enter another name, or delete that file first.";

pub(crate) async fn post(visit: Visit, Path(id): Path<String>, form: Form) -> Result {
    let from = RemotePath::new(form.get("path"))?;
    let to = target(&from, form.get("name"))?;
    if from == to {
        return Err(Failure::bad_request("The file has this name already")
            .hint("Go back and enter another name."));
    }
    rename(&visit.app, &id, &from, &to).await?;
    let url = links::at_path(&id, "file", to.as_str());
    Ok(links::done(&url, "file-renamed"))
}

/// The new path: a name in the same folder, or a path from the root.
fn target(from: &RemotePath, name: &str) -> Result<RemotePath> {
    let target = match name.starts_with('/') {
        true => RemotePath::new(name),
        false => from.parent().join(name),
    };
    target.map_err(|error| {
        Failure::bad_request("This name is not allowed")
            .cause(error.to_string())
            .hint("Go back and enter a name, or a path that starts with a slash.")
    })
}

/// Copies the file and deletes it.
async fn rename(app: &App, id: &str, from: &RemotePath, to: &RemotePath) -> Result<()> {
    let files = app.client.contexts().files(id);
    let source = files.open(from).await?;
    let version = Version::of(&source);
    let length = source.content_length();
    let content = Content::new(source.map_err(io::Error::from), length);
    let copy = Box::pin(store(&files, to, content, false, EXISTS_HINT)).await?;
    if let Stored::Confirmed(copy) = copy {
        let verified = Box::pin(verify(&files, to, &copy)).await;
        verified.map_err(|failure| kept("The copy could not be verified", to, failure))?;
    }
    let deleted = Box::pin(delete_version(app, id, from, &version)).await;
    let title = "The file was copied, but the old one was not deleted";
    match deleted.map_err(|failure| kept(title, to, failure))? {
        Deletion::Deleted => Ok(()),
        Deletion::Missing => {
            let cause = Failure::conflict("The file was deleted while it was copied");
            Err(
                kept("The file was copied, but it no longer exists", to, cause)
                    .hint("Delete the copy if it is not needed."),
            )
        }
        Deletion::Changed => {
            let cause = Failure::conflict("The file was changed while it was copied");
            Err(kept(title, to, cause))
        }
    }
}

/// Compares the copy with the source, unless the store has done it by its checksum.
async fn verify(files: &Files, to: &RemotePath, copy: &Uploaded) -> Result<()> {
    let is_md5 = |etag: &str| {
        let etag = etag.trim_matches('"');
        etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    // The SDK compares an MD5 with the content.
    if copy.etag.as_deref().is_some_and(is_md5) {
        return Ok(());
    }
    let nowhere = DownloadTarget::writer(tokio::io::sink());
    let read = files.download(to, nowhere).await?;
    match (read.bytes, read.crc64) == (copy.bytes, copy.crc64) {
        true => Ok(()),
        false => Err(Failure::conflict("The copy differs from the file")),
    }
}

/// A failure after the copy was stored.
fn kept(title: &str, to: &RemotePath, failure: Failure) -> Failure {
    let cause = format!(
        "{}. The copy is {}.",
        failure.summary(),
        text::name(to.as_str())
    );
    failure
        .title(title)
        .cause(cause)
        .hint("Compare both files, and delete the one that is not needed.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_the_folder_and_a_path_does_not() {
        let from = RemotePath::new("/a/b.txt").unwrap();
        let to = |name| target(&from, name).map(String::from).map_err(|f| f.status);
        assert_eq!(to("c.txt").unwrap(), "/a/c.txt");
        assert_eq!(to("d/c.txt").unwrap(), "/a/d/c.txt");
        assert_eq!(to("/c.txt").unwrap(), "/c.txt");
        for bad in ["", "..", "../c", "/", "a\\b", "a\nb"] {
            assert_eq!(to(bad).unwrap_err(), 400, "{bad:?}");
        }
    }
}
