//! The specification, `spec/context-api.yaml`, and that of the extensions, `spec/extensions.yaml`, for code that is checked against it: the tasks of `xtask`, and tests of the
//! responses of the service.

mod document;
mod validator;

pub use document::{EXTENSIONS, Operation, SPEC, Spec, SpecError};
pub use validator::{ResponseValidator, schema_problems};
