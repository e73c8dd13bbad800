//! Tasks that run Python programs against `agb serve`.

pub(crate) mod comparison;
pub(crate) mod interop;
pub(crate) mod schemathesis;
pub(crate) mod virtual_environment;
