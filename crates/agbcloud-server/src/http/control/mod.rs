//! The control API: the operations under `/sdk/`.

mod auth;
mod contexts;
mod envelope;
mod file_urls;
mod files;
pub(crate) mod page_token;
mod params;
mod stale_listing;

use std::sync::Arc;

use agbcloud_api::extensions;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderValue};

pub(super) use self::envelope::ControlError;
use self::params::Params;
use super::body::{self, BodyError};
use super::{App, request_id};
use crate::limits::Limits;
use crate::metadata::{Context, ContextState};
use crate::operations::{Operation, OperationId, operations};
use crate::signing::{Caller, Issuer, Tenant};
use crate::system::clock::Micros;

/// An authenticated call of an operation.
struct Call {
    app: Arc<App>,
    tenant: Tenant,
    /// The API key of the caller, for presigned URLs.
    issuer: Issuer,
    params: Params,
    /// The body, which is empty or JSON.
    body: Vec<u8>,
    request_id: String,
}

impl Call {
    /// Returns the state of a context that is reported to callers.
    fn state(&self, context: &Context) -> ContextState {
        let (faults, now) = (&self.app.faults, self.app.now());
        if faults.is_clearing(&self.tenant, &context.id, now) {
            ContextState::Clearing
        } else {
            context.state
        }
    }

    /// Returns the time of the newest entries in a listing, if a fault makes it lag behind.
    fn stale_until(&self, operation: &str) -> Option<Micros> {
        let lag = self.app.faults.lag(operation)?;
        Some(self.app.now().before(lag))
    }
}

/// The path prefix of all operations.
pub(super) const PREFIX: &str = "/sdk/";

/// Executes the operation that a request calls.
pub(super) async fn call(app: Arc<App>, request: Request) -> Response {
    // Without a key, even the existence of operations is not revealed.
    let service = app.clone();
    let next = |request: Request, caller| async move {
        let path = request.uri().path();
        match operations().iter().find(|known| known.path == path) {
            Some(operation) => serve(service, operation, request, caller).await,
            None => unknown_operation(request),
        }
    };
    auth::authenticate(&app, request, next).await
}

pub(super) fn unknown_operation(request: Request) -> Response {
    reject(request, ControlError::no_such_operation())
}

fn reject(request: Request, error: ControlError) -> Response {
    body::reject(request, |id| error.into_response(id))
}

async fn serve(
    app: Arc<App>,
    operation: &'static Operation,
    request: Request,
    caller: Caller,
) -> Response {
    if request.method() != operation.method {
        return reject(request, ControlError::other_method(operation.method));
    }
    let request_id = request_id(&request);
    // The clock of file times, so that clients can determine their clock offset.
    let date = HeaderValue::from_str(&app.now().http_date());
    let result = execute(app, operation, request, caller, request_id.clone()).await;
    let mut response = result.unwrap_or_else(|error| error.into_response(&request_id));
    if let Ok(date) = date {
        response.headers_mut().insert(http::header::DATE, date);
    }
    let extensions = HeaderValue::from_static(extensions::FILE_URLS);
    response
        .headers_mut()
        .insert(extensions::HEADER, extensions);
    response
}

async fn execute(
    app: Arc<App>,
    operation: &'static Operation,
    request: Request,
    Caller { tenant, issuer }: Caller,
    request_id: String,
) -> Result<Response, ControlError> {
    let (parts, body) = request.into_parts();
    let takes_body = operation.id == OperationId::GetContextFileUrls;
    let body = read_body(&parts.headers, body, &app.limits).await;
    let body = body.map_err(|error| match takes_body {
        true => file_urls::explain_body(error, &app.limits),
        false => error,
    })?;
    let params = Params::parse(operation, parts.uri.query().unwrap_or_default())?;
    let call = Call {
        app,
        tenant,
        issuer,
        params,
        body,
        request_id,
    };
    match operation.id {
        OperationId::ListContexts => contexts::list(call).await,
        OperationId::GetContext => contexts::get(call).await,
        OperationId::ModifyContext => contexts::modify(call).await,
        OperationId::DeleteContext => contexts::delete(call).await,
        OperationId::ClearContext => contexts::clear(call).await,
        OperationId::DescribeContextFiles => files::list(call).await,
        OperationId::GetContextFileUploadUrl => file_urls::upload(call).await,
        OperationId::GetContextFileDownloadUrl => file_urls::download(call).await,
        OperationId::DeleteContextFile => files::delete(call).await,
        OperationId::GetContextFileUrls => file_urls::many(call).await,
    }
}

/// Reads the body of a control call, which must be empty or JSON.
async fn read_body(
    headers: &HeaderMap,
    mut body: Body,
    limits: &Limits,
) -> Result<Vec<u8>, ControlError> {
    let max = limits.body_bytes;
    if body::content_length(headers).is_some_and(|length| length > max as u64) {
        body::drain(headers, body);
        return Err(ControlError::body_too_large(max));
    }
    let (mut json, mut rate) = (Vec::new(), body::minimum_rate(limits));
    while let Some(chunk) = body::next(&mut body, &mut rate)
        .await
        .map_err(|error| match error {
            BodyError::Incomplete => ControlError::incomplete_body(),
            BodyError::Timeout => ControlError::body_timeout(),
        })?
    {
        if json.len() + chunk.len() > max {
            body::drain(headers, body);
            return Err(ControlError::body_too_large(max));
        }
        json.extend_from_slice(&chunk);
    }
    if json.is_empty() || is_json(&json) {
        Ok(json)
    } else if body::is_encoded(headers) {
        Err(ControlError::encoded_body())
    } else {
        Err(ControlError::invalid_body())
    }
}

fn is_json(bytes: &[u8]) -> bool {
    // Parsed as text, because serde_json does not check the UTF-8 of ignored strings in bytes.
    std::str::from_utf8(bytes)
        .is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}
