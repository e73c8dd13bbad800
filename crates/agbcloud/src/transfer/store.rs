//! The HTTP client of presigned URLs: without credentials or redirects, and with errors that contain no signature.

use std::{
    num::NonZeroU64,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::{
    Response, StatusCode, Url,
    header::{CONTENT_LENGTH, IF_MATCH, IF_NONE_MATCH, RANGE},
};

use tokio::sync::OnceCell;

use super::{BandwidthLimit, IdleTimeout, StoreChecksums, StubStore, UpdateGuard};
use crate::{
    clock::Time,
    error::{Error, ErrorKind, Operation, Result, StoreError, is_redirect},
    http_client::{HttpStack, RequestTarget},
    model::PresignedUrl,
    retry::{RateLimiter, is_overload},
    trace,
};

/// Maximum number of bytes read of the body of an error.
const MAX_ERROR_BODY: usize = 16 * 1024;

/// Maximum time to read the body of an error.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Minimum length of a query value that may be a signature.
const MIN_SECRET: usize = 8;

/// Options of a GET request.
#[derive(Debug, Default)]
pub(crate) struct GetOptions {
    /// The value of the `Range` header.
    pub(crate) range: Option<String>,
    /// The value of the `If-Match` header.
    pub(crate) if_match: Option<String>,
    /// Number of earlier attempts that failed.
    pub(crate) resends: usize,
}

/// The condition under which an upload replaces the object. A store may ignore it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum PutCondition {
    #[default]
    None,
    /// The object has this ETag.
    IfMatch(String),
    IfAbsent,
}

/// Sends requests to presigned URLs.
pub(crate) struct Store {
    /// A client that does not verify certificates, and one that does. Created on first use, since loading the system's
    /// certificates takes longer than a call.
    clients: [OnceLock<reqwest::Client>; 2],
    time: Time,
    idle_limit: Duration,
    limiter: RateLimiter,
    upload_limit: BandwidthLimit,
    download_limit: BandwidthLimit,
    http: HttpStack,
    stub: Option<StubStore>,
    /// Whether the last upload could only be verified by an MD5.
    needs_md5: AtomicBool,
    /// Whether the store evaluates conditions, once that is known.
    update_guard: OnceCell<UpdateGuard>,
}

impl Store {
    pub(crate) fn new(
        time: Time,
        idle_limit: Duration,
        limiter: RateLimiter,
        bytes_per_second: Option<NonZeroU64>,
        http: HttpStack,
        stub: Option<StubStore>,
    ) -> Self {
        Self {
            clients: [OnceLock::new(), OnceLock::new()],
            time,
            idle_limit,
            limiter,
            upload_limit: BandwidthLimit::new(bytes_per_second),
            download_limit: BandwidthLimit::new(bytes_per_second),
            http,
            stub,
            needs_md5: AtomicBool::new(false),
            update_guard: OnceCell::new(),
        }
    }

    fn client(&self, url: &Url) -> Result<&reqwest::Client> {
        let verifies = self.http.verifies(url);
        let slot = &self.clients[usize::from(verifies)];
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let client = self.http.store_client(verifies)?;
        Ok(slot.get_or_init(|| client))
    }

    /// Sends a GET request to the service without the API key, and returns any response.
    pub(crate) async fn probe(&self, url: &str) -> Result<Response> {
        let parsed = Url::parse(url);
        let url = parsed.map_err(|_| Error::invalid_argument("the endpoint is not a URL"))?;
        let client = self.client(&url)?;
        let mut request = client.get(url).build().map_err(Error::from_transport)?;
        self.http.add_headers(RequestTarget::Service, &mut request);
        let answer = self.idle_timeout().watch(client.execute(request)).await?;
        answer.map_err(Error::from_transport)
    }

    /// Returns the timeout of one request.
    pub(crate) fn idle_timeout(&self) -> IdleTimeout {
        IdleTimeout::new(self.time.clone(), self.idle_limit)
    }

    pub(crate) fn update_guard(&self) -> &OnceCell<UpdateGuard> {
        &self.update_guard
    }

