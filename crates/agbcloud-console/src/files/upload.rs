//! Uploads: by the script, one file a request with its length, and by a form of the browser.

use std::io;
use std::sync::Arc;

use agbcloud::{Files, FolderPath, RemotePath};
use axum::{
    Extension, Json,
    body::{Body, HttpBody},
    extract::{
        State,
        multipart::{Field, MultipartError},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{content::Content, store::store};
use crate::{
    app::App,
    sessions::Session,
    text,
    web::{
        extract::{Multipart, Path, Query},
        failure::{Failure, Result},
        form::check_token,
        links,
    },
};

/// The header with the token of the session. A page of another origin can't add it.
const TOKEN_HEADER: &str = "x-csrf-token";
/// Maximum number of files of a form.
const MAX_FILES: usize = 1000;
/// What to do if a file exists already.
const EXISTS_HINT: &str = "Select 'Replace existing files', or rename the file.";
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

/// The response to a script.
#[derive(Serialize)]
struct UploadJson {
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
        let content = Content::new(body, Some(length));
        let files = app.client.contexts().files(id);
        let replace = !parameters.replace.is_empty();
        let stored = store(&files, &path, content, replace, EXISTS_HINT).await?;
        Ok(UploadJson {
            path: path.into(),
            bytes: stored.bytes(),
        })
    };
    match Box::pin(stored).await {
        Ok(stored) => Json(stored).into_response(),
        Err(failure) => Failure::into_json(failure),
    }
}

/// Uploads the files of a form. Each is stored in memory or in a temporary file before it is sent, as a form does not
/// contain its length. A file that can't be stored does not prevent the others.
pub(crate) async fn form(
    State(app): State<Arc<App>>,
    Extension(session): Extension<Session>,
    Path(id): Path<String>,
    Multipart(mut form): Multipart,
) -> Result {
    let files = app.client.contexts().files(id.as_str());
    let mut results = Results::default();
    let read = read_form(&mut form, &files, &session, &mut results);
    if let Err(failure) = Box::pin(read).await {
        if results.count() == 0 {
            return Err(failure);
        }
        let rest = "The rest of the form".to_owned();
        results.rejected.push((rest, failure));
    }
    if results.count() == 0 {
        return Err(Failure::bad_request("No file was selected")
            .hint("Go back and select one or more files."));
    }
    let folder = results.finish()?;
    Ok(links::done(
        &links::folder(&id, folder.as_str()),
        "uploaded",
    ))
}

/// Stores the files of a form, in their order.
async fn read_form(
    form: &mut axum::extract::Multipart,
    files: &Files,
    session: &Session,
    results: &mut Results,
) -> Result<()> {
    let (mut verified, mut replace) = (false, false);
    while let Some(mut field) = form.next_field().await.map_err(unreadable)? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "csrf" => {
                check_token(session, &value(&mut field).await?)?;
                verified = true;
            }
            // The page has the token before everything else.
            _ if !verified => check_token(session, "")?,
            "folder" => results.folder = FolderPath::new(value(&mut field).await?)?,
            "replace" => replace = true,
            "files" => {
                let Some(name) = field.file_name().filter(|name| !name.is_empty()) else {
                    continue;
                };
                if results.count() == MAX_FILES {
                    return Err(Failure::bad_request("The form has too many files")
                        .hint("Upload them in several steps, or with 'agb put -r'."));
                }
                let name = decode_file_name(name);
                // A form may contain the path of the file, of which the name is the last part.
                let name = name.rsplit('/').next().unwrap_or_default();
                let path = results.next(name);
                let stored = match path {
                    Ok(path) => Box::pin(store_field(files, &path, field, replace)).await,
                    Err(failure) => Ok(Err(failure)),
                };
                match stored {
                    Ok(Ok(())) => results.stored.push(text::name(name)),
                    Ok(Err(failure)) => results.rejected.push((text::name(name), failure)),
                    Err(error) => {
                        // The rest of the form can't be read either.
                        results.rejected.push((text::name(name), unreadable(error)));
                        return Ok(());
                    }
                }
            }
            _ => {}
        }
    }
    match verified {
        true => Ok(()),
        false => check_token(session, ""),
    }
}

/// The files of a form, and what happened to them.
struct Results {
    folder: FolderPath,
    stored: Vec<String>,
    rejected: Vec<(String, Failure)>,
}

