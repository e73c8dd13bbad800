//! Decodes successful responses.
//!
//! The decoder of progenitor drops status and headers if the body is unexpected. This one returns such a response as
//! [`Error::UnexpectedResponse`], with everything that was received.

use std::sync::Arc;

use bytes::BytesMut;
use progenitor_client::{Error, ResponseValue};
use reqwest::{Response, ResponseBuilderExt};
use serde::de::DeserializeOwned;

/// Maximum size of a response: 64 MiB. A page of 1000 entries with the longest paths, every character escaped, has less
/// than 8 MiB.
pub const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// Why the body of an [`Error::UnexpectedResponse`] with a successful status is incomplete. It is an extension of the
/// response.
///
/// ```
/// # fn show(response: &reqwest::Response) {
/// if let Some(fault) = response.extensions().get::<agbcloud_api::BodyFault>() {
///     eprintln!("incomplete response: {fault:?}");
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum BodyFault {
    /// The connection failed within the body.
    Broken(Arc<reqwest::Error>),
    /// The body is larger than [`MAX_BODY_BYTES`].
    TooLarge,
}

/// Decodes a successful response like the generated client, for replacements of the client in tests.
///
/// # Errors
///
/// [`Error::UnexpectedResponse`] if the body is not a `T`, incomplete, or larger than [`MAX_BODY_BYTES`]. Its response has
/// the status, the headers and the received part of the body.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use agbcloud_api::{decode, types::ClearContextResponse};
///
/// let response = http::Response::new(r#"{"success": true}"#);
/// let envelope = decode::<ClearContextResponse, ()>(response.into()).await.unwrap();
/// assert_eq!(envelope.success, Some(true));
/// # }
/// ```
pub async fn decode<T: DeserializeOwned, E>(
    mut response: Response,
) -> Result<ResponseValue<T>, Error<E>> {
    let mut body = BytesMut::new();
    let fault = read(&mut response, &mut body).await.err();
    if fault.is_none()
        && let Ok(value) = serde_json::from_slice(&body)
    {
        let headers = std::mem::take(response.headers_mut());
        return Ok(ResponseValue::new(value, response.status(), headers));
    }
    Err(Error::UnexpectedResponse(rebuild(response, body, fault)))
}

async fn read(response: &mut Response, body: &mut BytesMut) -> Result<(), BodyFault> {
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MAX_BODY_BYTES => {
                return Err(BodyFault::TooLarge);
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(()),
            Err(error) => return Err(BodyFault::Broken(Arc::new(error.without_url()))),
        }
    }
}

fn rebuild(mut response: Response, body: BytesMut, fault: Option<BodyFault>) -> Response {
    let mut rebuilt = http::Response::new(body.freeze());
    *rebuilt.status_mut() = response.status();
    *rebuilt.version_mut() = response.version();
    *rebuilt.headers_mut() = std::mem::take(response.headers_mut());
    if let Some(fault) = fault {
        rebuilt.extensions_mut().insert(fault);
    }
    with_url(rebuilt, response.url().clone()).into()
}

/// Adds the URL of a response, an extension that only reqwest's builder trait can create.
fn with_url<B>(mut response: http::Response<B>, url: reqwest::Url) -> http::Response<B> {
    if let Ok(carrier) = http::Response::builder().url(url).body(()) {
        response
            .extensions_mut()
            .extend(carrier.into_parts().0.extensions);
    }
    response
}
