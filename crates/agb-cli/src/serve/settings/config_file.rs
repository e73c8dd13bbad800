//! The config file: the names of the flags in TOML.

use std::{fmt, fs, path::PathBuf};

use agbcloud_server::{Protection, check_permissions};
use clap::Args;
use serde::{Deserialize, Deserializer};
use tracing_subscriber::filter::LevelFilter;

use super::Settings;
use crate::{
    environment::EnvironmentArguments,
    failure::{Code, Failure},
};

#[derive(Debug, Default, Args)]
pub(crate) struct ConfigFile {
    /// Config file in TOML with the names of the flags, such as listen = "127.0.0.1:8780". Flags take precedence over it, and
    /// so does the environment if AGB_CONFIG names the file
    #[arg(long, value_name = "FILE", env = "AGB_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

impl Settings {
    /// Adds the settings of the config file.
    pub(crate) fn with_config_file(
        self,
        file: &ConfigFile,
        environment: &EnvironmentArguments,
    ) -> Result<Self, Failure> {
        let Some(path) = &file.config else {
            return Ok(self);
        };
        let unusable = |why: &dyn fmt::Display| {
            Failure::usage(format!("can't read config file {}: {why}", path.display()))
        };
        let text = fs::read_to_string(path).map_err(|error| unusable(&error))?;
        let file = toml::from_str::<Self>(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                1 + text.as_bytes()[..span.start.min(text.len())]
                    .iter()
                    .filter(|byte| **byte == b'\n')
                    .count()
            });
            // The Display of the error quotes the line, which may contain a key.
            unusable(&format_args!("line {line}: {}", error.message()))
        })?;
        // A URL may contain a password.
        let has_secrets =
            !file.api_keys.is_empty() || file.metadata.is_some() || file.blobs.is_some();
        let protection = match has_secrets {
            false => Protection::Write,
            true => Protection::ReadAndWrite,
        };
        check_permissions(path, protection)
            .map_err(|exposed| Failure::with_code(Code::NotAllowed, exposed.to_string()))?;
        let file_first = |id| environment.contains(id) && !environment.contains("config");
        Ok(Self {
            listen: pick(self.listen, file.listen, file_first("listen")),
            data_dir: pick(self.data_dir, file.data_dir, file_first("data_dir")),
            metadata: pick(self.metadata, file.metadata, file_first("metadata")),
            blobs: pick(self.blobs, file.blobs, file_first("blobs")),
            direct_downloads: pick(
                self.direct_downloads,
                file.direct_downloads,
                file_first("direct_downloads"),
            ),
            durability: pick(self.durability, file.durability, file_first("durability")),
            public_url: pick(self.public_url, file.public_url, file_first("public_url")),
            keys: pick(self.keys, file.keys, file_first("keys")),
            tls_cert: pick(self.tls_cert, file.tls_cert, file_first("tls_cert")),
            tls_key: pick(self.tls_key, file.tls_key, file_first("tls_key")),
            metrics_listen: pick(
                self.metrics_listen,
                file.metrics_listen,
                file_first("metrics_listen"),
            ),
            limits: pick(self.limits, file.limits, file_first("limits")),
            quarantine_days: pick(
                self.quarantine_days,
                file.quarantine_days,
                file_first("quarantine_days"),
            ),
            log: pick(self.log, file.log, file_first("log")),
            log_format: pick(self.log_format, file.log_format, file_first("log_format")),
            api_keys: match self.api_keys.is_empty() {
                true => file.api_keys,
                false => self.api_keys,
            },
            faults: match self.faults.is_empty() {
                true => file.faults,
                false => self.faults,
            },
        })
    }
}

/// Returns the first value that is set, in the order of precedence.
fn pick<T>(given: Option<T>, file: Option<T>, file_first: bool) -> Option<T> {
    match file_first {
        true => file.or(given),
        false => given.or(file),
    }
}

/// A string or a list of strings. The error does not quote the value.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a string or a list of strings")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(from)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

pub(super) fn level<'de, D: Deserializer<'de>>(from: D) -> Result<Option<LevelFilter>, D::Error> {
    let text = String::deserialize(from)?;
    text.parse()
        .map(Some)
        .map_err(|_| serde::de::Error::custom("expected off, error, warn, info, debug or trace"))
}
