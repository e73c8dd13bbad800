//! Moving one file.

mod answers;
mod faults;
mod store;
