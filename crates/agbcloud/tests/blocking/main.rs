//! The blocking API against the real service.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers are outside of test functions"
)]

mod clears;
mod inside_a_runtime;
mod listings;
mod operations;
mod support;
mod threads;
mod transfers;
