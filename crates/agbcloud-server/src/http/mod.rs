//! The HTTP interface: control calls under `/sdk/`, contents of files under `/objects/v1/`, and monitoring.

mod attachment;
mod body;
mod control;
mod fault_injection;
mod minimum_rate;
pub(crate) mod monitoring;
mod objects;
mod request_head;
mod router;
mod service_failure;
mod tenant_limiter;
mod upload_reservations;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http_body_util::BodyExt;

#[cfg(any(fuzzing, test))]
pub(crate) use self::control::page_token;
pub(crate) use self::minimum_rate::MinimumRate;
#[cfg(any(fuzzing, test))]
pub(crate) use self::objects::check_range;
pub(crate) use self::router::{Responder, responder};
pub(crate) use self::tenant_limiter::TenantLimiter;
pub(crate) use self::upload_reservations::UploadReservations;
use crate::blobs::Blobs;
use crate::faults::Faults;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::metrics::Metrics;
use crate::signing::Signer;
use crate::system::clock::{Clock, Micros};
use crate::tasks::Wake;

/// Everything that requests share.
pub(crate) struct App {
    pub(crate) metadata: Arc<dyn Metadata>,
    pub(crate) blobs: Blobs,
    pub(crate) signer: Arc<Signer>,
    /// API keys of callers and signing keys of URLs.
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<dyn Clock>,
    /// The login regions. The first is the default.
    pub(crate) regions: Vec<String>,
    /// The prefix of presigned URLs, without a trailing slash.
    pub(crate) public_url: String,
    pub(crate) url_ttl: Duration,
    /// Whether download URLs are those of the blob store.
    pub(crate) direct_downloads: bool,
    pub(crate) limits: Limits,
    pub(crate) tenant_limiter: Arc<TenantLimiter>,
    pub(crate) reservations: Arc<UploadReservations>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) faults: Faults,
    pub(crate) wake: Wake,
}

impl App {
    fn now(&self) -> Micros {
        Micros::of(self.clock.now())
    }
}

/// Extension of responses to requests with a valid key or a valid URL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Authenticated;

/// The id of a request: in the header and body of its response, and in the log.
#[derive(Debug, Clone)]
struct RequestId(String);

fn request_id(request: &Request) -> String {
    request
        .extensions()
        .get::<RequestId>()
        .map(|id| id.0.clone())
        .unwrap_or_default()
}

/// Keeps a value alive until the body of the response is sent or dropped.
pub(crate) fn attach_guard<T: Send + 'static>(response: Response, guard: T) -> Response {
    response.map(|body| {
        Body::new(body.map_err(move |error| {
            let _guard = &guard;
            error
        }))
    })
}
