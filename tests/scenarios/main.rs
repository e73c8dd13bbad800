//! Scenarios with the SDK and the service over real sockets.

#![expect(
    clippy::disallowed_methods,
    reason = "processes and sockets need real time"
)]

mod documentation;
mod end_to_end;
mod error_codes;
mod invalid_input;
mod network;
mod pages;
mod presigned_urls;
mod restart;
mod retries;
mod secrets;
mod settings;
mod simulated_faults;
mod support;
mod sync;
mod tracing;
mod transfers;
mod update;
