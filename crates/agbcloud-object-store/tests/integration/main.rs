//! Tests of the store against a service that they start.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers are outside of test functions"
)]

mod conditions;
mod reads;
mod suite;
mod support;
mod writes;
