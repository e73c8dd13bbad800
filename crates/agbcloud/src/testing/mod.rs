#![doc = include_str!("../guide/testing.md")]

mod builder;
mod script;
mod step;
mod values;

pub use script::Script;
pub use step::Step;
pub use values::{
    context, context_page, fails, fails_with_code, file, file_page, folder, ok, timestamp,
};

pub use crate::{
    clock::Clock,
    wire::{Answer, ContextApi, ContextLookup, ContextQuery, FileQuery, MockContextApi},
};
