//! Moving one file.

mod faults;
mod responses;
pub(crate) mod store;
