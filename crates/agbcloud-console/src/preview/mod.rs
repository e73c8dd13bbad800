//! Previews of files: the start of the content, escaped, or in a frame without permissions.

mod json;
mod kind;
mod nesting;
mod table;

pub(crate) mod image;
pub(crate) mod markdown;
pub(crate) mod page;
mod start;
