//! The SDK and the service together, over real sockets: the story of `agb demo` and what can go wrong in it.

#![allow(clippy::disallowed_methods)] // Real processes and sockets are waited for in real time.

mod documentation;
mod end_to_end;
mod error_codes;
mod invalid_input;
mod lenient;
mod pages;
mod presigned_urls;
mod restart;
mod retries;
mod schema;
mod scripted_server;
mod secrets;
mod settings;
mod simulated_faults;
mod support;
mod sync;
mod tracing;
mod transfers;