    /// Whether an upload is expected to need an MD5.
    pub(crate) fn needs_md5(&self) -> bool {
        self.needs_md5.load(Ordering::Relaxed)
    }

    /// Records which checksums the response to an upload had.
    pub(crate) fn record_checksums(&self, reported: &StoreChecksums) {
        self.needs_md5
            .store(reported.needs_md5(), Ordering::Relaxed);
    }

    /// The limit of the bytes of all uploads.
    pub(crate) fn upload_limit(&self) -> &BandwidthLimit {
        &self.upload_limit
    }

    /// The limit of the bytes of all downloads.
    pub(crate) fn download_limit(&self) -> &BandwidthLimit {
        &self.download_limit
    }

    /// Uploads a body. Sends `Content-Length` even for 0, which HTTP libraries omit, and no `Content-Type`, which the
    /// signature would include.
    pub(crate) async fn put(
        &self,
        url: &PresignedUrl,
        length: u64,
        body: reqwest::Body,
        condition: &PutCondition,
        idle_timeout: &IdleTimeout,
        resends: usize,
    ) -> Result<Response> {
        let url = url.parsed();
        let span = trace::presigned_span(Operation::Upload, url, resends);
        let request = self.client(url)?.put(url.clone());
        let request = request.header(CONTENT_LENGTH, length).body(body);
        let request = match condition {
            PutCondition::None => request,
            PutCondition::IfMatch(etag) => request.header(IF_MATCH, etag),
            PutCondition::IfAbsent => request.header(IF_NONE_MATCH, "*"),
        };
        trace::instrument(self.send(request, url, idle_timeout), span).await
    }

    pub(crate) async fn get(&self, url: &PresignedUrl, options: &GetOptions) -> Result<Response> {
        let url = url.parsed();
        let span = trace::presigned_span(Operation::Download, url, options.resends);
        let mut request = self.client(url)?.get(url.clone());
        if let Some(range) = &options.range {
            request = request.header(RANGE, range);
        }
        if let Some(etag) = &options.if_match {
            request = request.header(IF_MATCH, etag);
        }
        trace::instrument(self.send(request, url, &self.idle_timeout()), span).await
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        url: &Url,
        idle_timeout: &IdleTimeout,
    ) -> Result<Response> {
        if self.stub.is_none() {
            self.http.check_tls(url.as_str())?;
        }
        let mut request = request.build().map_err(Error::from_transport)?;
        self.http
            .add_headers(RequestTarget::ObjectStore, &mut request);
        let sent = self.limiter.acquire(&self.time).await;
        let response = idle_timeout.watch(self.execute(request)).await??;
        let result = if response.status().is_success() {
            Ok(response)
        } else {
            Err(self.refusal(response, &secrets(url)).await)
        };
        let throttled = result.as_ref().is_err_and(is_overload);
        self.limiter.record(sent, self.time.now(), throttled);
        result
    }

    async fn execute(&self, request: reqwest::Request) -> Result<Response> {
        match &self.stub {
            // Boxed, so that other transfers do not contain this future.
            Some(stub) => Box::pin(stub.answer(request)).await,
            None => {
                let answer = self.client(request.url())?.execute(request).await;
                answer.map_err(Error::from_transport)
            }
        }
    }

    async fn refusal(&self, mut response: Response, secrets: &[String]) -> Error {
        let mut body = Vec::new();
        let read = async {
            while let Ok(Some(chunk)) = response.chunk().await {
                body.extend_from_slice(&chunk[..chunk.len().min(MAX_ERROR_BODY - body.len())]);
                if body.len() == MAX_ERROR_BODY {
                    break;
                }
            }
        };
        // A partial body is sufficient, since the status determines the kind of the error.
        let _ = self
            .time
            .within(self.idle_limit.min(ERROR_BODY_TIMEOUT), read)
            .await;
        let body = String::from_utf8_lossy(&body);
        // The rest of the body may repeat the rejected signature.
        let refusal = StoreError {
            code: element(&body, "Code"),
            message: element(&body, "Message"),
            request_id: element(&body, "RequestId"),
        };
        Error::from_store(
            kind_of(response.status(), refusal.code.as_deref()),
            response.status().as_u16(),
            response.headers(),
            refusal,
            secrets,
            self.time.system_time(),
        )
    }
}

