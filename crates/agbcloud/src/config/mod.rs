//! Settings: their defaults, their sources and their formats.

mod api_key;
mod endpoint;
mod sources;

use std::time::Duration;

pub(crate) use api_key::ApiKey;
pub(crate) use endpoint::{Endpoint, is_loopback};
pub(crate) use sources::Sources;
pub use sources::{SettingSource, SettingSources};

use crate::error::{Error, ErrorKind};

/// The default endpoint.
pub const DEFAULT_ENDPOINT: &str = "https://sdk-api.agb.cloud";

/// The default of [`ClientBuilder::timeout`](crate::ClientBuilder::timeout).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// The default of [`ClientBuilder::idle_timeout`](crate::ClientBuilder::idle_timeout).
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The default of [`ClientBuilder::connect_timeout`](crate::ClientBuilder::connect_timeout). An unreachable host must not
/// use up the time of the whole attempt.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The default of [`ClientBuilder::pool_idle_timeout`](crate::ClientBuilder::pool_idle_timeout). Services and gateways close
/// unused connections after 30 seconds or more.
pub const DEFAULT_POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) fn invalid_setting(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}
