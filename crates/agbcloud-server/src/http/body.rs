//! Bodies of requests: read with limits in size and time.

#![allow(clippy::disallowed_methods)] // It waits by tokio's clock; nothing that is stored rests on it.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::envelope::Failure;
use crate::limits::Limits;

/// How much of a refused body is still taken, so that its sender comes to read the answer.
const MAX_DRAIN: usize = 16 * 1024 * 1024;
const MAX_DRAIN_TIME: Duration = Duration::from_secs(5);

/// Why there is no next piece of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// The sender went away, or what it sent was not HTTP.
    Cut,
    /// Nothing came for too long.
    Idle,
}

/// The next piece of the body, which must not let itself be waited for longer than `idle`.
pub(super) async fn next(body: &mut Body, idle: Duration) -> Result<Option<Bytes>, Broken> {
    loop {
        match timeout(idle, body.frame()).await {
            Err(_) => return Err(Broken::Idle),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Broken::Cut),
            Ok(Some(Ok(frame))) => {
                // Anything else is trailers, which say nothing here.
                if let Ok(data) = frame.into_data()
                    && !data.is_empty()
                {
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
    let mut json = Vec::new();
    while let Some(piece) =
        next(&mut body, limits.idle_time)
            .await
            .map_err(|broken| match broken {
                Broken::Cut => Failure::unfinished_body(),
                Broken::Idle => Failure::slow_body(),
            })?
    {
        if json.len() + piece.len() > max {
            drain(headers, body);
            return Err(Failure::body_too_large(max));
        }
        json.extend_from_slice(&piece);
    }
    let good = json.is_empty() || serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_ok();
    if good {
        Ok(())
    } else {
        Err(Failure::bad_body())
    }
}

/// Takes in the rest of a body that is refused, within limits and behind the answer. To close the connection
/// on a sender that still sends would reset it, and take the answer away from under the sender's eyes.
pub(super) fn drain(headers: &HeaderMap, mut body: Body) {
    // Who waits for leave to send has sent nothing, and reading would give leave.
    if headers.contains_key(EXPECT) {
        return;
    }
    tokio::spawn(timeout(MAX_DRAIN_TIME, async move {
        let mut drained = 0;
        while let Ok(Some(piece)) = next(&mut body, MAX_DRAIN_TIME).await {
            drained += piece.len();
            if drained > MAX_DRAIN {
                break;
            }
        }
    }));
}
