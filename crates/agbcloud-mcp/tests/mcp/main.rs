//! The server, with a client of the official SDK over a duplex stream or HTTP, against a service in the same process.

// clippy allows `unwrap` only in modules with `cfg(test)`.
#[cfg(test)]
mod confinement;
#[cfg(test)]
mod edits;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(test)]
mod permissions;
#[cfg(test)]
mod reads;
#[cfg(test)]
mod resources;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod searches;
#[cfg(test)]
mod store;
#[cfg(test)]
mod support;
