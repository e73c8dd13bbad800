#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod conditional_writes;
mod error;
mod list;
mod location;
mod multipart;
mod operations;
mod read;
mod spool;
mod store;
mod write;

pub use conditional_writes::ConditionalWrites;
/// The version of `object_store` whose traits this crate implements.
pub use object_store;
pub use store::ContextStore;
