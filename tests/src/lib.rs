//! Nothing here: the tests are in `scenarios/`, the test of the official Python SDK in `python/`.
