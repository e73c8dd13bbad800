//! Uploads: by the script, one file a request with its length, and by a form of the browser.

use std::io;
use std::sync::Arc;

use agbcloud::{ErrorDetail, Files, FolderPath, RemotePath, Upload, UploadSource};
use axum::{
    Extension, Json,
    body::{Body, HttpBody},
    extract::{Multipart, Path, Query, State, multipart::Field},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

use crate::{
    app::App,
    sessions::Session,
    text,
    web::{
        failure::{Failure, Result},
        form::check_token,
        links,
    },
};

/// The header with the token of the session. A page of another origin can't add it.
const TOKEN_HEADER: &str = "x-csrf-token";
/// Maximum number of files of a form.
const MAX_FILES: usize = 1000;
/// Maximum bytes of a field that is no file.
const FIELD_BYTES: usize = 4096;

#[derive(Deserialize)]
pub(crate) struct Parameters {
    #[serde(default)]
    folder: String,
    #[serde(default)]
    name: String,
    /// Replaces an existing file if not empty.
    #[serde(default)]
    replace: String,
}

#[derive(Serialize)]
struct Stored {
    path: String,
    bytes: u64,
}

/// Uploads the body of the request. Nothing is stored on the way: the length is known.
pub(crate) async fn content(
    State(app): State<Arc<App>>,
    Extension(session): Extension<Session>,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let token = headers
        .get(TOKEN_HEADER)
        .and_then(|value| value.to_str().ok());
    let stored = async {
        check_token(&session, token.unwrap_or_default())?;
        let length = HttpBody::size_hint(&body).exact().ok_or_else(|| {
            Failure::new(
                StatusCode::LENGTH_REQUIRED,
                "The length of the file is missing",
            )
        })?;
        let folder = FolderPath::new(parameters.folder)?;
        let path = target(&folder, &parameters.name)?;
        let body = body.into_data_stream().map_err(io::Error::other);
        let source = UploadSource::reader(StreamReader::new(body), length);
        let files = app.client.contexts().files(id);
        let bytes = store(&files, &path, source, !parameters.replace.is_empty()).await?;
        Ok(Stored {
            path: path.into(),
            bytes,
        })
    };
    match Box::pin(stored).await {
        Ok(stored) => Json(stored).into_response(),
        Err(failure) => Failure::into_json(failure),
    }
}

/// Uploads the files of a form. Each is stored in memory or in a temporary file before it is sent, as a form does not
/// contain its length.
pub(crate) async fn form(
    State(app): State<Arc<App>>,
    Extension(session): Extension<Session>,
    Path(id): Path<String>,
    mut form: Multipart,
) -> Result {
    let files = app.client.contexts().files(id.as_str());
    let (mut verified, mut replace, mut count) = (false, false, 0);
    let mut folder = FolderPath::root();
    while let Some(mut field) = form.next_field().await.map_err(unreadable)? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "csrf" => {
                check_token(&session, &value(&mut field).await?)?;
                verified = true;
            }
            // The page has the token before everything else.
            _ if !verified => check_token(&session, "")?,
            "folder" => folder = FolderPath::new(value(&mut field).await?)?,
            "replace" => replace = true,
            "files" => {
                let Some(name) = field.file_name().filter(|name| !name.is_empty()) else {
                    continue;
                };
                let path = target(&folder, name)?;
                count += 1;
                if count > MAX_FILES {
                    return Err(Failure::bad_request("The form has too many files")
                        .hint("Upload them in several steps, or with 'agb put -r'."));
                }
                Box::pin(store_field(&files, &path, field, replace)).await?;
            }
            _ => {}
        }
    }
    if count == 0 {
        check_token(&session, if verified { session.csrf.as_str() } else { "" })?;
        return Err(Failure::bad_request("No file was selected")
            .hint("Go back and select one or more files."));
    }
    Ok(links::done(
        &links::folder(&id, folder.as_str()),
        "uploaded",
    ))
}

/// The path of an uploaded file. Some browsers send a path with the name.
fn target(folder: &FolderPath, name: &str) -> Result<RemotePath> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    folder.join(name).map_err(|error| {
        Failure::bad_request("A file with this name can't be stored")
            .cause(format!("{}: {error}", text::name(name)))
            .hint("Rename the file, then upload it again.")
    })
}

/// The text of a field that is no file.
async fn value(field: &mut Field<'_>) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(unreadable)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > FIELD_BYTES {
            return Err(Failure::bad_request("A field of the form is too long"));
        }
    }
    String::from_utf8(bytes).map_err(|_| Failure::bad_request("The form is not UTF-8"))
}

async fn store_field(
    files: &Files,
    path: &RemotePath,
    mut field: Field<'_>,
    replace: bool,
) -> Result<()> {
    // The source of an upload can't borrow from the request.
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(1);
    let chunks = futures_util::stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    });
    let send = async move {
        loop {
            let chunk = match field.chunk().await {
                Ok(None) => return,
                Ok(Some(chunk)) => Ok(chunk),
                Err(error) => Err(io::Error::other(error)),
            };
            let is_last = chunk.is_err();
            // Fails if the upload has failed.
            if sender.send(chunk).await.is_err() || is_last {
                return;
            }
        }
    };
    let source = UploadSource::stream(Box::pin(chunks));
    let (stored, ()) = tokio::join!(store(files, path, source, replace), send);
    stored.map(drop)
}

async fn store(
    files: &Files,
    path: &RemotePath,
    source: UploadSource,
    replace: bool,
) -> Result<u64> {
    let upload = files.upload(path, source);
    let upload: Upload = if replace { upload } else { upload.if_absent() };
    match upload.await {
        Ok(uploaded) => Ok(uploaded.bytes),
        Err(error) if error.status() == Some(412) => {
            Err(Failure::conflict("A file with this name exists already")
                .cause(text::name(path.as_str()))
                .hint("Select 'Replace existing files', or rename the file."))
        }
        Err(error) if matches!(error.detail(), Some(ErrorDetail::SizeLimit { .. })) => {
            Err(Failure::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The file is larger than the service allows",
            )
            .cause(error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

fn unreadable(error: axum::extract::multipart::MultipartError) -> Failure {
    Failure::new(error.status(), "The form can't be read").cause(error.body_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_part_of_a_name_counts() {
        let folder = FolderPath::new("/a").unwrap();
        let path = |name| target(&folder, name).map(String::from).ok();
        assert_eq!(path("b.txt").as_deref(), Some("/a/b.txt"));
        assert_eq!(path("../../b.txt").as_deref(), Some("/a/b.txt"));
        assert_eq!(path("C:\\x\\b.txt").as_deref(), Some("/a/b.txt"));
        for bad in ["", "..", ".", "a/", "a\u{7}b"] {
            assert_eq!(path(bad), None, "{bad:?}");
        }
    }
}
