//! The server, with a client of the official SDK over a duplex stream or HTTP, against a service in the same process.

mod confinement;
mod edits;
mod hostile;
mod http;
mod permissions;
mod reads;
mod resources;
mod schemas;
mod searches;
mod support;
