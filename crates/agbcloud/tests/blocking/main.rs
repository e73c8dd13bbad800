//! The blocking API against the real service.

#![allow(
    clippy::unwrap_used,
    reason = "what the tests share is in no test function"
)]

mod clears;
mod inside_a_runtime;
mod listings;
mod operations;
mod support;
mod threads;
mod transfers;
