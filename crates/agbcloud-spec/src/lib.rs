//! The specification, `spec/context-api.yaml`, for whatever is held against it: the chores of `xtask`, and the answers
//! that the service gives in tests.

mod document;
mod strict;

pub use document::{Operation, SPEC, Spec, SpecError};
pub use strict::{Strict, problems};
