//! The HTTP client of a bucket: bounds the time of requests, measures them, and reduces error responses to status and code.

#![expect(
    clippy::disallowed_methods,
    reason = "timeouts and measurements of the network use real time"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use futures_util::stream;
use http::header::DATE;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService, ReqwestConnector,
};

use crate::blobs::error::StoreFailure;
use crate::blobs::metrics::BlobMetrics;

/// Minimum rate of an upload in bytes per second: the time for a response grows with the size of the request.
const MIN_UPLOAD_RATE: u64 = 256 * 1024;
/// Factor of the timeout for completing a multipart upload, for which some stores copy the parts.
const COMPLETE_FACTOR: u32 = 6;
/// Maximum size of an error response that is read.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// By how many seconds the clock of the store is ahead of the local one, from its latest response.
#[derive(Debug, Clone)]
pub(super) struct ClockOffset(Arc<AtomicI64>);

impl Default for ClockOffset {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MIN)))
    }
}

impl ClockOffset {
    /// Returns `None` if the store sends no time.
    pub(super) fn seconds(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|seconds| *seconds != i64::MIN)
    }

    fn record(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let Some(Ok(date)) = date.map(httpdate::parse_http_date) else {
            return;
        };
        let offset = match date.duration_since(SystemTime::now()) {
            Ok(ahead) => i64::try_from(ahead.as_secs()),
            Err(behind) => i64::try_from(behind.duration().as_secs()).map(|seconds| -seconds),
        };
        if let Ok(offset) = offset {
            self.0.store(offset, Ordering::Relaxed);
        }
    }
}

/// Creates the clients of a bucket.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    pub(super) timeout: Duration,
    pub(super) metrics: BlobMetrics,
    pub(super) clock: ClockOffset,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service {
            client: ReqwestConnector::default().connect(options)?,
            settings: self.clone(),
        }))
    }
}

#[derive(Debug)]
struct Service {
    client: HttpClient,
    settings: Connector,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (timeout, metrics) = (self.settings.timeout, &self.settings.metrics);
        let operation = operation(request.method(), request.uri().query().unwrap_or_default());
        let is_head = request.method() == Method::HEAD;
        let bytes = request.body().content_length() as u64;
        let limit = match operation {
            "complete_multipart" => timeout * COMPLETE_FACTOR,
            _ => timeout + Duration::from_secs(bytes / MIN_UPLOAD_RATE),
        };
        let started = Instant::now();
        let response = tokio::time::timeout(limit, self.client.execute(request)).await;
        metrics.record_request(operation, started.elapsed(), bytes);
        let response = match response {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                metrics.count_failure(operation, "transport");
                return Err(error);
            }
            Err(_) => {
                metrics.count_failure(operation, "timeout");
                return Err(HttpError::new(
                    HttpErrorKind::Timeout,
                    StoreFailure::Timeout,
                ));
            }
        };
        self.settings.clock.record(response.headers());
        let status = response.status();
        if status.is_success() || is_expected(status) && status != StatusCode::NOT_FOUND {
            let (parts, body) = response.into_parts();
            let body = bounded(body, timeout, metrics.clone());
            return Ok(HttpResponse::from_parts(parts, body));
        }
        let (parts, body) = response.into_parts();
        let code = error_code(bounded(body, timeout, metrics.clone())).await;
        // A missing bucket, and a server that is no store, are not a missing object.
        let is_about_object = is_head
            || code
                .as_deref()
                .is_none_or(|code| matches!(code, "NoSuchKey" | "NoSuchUpload"));
        let code = code.unwrap_or_default();
        if status == StatusCode::NOT_FOUND && is_about_object {
            return Ok(HttpResponse::from_parts(parts, code.into()));
        }
        metrics.count_failure(operation, "status");
        let failure = StoreFailure::Status {
            status: status.as_u16(),
            code,
        };
        let kind = match is_retryable(status) {
            // Always retried: no request of this service is harmful if it is repeated.
            true => HttpErrorKind::Request,
            false => HttpErrorKind::Unknown,
        };
        Err(HttpError::new(kind, failure))
    }
}

/// Whether the object store handles a status.
fn is_expected(status: StatusCode) -> bool {
    status.is_redirection()
        || matches!(
            status,
            StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED
        )
}

fn is_retryable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// The operation of a request, as the metrics name it.
fn operation(method: &Method, query: &str) -> &'static str {
    let has = |name: &str| {
        query
            .split('&')
            .any(|pair| pair.split('=').next() == Some(name))
    };
    match *method {
        Method::GET if has("list-type") => "list",
        Method::GET => "get",
        Method::HEAD => "head",
        Method::PUT if has("partNumber") => "put_part",
        Method::PUT => "put",
        Method::POST if has("uploads") => "create_multipart",
        Method::POST if has("uploadId") => "complete_multipart",
        Method::POST if has("delete") => "delete_many",
        Method::DELETE if has("uploadId") => "abort_multipart",
        Method::DELETE => "delete",
        _ => "other",
    }
}

/// A body that fails if no byte arrives in time. The time in which the reader is not waiting does not count.
fn bounded(body: HttpResponseBody, timeout: Duration, metrics: BlobMetrics) -> HttpResponseBody {
    let frames = stream::unfold(Some(body), move |body| {
        let metrics = metrics.clone();
        async move {
            let mut body = body?;
            match tokio::time::timeout(timeout, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    metrics.count_received(frame.data_ref().map_or(0, bytes::Bytes::len));
                    Some((Ok(frame), Some(body)))
                }
                Ok(Some(Err(error))) => Some((Err(error), None)),
                Ok(None) => None,
                Err(_) => {
                    metrics.count_failure("get", "timeout");
                    let error = HttpError::new(HttpErrorKind::Timeout, StoreFailure::Timeout);
                    Some((Err(error), None))
                }
            }
        }
    });
    HttpResponseBody::new(StreamBody::new(frames))
}

/// Reads the code of an error in XML. Empty if there is none, and `None` if there is no body.
async fn error_code(mut body: HttpResponseBody) -> Option<String> {
    let mut text = Vec::new();
    while text.len() < MAX_ERROR_BYTES {
        match body.frame().await {
            Some(Ok(frame)) => text.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            _ => break,
        }
    }
    if text.is_empty() {
        return None;
    }
    let text = String::from_utf8_lossy(&text);
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    let is_code =
        |code: &&str| code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let code = code.map(|(code, _)| code).filter(is_code);
    Some(code.unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_named_by_method_and_query() {
        for (method, query, name) in [
            (Method::GET, "list-type=2&prefix=a", "list"),
            (Method::GET, "", "get"),
            (Method::PUT, "partNumber=1&uploadId=x", "put_part"),
            (Method::POST, "uploads=", "create_multipart"),
            (Method::POST, "uploadId=x", "complete_multipart"),
            (Method::POST, "delete", "delete_many"),
            (Method::DELETE, "uploadId=x", "abort_multipart"),
            (Method::DELETE, "", "delete"),
        ] {
            assert_eq!(operation(&method, query), name, "{query}");
        }
    }

    #[tokio::test]
    async fn only_the_code_of_an_error_is_kept() {
        let code = async |body: &str| error_code(HttpResponseBody::from(body.to_owned())).await;
        let xml = "<Error><Code>SlowDown</Code><StringToSign>hidden</StringToSign></Error>";
        assert_eq!(code(xml).await.as_deref(), Some("SlowDown"));
        assert_eq!(code("<html>hidden</html>").await.as_deref(), Some(""));
        assert_eq!(code("<Code>not a code</Code>").await.as_deref(), Some(""));
        assert_eq!(code("").await, None);
    }
}
