#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
mod failure;
mod file_system;
mod get;
mod handler;
mod location;
mod locks;
mod metadata;
mod request;
mod response;
mod server;
mod session;
mod xml_depth;

pub use server::{DavServer, DavServerBuilder, StartError};
