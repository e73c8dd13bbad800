#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
mod calls;
mod content;
mod cursors;
mod deadline;
mod failure;
mod http;
mod limits;
mod long_lines;
mod message_id;
mod random;
mod resources;
mod schema;
mod scope;
mod server;
mod state;
mod tools;
mod tree;
mod uri;

pub use http::{BearerToken, HttpOptions, HttpServer};
/// The version of the official SDK whose traits this crate implements.
pub use rmcp;
pub use server::{McpServer, McpServerBuilder};
