//! Settings: their defaults, their sources and their formats.

mod api_key;
mod endpoint;
mod sources;

use std::time::Duration;

pub(crate) use api_key::ApiKey;
pub(crate) use endpoint::Endpoint;
pub(crate) use sources::Sources;
pub use sources::{SettingSource, SettingSources};

use crate::error::{Error, ErrorKind};

/// The default endpoint.
pub const DEFAULT_ENDPOINT: &str = "https://sdk-api.agb.cloud";

/// The default of [`ClientBuilder::timeout`](crate::ClientBuilder::timeout).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// The default of [`ClientBuilder::idle_timeout`](crate::ClientBuilder::idle_timeout).
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) fn invalid_setting(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}
