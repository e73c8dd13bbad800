//! The real binary, as a user runs it.
#![cfg(feature = "serve")]

mod demo;
// As test code it may unwrap; clippy tells it by this.
#[cfg(test)]
mod load;
mod serve;
// As test code it may unwrap; clippy tells it by this.
#[cfg(test)]
mod support;
