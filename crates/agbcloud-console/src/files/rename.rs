//! Renaming a file: a verified copy, then a deletion. The service has no operation for it.

use agbcloud::{DownloadTarget, ErrorKind, Files, RemoteFile, RemotePath, UploadSource, Uploaded};
use axum::extract::Path;

use crate::{
    text,
    web::{
        failure::{Failure, Result},
        form::Form,
        links,
        visit::Visit,
    },
};

pub(crate) async fn post(visit: Visit, Path(id): Path<String>, form: Form) -> Result {
    let from = RemotePath::new(form.get("path"))?;
    let to = target(&from, form.get("name"))?;
    if from == to {
        return Err(Failure::bad_request("The file has this name already")
            .hint("Go back and enter another name."));
    }
    let files = visit.app.client.contexts().files(id.as_str());
    rename(&files, &from, &to).await?;
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

async fn rename(files: &Files, from: &RemotePath, to: &RemotePath) -> Result<()> {
    // A store may ignore the condition of the upload below.
    match files.open(to).await {
        Ok(_) => return Err(exists(to)),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let source = files.open(from).await?;
    let version = Version::of(&source);
    let content = match source.content_length() {
        Some(length) => UploadSource::reader(source, length),
        None => UploadSource::reader_to_end(source),
    };
    let copy = match files.upload(to, content).if_absent().await {
        Err(error) if error.status() == Some(412) => return Err(exists(to)),
        copy => copy?,
    };
    verify(files, to, &copy).await?;
    if Version::of(&files.open(from).await?) != version {
        return Err(kept(to, "The file was changed while it was copied"));
    }
    files.delete(from).missing_ok(true).await?;
    Ok(())
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
        false => Err(kept(to, "The copy differs from the file")),
    }
}

fn exists(to: &RemotePath) -> Failure {
    Failure::conflict("A file with this name exists already")
        .cause(text::name(to.as_str()))
        .hint("Go back and enter another name, or delete that file first.")
}

fn kept(to: &RemotePath, title: &str) -> Failure {
    Failure::conflict(title)
        .cause(format!(
            "both files are kept; the copy is {}",
            text::name(to.as_str())
        ))
        .hint("Delete the one that is not needed.")
}

/// What identifies the content of a file.
#[derive(PartialEq)]
struct Version {
    etag: Option<String>,
    size: Option<u64>,
    modified: Option<std::time::SystemTime>,
}

impl Version {
    fn of(file: &RemoteFile) -> Self {
        Self {
            etag: file.etag().map(str::to_owned),
            size: file.size(),
            modified: file.modified_at(),
        }
    }
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
