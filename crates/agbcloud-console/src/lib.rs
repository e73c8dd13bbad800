#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod app;
mod assets;
mod console;
mod contexts;
mod error;
mod files;
mod metrics;
mod plots;
mod preview;
mod router;
mod sessions;
mod text;
mod web;
mod workers;

pub use console::{Console, ConsoleBuilder};
pub use error::ConsoleError;
