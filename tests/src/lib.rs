//! Nothing here: the tests are in `scenarios/`, the test of the official Python SDK in `python/`.

/// Compiles the README's program.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
