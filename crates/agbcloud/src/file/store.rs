//! The client of presigned URLs: no credentials, no redirects, and errors that show no signature.

use std::{sync::OnceLock, time::Duration};

use reqwest::{
    Response, StatusCode, Url,
    header::{CONTENT_LENGTH, HeaderMap, IF_MATCH, IF_NONE_MATCH, RANGE},
};

use super::{PresignedUrl, stall::Pulse, upload::Condition};
use crate::{
    Error, ErrorKind, Operation, Result,
    clock::Time,
    error::StoreError,
    http_client::{AGENT, CONNECT_TIMEOUT, POOL_IDLE_TIMEOUT, check_tls, client_error},
    trace,
};

/// Bytes of an error's XML that are read.
const ERROR_LIMIT: usize = 16 * 1024;

/// How long it may take to come.
const ERROR_TIME: Duration = Duration::from_secs(5);

/// Values of a presigned URL's query that are shorter than this are no signatures.
const SHORTEST_SECRET: usize = 8;

/// What of an object is asked for.
#[derive(Debug, Default)]
pub(super) struct Ask {
    /// The value of a `Range` header.
    pub(super) range: Option<String>,
    /// The ETag that the object must have.
    pub(super) if_match: Option<String>,
}

/// Sends to presigned URLs.
pub(crate) struct Store {
    /// Made when it is first used: reading the system's certificates takes longer than a call.
    client: OnceLock<reqwest::Client>,
    time: Time,
    stall: Duration,
}

impl Store {
    pub(crate) fn new(time: Time, stall: Duration) -> Self {
        Self {
            client: OnceLock::new(),
            time,
            stall,
        }
    }

    fn client(&self) -> Result<&reqwest::Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = reqwest::Client::builder()
            .user_agent(AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            // The bytes of an object are those that it has. Another crate may have turned these on for all.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .build()
            .map_err(client_error)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Asks for something, whatever the answer is.
    pub(crate) async fn probe(&self, url: &str) -> Result<Response> {
        let answer = self.pulse().watch(self.client()?.get(url).send()).await?;
        answer.map_err(Error::from_transport)
    }

    /// Watches one request.
    pub(super) fn pulse(&self) -> Pulse {
        Pulse::new(self.time.clone(), self.stall)
    }

    /// Puts a body of this length. `Content-Length` is said also where it is 0, which HTTP libraries leave out;
    /// no `Content-Type` is sent, since the store would count it into the signature.
    pub(super) async fn put(
        &self,
        url: &PresignedUrl,
        length: u64,
        body: reqwest::Body,
        condition: &Condition,
        pulse: &Pulse,
    ) -> Result<Response> {
        let url = url.parsed();
        let span = trace::presigned_span(Operation::Upload, url);
        let request = self.client()?.put(url.clone());
        let request = request.header(CONTENT_LENGTH, length).body(body);
        let request = match condition {
            Condition::None => request,
            Condition::Matches(etag) => request.header(IF_MATCH, etag),
            Condition::Absent => request.header(IF_NONE_MATCH, "*"),
        };
        trace::instrument(self.send(request, url, pulse), span).await
    }

    pub(super) async fn get(&self, url: &PresignedUrl, ask: &Ask) -> Result<Response> {
        let url = url.parsed();
        let span = trace::presigned_span(Operation::Download, url);
        let mut request = self.client()?.get(url.clone());
        if let Some(range) = &ask.range {
            request = request.header(RANGE, range);
        }
        if let Some(etag) = &ask.if_match {
            request = request.header(IF_MATCH, etag);
        }
        trace::instrument(self.send(request, url, &self.pulse()), span).await
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        url: &Url,
        pulse: &Pulse,
    ) -> Result<Response> {
        check_tls(url.as_str())?;
        let answer = pulse.watch(request.send()).await?;
        let response = answer.map_err(Error::from_transport)?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(self.refusal(response, &secrets(url)).await)
        }
    }

