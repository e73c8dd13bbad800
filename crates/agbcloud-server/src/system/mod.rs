//! The operating system: threads that block, clock, random numbers, permissions, open files, and files that survive a power failure.

pub(crate) mod blocking_worker;
pub(crate) mod clock;
pub(crate) mod descriptors;
pub(crate) mod durable_fs;
pub(crate) mod permissions;
pub(crate) mod random;
pub(crate) mod reloading_file;
