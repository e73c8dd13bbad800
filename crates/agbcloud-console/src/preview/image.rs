//! Images, as the source of an `img` element, in which no script runs.

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::IntoResponse,
};
use bytes::BytesMut;
use futures_util::{StreamExt, stream};

use super::kind::image_type;
use crate::{
    files::download::{FileParameters, attachment},
    web::{
        extract::{Path, Query},
        failure::{Failure, Result},
        visit::Visit,
    },
};

/// Maximum size of a shown image. The browser decodes it in memory.
pub(super) const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes that determine the type.
const TYPE_BYTES: usize = 4096;

/// Sends an image under the type of its content. As a page of its own, the browser saves it instead.
pub(crate) async fn get(
    visit: Visit,
    Path(id): Path<String>,
    Query(FileParameters { path }): Query<FileParameters>,
) -> Result {
    let files = visit.app.client.contexts().files(id);
    let mut file = files.open(path.as_str()).await?;
    let length = file.content_length().filter(|length| *length <= MAX_BYTES);
    let length = length.ok_or_else(|| {
        Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The image is too large to show",
        )
    })?;
    let mut start = BytesMut::new();
    while start.len() < TYPE_BYTES {
        match file.next().await {
            Some(chunk) => start.extend_from_slice(&chunk?),
            None => break,
        }
    }
    let content_type = image_type(&start).ok_or_else(|| {
        Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The file is not an image",
        )
    })?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CONTENT_DISPOSITION, attachment(&path));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
        ),
    );
    let content = stream::iter([Ok(start.freeze())]).chain(file);
    Ok((headers, Body::from_stream(content)).into_response())
}
