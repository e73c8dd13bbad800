//! The output of `cargo xtask generate`. Do not edit or format the files of this folder: `cargo xtask check` compares them byte
//! for byte.

#[cfg(feature = "client")]
#[rustfmt::skip]
pub(crate) mod client;
#[rustfmt::skip]
pub mod types;
