//! The real binary, as a user runs it.
#![cfg(feature = "serve")]

mod demo;
mod serve;
mod support;
