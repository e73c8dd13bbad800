//! What `cargo xtask generate` writes. Nothing in the folder beside this file is edited by hand, nor by rustfmt:
//! `cargo xtask check` compares it byte for byte.

#[cfg(feature = "client")]
#[rustfmt::skip]
pub(crate) mod client;
#[rustfmt::skip]
pub mod types;
