//! The operating system: clock, random numbers, permissions, open files, and files that survive a power failure.

pub(crate) mod clock;
pub(crate) mod descriptors;
pub(crate) mod durable_fs;
pub(crate) mod permissions;
pub(crate) mod random;
pub(crate) mod reloading_file;
