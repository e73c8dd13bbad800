//! The service over real sockets, as any HTTP client sees it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(clippy::large_futures, reason = "nothing here is hot")]

mod bad_input;
mod clear;
mod client;
mod contexts;
mod durability;
mod files;
mod lifecycle;
mod objects;
mod properties;
mod races;
mod raw;
mod tenants;
mod urls;
