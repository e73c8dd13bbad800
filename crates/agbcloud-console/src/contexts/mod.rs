//! The pages of contexts.

pub(crate) mod change;
pub(crate) mod list;
pub(crate) mod lookup;
pub(crate) mod manage;
