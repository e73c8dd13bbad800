//! Bodies of requests: read with limits in size and time.

#![allow(clippy::disallowed_methods)] // It waits by tokio's clock; nothing that is stored rests on it.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout};

use super::envelope::Failure;
use crate::limits::Limits;
use crate::pace::Pace;

/// How much of a refused body is still taken, so that its sender comes to read the answer.
const MAX_DRAIN: usize = 16 * 1024 * 1024;
const MAX_DRAIN_TIME: Duration = Duration::from_secs(5);

/// Why there is no next piece of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// The sender went away, or what it sent was not HTTP.
    Cut,
    /// Nothing came for too long, or too little.
    Slow,
}

/// The pace that a body has to keep.
pub(super) fn pace(limits: &Limits) -> Pace {
    Pace::new(limits.idle_time, limits.least_rate)
}

/// The next piece of the body.
pub(super) async fn next(body: &mut Body, pace: &mut Pace) -> Result<Option<Bytes>, Broken> {
    loop {
        let start = Instant::now();
        match timeout(pace.window(), body.frame()).await {
            Err(_) => return Err(Broken::Slow),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Broken::Cut),
            Ok(Some(Ok(frame))) => {
                // Anything else is trailers, which say nothing here.
                let data = frame.into_data().unwrap_or_default();
                if !pace.moved(data.len(), start.elapsed()) {
                    return Err(Broken::Slow);
                }
                if !data.is_empty() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// The length that the headers announce.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the body is not what was meant, but a code for it, such as gzip.
pub(super) fn is_encoded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    codings.any(|value| {
        let coding = value.as_bytes();
        !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    })
}

/// Whether the sender waits for leave to send the body.
pub(super) fn awaits_leave(headers: &HeaderMap) -> bool {
    let mut expectations = headers.get_all(EXPECT).iter();
    expectations.any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Reads the body of a control call, which has to be nothing or JSON: it says everything in its query string.
pub(super) async fn control(
    headers: &HeaderMap,
    mut body: Body,
    limits: &Limits,
) -> Result<(), Failure> {
    let max = limits.body_bytes;
    if content_length(headers).is_some_and(|length| length > max as u64) {
        drain(headers, body);
        return Err(Failure::body_too_large(max));
    }
    let (mut json, mut pace) = (Vec::new(), pace(limits));
    while let Some(piece) = next(&mut body, &mut pace)
        .await
        .map_err(|broken| match broken {
            Broken::Cut => Failure::unfinished_body(),
            Broken::Slow => Failure::slow_body(),
        })?
    {
        if json.len() + piece.len() > max {
            drain(headers, body);
            return Err(Failure::body_too_large(max));
        }
        json.extend_from_slice(&piece);
    }
    if json.is_empty() || is_json(&json) {
        Ok(())
    } else if is_encoded(headers) {
        Err(Failure::encoded_body())
    } else {
        Err(Failure::bad_body())
    }
}

fn is_json(bytes: &[u8]) -> bool {
    // As text: what is skipped in bytes is not looked at, and a string of them need be no UTF-8.
    std::str::from_utf8(bytes)
        .is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

/// Takes in the rest of a body that is refused, within limits and behind the answer. To close the connection
/// on a sender that still sends would reset it, and take the answer away from under the sender's eyes.
pub(super) fn drain(headers: &HeaderMap, mut body: Body) {
    // Who waits for leave to send has sent nothing, and reading would give leave.
    if awaits_leave(headers) {
        return;
    }
    tokio::spawn(timeout(MAX_DRAIN_TIME, async move {
        let (mut drained, mut pace) = (0, Pace::new(MAX_DRAIN_TIME, 0));
        while let Ok(Some(piece)) = next(&mut body, &mut pace).await {
            drained += piece.len();
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

    /// A byte a second, so many times.
    fn dripping(bytes: usize) -> Body {
        Body::from_stream(futures_util::stream::unfold(bytes, async |left| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let left = left.checked_sub(1)?;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"x")), left))
        }))
    }

    async fn taken(least_rate: u64) -> Result<usize, Broken> {
        let limits = Limits {
            least_rate,
            ..Limits::default()
        };
        let (mut body, mut pace) = (dripping(1000), pace(&limits));
        let mut taken = 0;
        while let Some(piece) = next(&mut body, &mut pace).await? {
            taken += piece.len();
        }
        Ok(taken)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up_beneath_the_least_rate() {
        assert_eq!(taken(0).await, Ok(1000));
        assert_eq!(taken(1).await, Ok(1000));
        assert_eq!(taken(2).await, Err(Broken::Slow));
    }
}
