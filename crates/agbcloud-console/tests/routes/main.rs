//! The routes of a console, by HTTP, against `agbcloud-server` in the same process.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a failed step fails the test, and some tests poll the service in real time"
)]

mod contexts;
mod files;
mod lost_responses;
mod metrics;
mod previews;
mod proxy;
mod security;
mod support;
mod unavailable;
