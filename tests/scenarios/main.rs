//! The SDK and the service together, over real sockets: the story of `agb demo` and what can go wrong in it.

#![allow(clippy::disallowed_methods)] // Real processes and sockets are waited for in real time.

mod bad_input;
mod documented_codes;
mod lenient;
mod pages;
mod pages_of_docs;
mod presigned;
mod readme;
mod restart;
mod retries;
mod schema;
mod scripted;
mod secrets;
mod settings;
mod simulated;
mod story;
mod support;
mod tracing;
mod transfers;
mod trees;
