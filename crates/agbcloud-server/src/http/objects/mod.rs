//! Contents of files through presigned URLs.

mod conditions;
mod digests;
mod download;
mod error;
mod incoming_content;
mod upload;
mod upload_lease;

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::Method;
use http::header::HeaderName;

#[cfg(any(fuzzing, test))]
pub(crate) use self::conditions::check_range;
pub(super) use self::error::ObjectError;
use super::{App, Authenticated, attach_guard, body, request_id};
use crate::faults::FaultKind;
use crate::metadata::FileKey;
use crate::operations::operation_name;

/// The header of Alibaba OSS with the CRC-64 of the whole object in decimal.
const CRC64: HeaderName = HeaderName::from_static("x-oss-hash-crc64ecma");

/// Executes a request to a presigned URL. Verifies the URL before anything else.
pub(super) async fn transfer(app: Arc<App>, request: Request) -> Response {
    let id = request_id(&request);
    let (method, uri) = (request.method().clone(), request.uri());
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let grant = app.keys.verify(&method, target, app.now()).await;
    let grant = grant.map(|(grant, limits)| (grant, app.limits.quotas(limits)));
    let operation = operation_name(&method, uri.path());
    let (parts, mut body) = request.into_parts();
    let permit = grant
        .as_ref()
        .ok()
        .map(|(grant, _)| app.tenant_limiter.acquire(&grant.tenant));
    let result = match grant {
        Err(error) => Err(error.into()),
        Ok(_) if app.faults.applies(operation, FaultKind::ExpiredUrls) => {
            Err(ObjectError::expired())
        }
        Ok(_) if matches!(permit, Some(None)) => Err(ObjectError::slow_down()),
        Ok((grant, quotas)) => {
            let key = FileKey {
                tenant: grant.tenant,
                context: grant.context,
                generation: grant.generation,
                path: grant.path,
            };
            match method {
                Method::PUT => upload::put(app, key, quotas, &parts.headers, &mut body).await,
                Method::GET | Method::HEAD => download::get(&app, &key, &parts).await,
                // URLs are not signed for other methods.
                _ => Err(ObjectError::signature()),
            }
        }
    };
    let mut response = result.unwrap_or_else(|error| {
        body::drain(&parts.headers, body);
        error.into_response(&id)
    });
    if permit.is_some() {
        response.extensions_mut().insert(Authenticated);
    }
    attach_guard(response, permit)
}
