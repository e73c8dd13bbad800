#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod connections;
mod host;
mod reachable;

pub use connections::Connections;
pub use host::Host;
pub use reachable::reachable;
