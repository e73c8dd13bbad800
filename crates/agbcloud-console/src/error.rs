//! [`ConsoleError`]: why a console could not start or ended.

use std::{io, net::SocketAddr};

/// Why a console could not start, or ended before it was stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsoleError {
    /// The address is not a loopback address. The console has no TLS: forward a port with `ssh -L` instead.
    #[error("{address} is not a loopback address")]
    NotLoopback {
        /// The address to listen on.
        address: SocketAddr,
    },
    /// The address can't be listened on: it is in use, or not available.
    #[error("can't listen on {address}")]
    Listen {
        /// The address to listen on.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The URL of the metrics is not a plain `http` URL.
    #[error("the URL of the metrics is not an http URL")]
    InvalidMetricsUrl,
    /// The operating system has no random numbers, or the client for the metrics can't start.
    #[error("can't start the console")]
    Start(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The listener failed.
    #[error("the console stopped")]
    Serve(#[source] io::Error),
}
