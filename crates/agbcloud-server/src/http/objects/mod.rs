//! The object leg: the bytes of files, through presigned URLs.

mod digests;
mod download;
mod incoming;
mod upload;

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::Method;
use http::header::HeaderName;

use super::xml::ObjectFailure;
use super::{App, Known, body, held, router};
use crate::faults::Kind;
use crate::metadata::FileKey;

/// The CRC-64 of a whole object, in decimal, by the name that Alibaba's OSS gives it.
const CRC64: HeaderName = HeaderName::from_static("x-oss-hash-crc64ecma");

/// Does what the URL allows. It is verified before anything else of the request is looked at.
pub(super) async fn transfer(app: Arc<App>, request: Request) -> Response {
    let id = router::request_id(&request);
    let target = request
        .uri()
        .path_and_query()
        .map_or("", |target| target.as_str());
    let (grant, method) = (
        app.keys.verify(request.method(), target, app.now()),
        request.method().clone(),
    );
    let operation = router::operation_of(&method, request.uri().path());
    let (parts, mut body) = request.into_parts();
    let place = grant
        .as_ref()
        .ok()
        .map(|grant| app.load.enter(&grant.tenant));
    let outcome = match grant {
        Err(refusal) => Err(refusal.into()),
        Ok(_) if app.faults.strikes(operation, Kind::ExpiredUrls) => Err(ObjectFailure::expired()),
        Ok(_) if matches!(place, Some(None)) => Err(ObjectFailure::slow_down()),
        Ok(grant) => {
            let key = FileKey {
                tenant: grant.tenant,
                context: grant.context,
                generation: grant.generation,
                path: grant.path,
            };
            match method {
                Method::PUT => upload::put(app, key, &parts.headers, &mut body).await,
                Method::GET | Method::HEAD => download::get(&app, &key, &parts).await,
                // No URL is ever signed for another method.
                _ => Err(ObjectFailure::signature()),
            }
        }
    };
    let mut response = outcome.unwrap_or_else(|failure| {
        body::drain(&parts.headers, body);
        failure.into_response(&id)
    });
    if place.is_some() {
        response.extensions_mut().insert(Known);
    }
    held::hold(response, place)
}
