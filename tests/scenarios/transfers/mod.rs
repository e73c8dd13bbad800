//! Moving one file.

mod answers;
mod faults;
pub(crate) mod store;
