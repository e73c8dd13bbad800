#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
mod complete_body;
mod failure;
mod file_system;
mod get;
mod handler;
mod if_header;
mod location;
mod locks;
mod metadata;
mod propfind;
mod request;
mod request_headers;
mod response;
mod server;
mod session;
mod xml_limits;

pub use server::{DavServer, DavServerBuilder, StartError};
