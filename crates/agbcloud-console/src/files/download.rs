//! Downloading a file, as a stream.

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue,
        header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::IntoResponse,
};
use serde::Deserialize;

use crate::web::{
    extract::{Path, Query},
    failure::Result,
    links,
    visit::Visit,
};

/// The file of a request.
#[derive(Deserialize)]
pub(crate) struct FileParameters {
    #[serde(default)]
    pub(crate) path: String,
}

/// Sends a file that the browser saves, whatever it contains.
pub(crate) async fn get(
    visit: Visit,
    Path(id): Path<String>,
    Query(FileParameters { path }): Query<FileParameters>,
) -> Result {
    let file = visit
        .app
        .client
        .contexts()
        .files(id)
        .open(path.as_str())
        .await?;
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(CONTENT_DISPOSITION, attachment(&path));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox; frame-ancestors 'none'"),
    );
    if let Some(length) = file.content_length() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok((headers, Body::from_stream(file)).into_response())
}

/// The header that makes a browser save the file under its name.
pub(crate) fn attachment(path: &str) -> HeaderValue {
    let name = links::encode(path.rsplit('/').next().unwrap_or_default());
    let header = HeaderValue::try_from(format!("attachment; filename*=UTF-8''{name}"));
    header.unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_attachment_is_encoded() {
        assert_eq!(
            attachment("/a/b\";\r\nx: é.txt"),
            "attachment; filename*=UTF-8''b%22%3B%0D%0Ax%3A%20%C3%A9.txt"
        );
    }
}
