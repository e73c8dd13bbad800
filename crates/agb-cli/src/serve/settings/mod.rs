//! The settings of the service, in order of precedence: flags, the config file of a flag, the environment, the config file of
//! the environment, defaults.

mod config_file;

use std::{fmt, path::PathBuf};

use agbcloud_server::Storage;
use clap::{Args, ValueEnum};
use serde::Deserialize;
use tracing_subscriber::filter::LevelFilter;

pub(crate) use self::config_file::ConfigFile;
use self::config_file::{level, one_or_many};
use crate::failure::Failure;

/// The default data folder.
pub(super) const DEFAULT_DATA_DIR: &str = "agb-data";

/// The settings. The config file uses the names of the flags.
#[derive(Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// Address and port to listen on. Port 0 selects a free port. Defaults to 127.0.0.1:8780
    #[arg(long, value_name = "ADDRESS", env = "AGB_LISTEN")]
    pub(crate) listen: Option<String>,

    /// Data folder, created if missing. Defaults to agb-data
    #[arg(long, value_name = "DIR", env = "AGB_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Metadata engine instead of a data folder: sqlite:DIR, memory: or postgres://USER@HOST/DATABASE. The password can be in
    /// PGPASSWORD or in the file PGPASSFILE
    #[arg(long, value_name = "URL", env = "AGB_METADATA", hide_env_values = true)]
    pub(crate) metadata: Option<String>,

    /// Where the contents of files are, with PostgreSQL: file:DIR or s3://BUCKET/PREFIX?endpoint=URL, with credentials in AWS_…
    /// variables
    #[arg(long, value_name = "URL", env = "AGB_BLOBS", hide_env_values = true)]
    pub(crate) blobs: Option<String>,

    /// Returns download URLs of the S3 store itself for large contents, valid for at most 5 minutes. Fails to start if the store
    /// does not enforce them
    #[arg(long, env = "AGB_DIRECT_DOWNLOADS", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub(crate) direct_downloads: Option<bool>,

    /// What acknowledged writes survive: with 'strict' a power failure, with 'relaxed' a crash of the process, with 'memory'
    /// nothing, as the data folder is not used. Defaults to strict
    #[arg(long, value_name = "MODE", env = "AGB_DURABILITY", value_enum)]
    pub(crate) durability: Option<DurabilityMode>,

    /// URL of the service for clients, used in presigned URLs. Defaults to the address it listens on
    #[arg(long, value_name = "URL", env = "AGB_PUBLIC_URL")]
    pub(crate) public_url: Option<String>,

    /// Accepted API key. Can be repeated. Each key has its own contexts. Without keys and key file, the service accepts every
    /// key, and only local connections
    #[arg(long = "api-key", value_name = "KEY", value_parser = api_key)]
    #[serde(rename = "api-key", deserialize_with = "one_or_many")]
    pub(crate) api_keys: Vec<String>,

    /// Key file of 'agb serve keys'. Changes apply immediately
    #[arg(long, value_name = "FILE", env = "AGB_KEYS")]
    pub(crate) keys: Option<PathBuf>,

    /// TLS certificate chain in PEM format. Reloaded after a change
    #[arg(long, value_name = "FILE", env = "AGB_TLS_CERT")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key of the certificate in PEM format
    #[arg(long, value_name = "FILE", env = "AGB_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Address and port of /metrics (Prometheus), /health and /ready, in plain HTTP without an API key
    #[arg(long, value_name = "ADDRESS", env = "AGB_METRICS_LISTEN")]
    pub(crate) metrics_listen: Option<String>,

    /// Limits: connections, address-connections, tenant-requests, head-bytes, head-time, idle-time, least-rate,
    /// body-bytes, object-bytes, context-files, context-bytes, tenant-files, tenant-bytes, drain-time. Units: k, m and g for
    /// bytes, ms, s, m and h for times
    #[arg(long, value_name = "NAME=VALUE,…", env = "AGB_LIMITS")]
    pub(crate) limits: Option<String>,

    /// Days that unused contents stay in quarantine before they are deleted. Defaults to 7
    #[arg(long, value_name = "DAYS", env = "AGB_QUARANTINE_DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) quarantine_days: Option<u32>,

    /// Fault to inject, to test clients. Can be repeated. Local connections only. One of latency=TIME, status=429, status=500,
    /// status=503, html, cut=BYTES, expired-urls, lag=TIME, slow-clear=TIME, stuck-clear, repeat-token; with
    /// optional ,op=NAME,rate=0.5,seed=1,times=2,retry-after=1
    #[arg(long = "fault", visible_alias = "simulate", value_name = "SPEC")]
    #[serde(rename = "fault", alias = "simulate", deserialize_with = "one_or_many")]
    pub(crate) faults: Vec<String>,

    /// Log level on stderr: off, error, warn, info, debug or trace. Defaults to warn
    #[arg(long, value_name = "LEVEL", env = "AGB_LOG")]
    #[serde(deserialize_with = "level")]
    pub(crate) log: Option<LevelFilter>,

    /// Log format: text, or one JSON object per line. Defaults to text
    #[arg(long, value_name = "FORMAT", env = "AGB_LOG_FORMAT", value_enum)]
    pub(crate) log_format: Option<LogFormat>,
}

/// What acknowledged writes survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DurabilityMode {
    #[default]
    Strict,
    Relaxed,
    Memory,
}

impl From<DurabilityMode> for agbcloud_server::Durability {
    fn from(durability: DurabilityMode) -> Self {
        match durability {
            DurabilityMode::Strict => Self::Strict,
            DurabilityMode::Relaxed => Self::Relaxed,
            DurabilityMode::Memory => Self::Memory,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

impl Settings {
    /// The storage engines: those of the URLs, or a data folder.
    pub(crate) fn storage(&self) -> Result<Storage, Failure> {
        let (metadata, blobs) = (self.metadata.as_deref(), self.blobs.as_deref());
        match (&self.data_dir, metadata.or(blobs)) {
            (None, None) => Ok(Storage::folder(DEFAULT_DATA_DIR)),
            (Some(folder), None) => Ok(Storage::folder(folder)),
            (Some(_), Some(_)) => Err(Failure::usage(
                "both a data folder and storage URLs are configured",
            )
            .with_hint("pass either --data-dir, or --metadata and --blobs")),
            (None, Some(_)) => {
                Storage::parse(metadata, blobs).map_err(|error| Failure::usage(error.to_string()))
            }
        }
    }
}

/// Omits the keys.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("listen", &self.listen)
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

fn api_key(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("expected visible ASCII characters without spaces".to_owned())
    }
}

#[cfg(test)]
mod tests;
