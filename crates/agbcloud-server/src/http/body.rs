//! Reading request bodies within limits of size and time.

#![expect(
    clippy::disallowed_methods,
    reason = "timeouts use real time; no stored data depends on it"
)]

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout};

use super::{MinimumRate, request_id};
use crate::limits::Limits;

/// How much of a rejected body is read, so that the client gets to reading the response.
const MAX_DRAIN: usize = 16 * 1024 * 1024;
const MAX_DRAIN_TIME: Duration = Duration::from_secs(5);

/// Why the next chunk of a body can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// The client disconnected or sent invalid HTTP.
    Incomplete,
    /// The client sent nothing for too long, or sent too slowly.
    Timeout,
}

/// Returns the minimum rate of a body.
pub(super) fn minimum_rate(limits: &Limits) -> MinimumRate {
    MinimumRate::new(limits.idle_time, limits.least_rate)
}

/// Returns the next chunk of a body.
pub(super) async fn next(
    body: &mut Body,
    rate: &mut MinimumRate,
) -> Result<Option<Bytes>, BodyError> {
    loop {
        let start = Instant::now();
        match timeout(rate.window(), body.frame()).await {
            Err(_) => return Err(BodyError::Timeout),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(BodyError::Incomplete),
            Ok(Some(Ok(frame))) => {
                // Other frames are trailers, which are ignored.
                let data = frame.into_data().unwrap_or_default();
                if !rate.record(data.len(), start.elapsed()) {
                    return Err(BodyError::Timeout);
                }
                if !data.is_empty() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// Returns the length in the header `Content-Length`.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the body has a content encoding such as gzip.
pub(super) fn is_encoded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    codings.any(|value| {
        let coding = value.as_bytes();
        !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    })
}

/// Responds to a request without executing it, and reads its body in the background.
pub(super) fn reject(request: Request, respond: impl FnOnce(&str) -> Response) -> Response {
    let response = respond(&request_id(&request));
    let (parts, body) = request.into_parts();
    drain(&parts.headers, body);
    response
}

/// Reads the rest of a rejected body in the background, within limits. Closing the connection while the client still
/// sends would reset it, and the client would lose the response.
pub(super) fn drain(headers: &HeaderMap, mut body: Body) {
    let mut expectations = headers.get_all(EXPECT).iter();
    // The client waits for 100 Continue and has sent nothing. Reading would request the body.
    if expectations.any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return;
    }
    tokio::spawn(timeout(MAX_DRAIN_TIME, async move {
        let (mut drained, mut rate) = (0, MinimumRate::new(MAX_DRAIN_TIME, 0));
        while let Ok(Some(chunk)) = next(&mut body, &mut rate).await {
            drained += chunk.len();
            if drained > MAX_DRAIN {
                break;
            }
        }
    }));
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Returns a body that sends a byte per second.
    fn slow_body(bytes: usize) -> Body {
        Body::from_stream(futures_util::stream::unfold(bytes, async |left| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let left = left.checked_sub(1)?;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"x")), left))
        }))
    }

    async fn received(least_rate: u64) -> Result<usize, BodyError> {
        let limits = Limits {
            least_rate,
            ..Limits::default()
        };
        let (mut body, mut rate) = (slow_body(1000), minimum_rate(&limits));
        let mut received = 0;
        while let Some(chunk) = next(&mut body, &mut rate).await? {
            received += chunk.len();
        }
        Ok(received)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_below_the_minimum_rate_times_out() {
        assert_eq!(received(0).await, Ok(1000));
        assert_eq!(received(1).await, Ok(1000));
        assert_eq!(received(2).await, Err(BodyError::Timeout));
    }
}
