//! The seam between the SDK and the service: the nine operations, each with what it gives.

mod api;
mod call;
mod envelope;
mod raw;
mod requests;

#[cfg(any(test, feature = "test-util"))]
pub use api::MockContextApi;
pub(crate) use api::Stub;
pub use api::{Answer, ContextApi};
pub(crate) use call::{Call, call, is_missing_file, remove};
pub(crate) use envelope::FromEnvelope;
#[cfg(any(test, feature = "test-util"))]
pub(crate) use envelope::{Envelope, judge, nothing, upload_url};
pub(crate) use raw::RawWire;
pub use requests::{ContextLookup, ContextQuery, FileQuery};

/// An answer with status 200 and this body, for mocks.
#[cfg(test)]
pub(crate) fn answer<T>(body: serde_json::Value) -> Answer<T>
where
    T: FromEnvelope + Send + 'static,
    T::Envelope: serde::de::DeserializeOwned,
{
    let result = serde_json::from_value(body).map(|value| {
        let headers = reqwest::header::HeaderMap::new();
        agbcloud_api::ResponseValue::new(value, reqwest::StatusCode::OK, headers)
    });
    Box::pin(async move {
        let time = crate::clock::Time::default();
        let reading = crate::error::Reading {
            key: "",
            time: &time,
        };
        envelope::judge(Ok(result.unwrap()), T::from_envelope, reading).await
    })
}
