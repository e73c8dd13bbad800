//! Empty: the tests are in `scenarios/` and `sync_model/`, the test of the official Python SDK is in `python/`.

/// Compiles the program of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
