//! Tests of the server against a service that they start.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers are outside of test functions"
)]

mod copies;
mod hostile;
mod listings;
mod locks;
mod lost_responses;
mod moves;
mod reads;
mod support;
mod writes;
