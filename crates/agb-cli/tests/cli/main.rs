//! The real binary, as a user runs it.
#![cfg(feature = "serve")]

mod demo;
// As test code these may unwrap; clippy tells it by this.
#[cfg(test)]
mod load;
#[cfg(test)]
mod operators;
mod serve;
#[cfg(test)]
mod support;
