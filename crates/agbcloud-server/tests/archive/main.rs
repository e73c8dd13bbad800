//! Backups, restores and migrations.

#![expect(
    clippy::disallowed_methods,
    reason = "tests wait for real processes and sockets"
)]

// The attribute marks test code for clippy, so that it may unwrap.
#[cfg(test)]
#[path = "../http/client.rs"]
#[expect(dead_code, reason = "not all of it is used here")]
mod client;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod engines;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod running;
#[cfg(test)]
#[path = "../http/schema.rs"]
mod schema;
#[cfg(test)]
mod store;
#[cfg(test)]
mod targets;