    async fn refusal(&self, mut response: Response, secrets: &[String]) -> Error {
        let mut body = Vec::new();
        let read = async {
            while let Ok(Some(chunk)) = response.chunk().await {
                body.extend_from_slice(&chunk[..chunk.len().min(ERROR_LIMIT - body.len())]);
                if body.len() == ERROR_LIMIT {
                    break;
                }
            }
        };
        // What has come by then has to do: the status says most of it.
        let _ = self.time.within(self.stall.min(ERROR_TIME), read).await;
        let body = String::from_utf8_lossy(&body);
        // Nothing else of the body is kept: a store's error repeats the signature that it refused.
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

/// What of a presigned URL must not be shown, longest first: its query and the values in it, as they are written and as
/// they are meant.
fn secrets(url: &Url) -> Vec<String> {
    let query = url.query().unwrap_or_default();
    let written = query
        .split('&')
        .filter_map(|pair| Some(pair.split_once('=')?.1.to_owned()));
    let meant = url.query_pairs().map(|(_, value)| value.into_owned());
    let whole = std::iter::once(query.to_owned());
    let mut secrets: Vec<String> = whole.chain(written).chain(meant).collect();
    secrets.retain(|secret| secret.len() >= SHORTEST_SECRET);
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

fn kind_of(status: StatusCode, code: Option<&str>) -> ErrorKind {
    match status.as_u16() {
        300..=399 | 401 | 403 => ErrorKind::UrlRejected,
        // S3 of a URL whose session has expired before it.
        400 if code == Some("ExpiredToken") => ErrorKind::UrlRejected,
        404 | 410 if code.is_some_and(names_object) => ErrorKind::NotFound,
        // Not a store's, or of a store without the bucket: no evidence that the file is missing.
        404 | 410 => ErrorKind::InvalidResponse,
        409 | 412 => ErrorKind::Conflict,
        408 => ErrorKind::Timeout,
        429 => ErrorKind::Throttled,
        503 if code.is_some_and(throttles) => ErrorKind::Throttled,
        // It will not know the next time either.
        501 => ErrorKind::Rejected,
        500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Rejected,
    }
}

/// Whether a store's code says that the object is missing.
fn names_object(code: &str) -> bool {
    matches!(code, "NoSuchKey" | "NoSuchVersion" | "NoSuchUpload")
        || code.starts_with("InvalidFile")
}

/// Whether S3, or OSS, says by it that it is asked too much.
fn throttles(code: &str) -> bool {
    code == "SlowDown" || code.ends_with("LimitExceeded")
}

/// The text of an XML element without children. Stores answer with one flat document, so that no more than
/// this is needed, also where the document was cut off.
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

pub(super) fn etag_of(headers: &HeaderMap) -> Option<String> {
    headers
        .get(reqwest::header::ETAG)?
        .to_str()
        .ok()
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_session_is_an_expired_url() {
        let refused = |code| kind_of(StatusCode::BAD_REQUEST, code);
        assert_eq!(refused(Some("ExpiredToken")), ErrorKind::UrlRejected);
        assert_eq!(refused(Some("InvalidArgument")), ErrorKind::Rejected);
        assert_eq!(refused(None), ErrorKind::Rejected);
    }

    #[test]
    fn only_a_code_is_evidence_that_an_object_is_missing() {
        for status in [StatusCode::NOT_FOUND, StatusCode::GONE] {
            assert_eq!(kind_of(status, Some("NoSuchKey")), ErrorKind::NotFound);
            for other in [None, Some("NoSuchBucket"), Some("NotFound")] {
                assert_eq!(kind_of(status, other), ErrorKind::InvalidResponse);
            }
        }
    }

    #[test]
    fn too_much_is_told_by_the_code_too() {
        let refused = |code| kind_of(StatusCode::SERVICE_UNAVAILABLE, code);
        for code in ["SlowDown", "UploadTrafficRateLimitExceeded"] {
            assert_eq!(refused(Some(code)), ErrorKind::Throttled);
        }
        assert_eq!(refused(Some("InternalError")), ErrorKind::Unavailable);
        assert_eq!(refused(None), ErrorKind::Unavailable);
    }

    #[test]
    fn a_stores_error_is_read_and_its_signature_is_not() {
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
