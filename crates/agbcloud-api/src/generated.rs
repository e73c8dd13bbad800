//! What `cargo xtask generate` writes. Nothing in the folder beside this file is edited by hand.

#[cfg(feature = "client")]
pub(crate) mod client;
pub mod types;
