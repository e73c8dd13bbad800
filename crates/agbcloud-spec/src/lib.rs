//! The specification, `spec/context-api.yaml`, for code that is checked against it: the tasks of `xtask`, and tests of the
//! responses of the service.

mod document;
mod validator;

pub use document::{Operation, SPEC, Spec, SpecError};
pub use validator::{ResponseValidator, schema_problems};