impl Default for Results {
    fn default() -> Self {
        Self {
            folder: FolderPath::root(),
            stored: Vec::new(),
            rejected: Vec::new(),
        }
    }
}

impl Results {
    fn count(&self) -> usize {
        self.stored.len() + self.rejected.len()
    }

    /// The path of the next file. Fails if it is not to be stored.
    fn next(&self, name: &str) -> Result<RemotePath> {
        let failed = self
            .rejected
            .iter()
            .find(|(_, failure)| failure.status.is_server_error());
        match failed {
            // The next attempt would wait for the service again.
            Some((_, failure)) => Err(Failure::new(
                failure.status,
                "It was not sent, because the file before it failed",
            )),
            None => target(&self.folder, name),
        }
    }

    /// The folder of the files, or why not all were stored, with what was stored.
    fn finish(mut self) -> Result<FolderPath> {
        let count = self.count();
        if self.rejected.is_empty() {
            return Ok(self.folder);
        }
        if count == 1
            && let Some((_, failure)) = self.rejected.pop()
        {
            return Err(failure);
        }
        let status = self.rejected[0].1.status;
        let rejected = self.rejected.iter();
        let rejected = rejected.map(|(name, failure)| format!("{name}: {}", failure.advice()));
        Err(Failure::new(status, "Not all files were stored")
            .hint("Go back and upload the other files again.")
            .lists([("Stored", self.stored), ("Not stored", rejected.collect())]))
    }
}

/// Decodes the characters of a file name that browsers encode in forms.
fn decode_file_name(name: &str) -> String {
    name.replace("%22", "\"")
        .replace("%0D", "\r")
        .replace("%0A", "\n")
}

/// The path of an uploaded file.
fn target(folder: &FolderPath, name: &str) -> Result<RemotePath> {
    let path = match name.contains('/') {
        true => Err("a name must not contain a slash".to_owned()),
        false => folder.join(name).map_err(|error| error.to_string()),
    };
    path.map_err(|error| {
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

/// Stores a file of a form. Fails if the form can't be read.
async fn store_field(
    files: &Files,
    path: &RemotePath,
    mut field: Field<'_>,
    replace: bool,
) -> std::result::Result<Result<()>, MultipartError> {
    // The source of an upload can't borrow from the request.
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(1);
    let chunks = futures_util::stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    });
    let send = async move {
        loop {
            let chunk = match field.chunk().await {
                Ok(None) => return Ok(()),
                Ok(Some(chunk)) => chunk,
                Err(error) => {
                    // Otherwise, the start of the file would be stored.
                    let cut = io::Error::from(io::ErrorKind::UnexpectedEof);
                    let _ = sender.send(Err(cut)).await;
                    return Err(error);
                }
            };
            // Fails if the upload has failed.
            if sender.send(Ok(chunk)).await.is_err() {
                return Ok(());
            }
        }
    };
    let content = Content::new(Box::pin(chunks), None);
    let store = store(files, path, content, replace, EXISTS_HINT);
    let (stored, sent) = tokio::join!(store, send);
    sent.map(|()| stored.map(drop))
}

fn unreadable(error: MultipartError) -> Failure {
    // Whatever is wrong, the client has sent it.
    let status = match error.status() {
        status if status.is_client_error() => status,
        _ => StatusCode::BAD_REQUEST,
    };
    Failure::new(status, "The form can't be read")
        .cause(error.body_text())
        .hint("Go back and upload the files again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path() {
        let folder = FolderPath::new("/a").unwrap();
        let path = |name| target(&folder, name).map(String::from).ok();
        assert_eq!(path("b.txt").as_deref(), Some("/a/b.txt"));
        for bad in [
            "", "..", ".", "a/", "a/b", "../b", "a\\b", "a\u{7}b", "a\r\nb",
        ] {
            assert_eq!(path(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn names_of_forms_are_decoded_as_browsers_encode_them() {
        assert_eq!(decode_file_name("a %22b%22.txt"), "a \"b\".txt");
        assert_eq!(decode_file_name("a%0D%0Ab"), "a\r\nb");
        // Browsers encode no other character, and so no percent sign.
        assert_eq!(decode_file_name("100%25 %2F.txt"), "100%25 %2F.txt");
    }
}