/// Returns the parts of a presigned URL that an error must not contain, longest first: the query and its values, both
/// encoded and decoded.
fn secrets(url: &Url) -> Vec<String> {
    let query = url.query().unwrap_or_default();
    let encoded = query
        .split('&')
        .filter_map(|pair| Some(pair.split_once('=')?.1.to_owned()));
    let decoded = url.query_pairs().map(|(_, value)| value.into_owned());
    let whole = std::iter::once(query.to_owned());
    let mut secrets: Vec<String> = whole.chain(encoded).chain(decoded).collect();
    secrets.retain(|secret| secret.len() >= MIN_SECRET);
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

fn kind_of(status: StatusCode, code: Option<&str>) -> ErrorKind {
    match status.as_u16() {
        status if is_redirect(status) => ErrorKind::Redirected,
        407 => ErrorKind::ProxyAuthentication,
        300..=399 | 401 | 403 => ErrorKind::UrlRejected,
        // S3, if the session that signed the URL has expired.
        400 if code == Some("ExpiredToken") => ErrorKind::UrlRejected,
        404 | 410 if code.is_some_and(names_object) => ErrorKind::NotFound,
        // Without such a code the response is no evidence that the file is missing: a proxy may have sent it.
        404 | 410 => ErrorKind::InvalidResponse,
        409 | 412 => ErrorKind::Conflict,
        408 => ErrorKind::Timeout,
        429 => ErrorKind::Throttled,
        503 if code.is_some_and(throttles) => ErrorKind::Throttled,
        // A retry would get the same response.
        501 => ErrorKind::Rejected,
        500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Rejected,
    }
}

/// Whether an error code means that the object is missing.
fn names_object(code: &str) -> bool {
    matches!(code, "NoSuchKey" | "NoSuchVersion" | "NoSuchUpload")
        || code.starts_with("InvalidFile")
}

/// Whether an error code of S3 or OSS means throttling.
fn throttles(code: &str) -> bool {
    code == "SlowDown" || code.ends_with("LimitExceeded")
}

/// Returns the text of an XML element without children. The error documents of stores are flat, and may be truncated.
fn element(body: &str, name: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&");
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_session_rejects_the_url() {
        let refused = |code| kind_of(StatusCode::BAD_REQUEST, code);
        assert_eq!(refused(Some("ExpiredToken")), ErrorKind::UrlRejected);
        assert_eq!(refused(Some("InvalidArgument")), ErrorKind::Rejected);
        assert_eq!(refused(None), ErrorKind::Rejected);
    }

    #[test]
    fn an_object_is_missing_only_if_a_code_says_so() {
        for status in [StatusCode::NOT_FOUND, StatusCode::GONE] {
            assert_eq!(kind_of(status, Some("NoSuchKey")), ErrorKind::NotFound);
            for other in [None, Some("NoSuchBucket"), Some("NotFound")] {
                assert_eq!(kind_of(status, other), ErrorKind::InvalidResponse);
            }
        }
    }

    #[test]
    fn throttling_is_detected_by_the_code() {
        let refused = |code| kind_of(StatusCode::SERVICE_UNAVAILABLE, code);
        for code in ["SlowDown", "UploadTrafficRateLimitExceeded"] {
            assert_eq!(refused(Some(code)), ErrorKind::Throttled);
        }
        assert_eq!(refused(Some("InternalError")), ErrorKind::Unavailable);
        assert_eq!(refused(None), ErrorKind::Unavailable);
    }

    #[test]
    fn the_code_message_and_request_id_of_an_error_are_read() {
        let body = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>a &lt;b&gt; \
                    &amp;amp; c</Message><StringToSign>secret</StringToSign><RequestId>r-1</RequestId>";
        assert_eq!(
            element(body, "Code").as_deref(),
            Some("SignatureDoesNotMatch")
        );
        assert_eq!(element(body, "Message").as_deref(), Some("a <b> &amp; c"));
        assert_eq!(element(body, "RequestId").as_deref(), Some("r-1"));
        assert_eq!(element("<Code>cut", "Code"), None);
    }
}
