//! The settings of the service, in order of precedence: flags, the config file of a flag, the environment, the config file of
//! the environment, defaults.

use std::{fmt, fs, path::PathBuf};

use agbcloud_server::{Protection, Storage, check_permissions};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Deserializer};
use tracing_subscriber::filter::LevelFilter;

use crate::{
    environment::EnvironmentArguments,
    failure::{Code, Failure},
};

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

/// Returns the first value that is set, in the order of precedence.
fn pick<T>(given: Option<T>, file: Option<T>, file_first: bool) -> Option<T> {
    match file_first {
        true => file.or(given),
        false => given.or(file),
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

/// A string or a list of strings. The error does not quote the value.
fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
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

fn level<'de, D: Deserializer<'de>>(from: D) -> Result<Option<LevelFilter>, D::Error> {
    let text = String::deserialize(from)?;
    text.parse()
        .map(Some)
        .map_err(|_| serde::de::Error::custom("expected off, error, warn, info, debug or trace"))
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    /// A valid value of a setting.
    fn value(name: &str) -> &'static str {
        match name {
            "log" => "debug",
            "durability" => "relaxed",
            "log-format" => "json",
            "quarantine-days" => "30",
            "direct-downloads" => "true",
            _ => "given",
        }
    }

    /// A line of the config file.
    fn line(name: &str) -> String {
        match name {
            "quarantine-days" | "direct-downloads" => format!("{name} = {}\n", value(name)),
            _ => format!("{name} = \"{}\"\n", value(name)),
        }
    }

    fn names() -> Vec<String> {
        let serve = Settings::augment_args(clap::Command::new("serve"));
        let longs = serve
            .get_arguments()
            .filter_map(|argument| argument.get_long());
        longs
            .filter(|name| !["config", "help"].contains(name))
            .map(str::to_owned)
            .collect()
    }

    /// Writes a file that only its owner can read.
    fn write(path: &std::path::Path, text: &str) {
        fs::write(path, text).unwrap();
        #[cfg(unix)]
        set_mode(path, 0o600);
    }

    #[cfg(unix)]
    fn set_mode(path: &std::path::Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_config_file_that_others_can_change_or_that_exposes_a_key_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agb.toml");
        for (text, mode, is_rejected) in [
            ("log = \"info\"", 0o644, false),
            ("log = \"info\"", 0o666, true),
            ("log = \"info\"", 0o664, true),
            ("api-key = \"k\"", 0o600, false),
            ("api-key = \"k\"", 0o604, true),
            ("api-key = \"k\"", 0o602, true),
            ("metadata = \"postgres://u:p@h/d\"", 0o600, false),
            ("metadata = \"postgres://u:p@h/d\"", 0o644, true),
            ("blobs = \"s3://b\"", 0o644, true),
        ] {
            fs::write(&path, text).unwrap();
            set_mode(&path, mode);
            let file = ConfigFile {
                config: Some(path.clone()),
            };
            let result = Settings::default()
                .with_config_file(&file, &EnvironmentArguments::default())
                .map(drop);
            let code = result.map_err(|failure| failure.code);
            let expected = if is_rejected {
                Err(Code::NotAllowed)
            } else {
                Ok(())
            };
            assert_eq!(code, expected, "{text} {mode:o}");
        }
    }

    fn file(text: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agb.toml");
        write(&path, text);
        let config = Some(path);
        Settings::default()
            .with_config_file(&ConfigFile { config }, &EnvironmentArguments::default())
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_config_file_uses_the_names_of_the_flags() {
        assert!(names().len() > 10);
        for name in names() {
            file(&line(&name)).unwrap_or_else(|error| panic!("{error}"));
        }
        let all = names().iter().map(|name| line(name)).collect::<String>();
        let settings = file(&all).unwrap();
        assert_eq!(settings.api_keys, ["given"]);
        assert_eq!(settings.log_format, Some(LogFormat::Json));
        assert_eq!(settings.limits.as_deref(), Some("given"));
    }

    #[test]
    fn storage_urls_replace_the_data_folder() {
        let storage = |data_dir: Option<&str>, metadata: Option<&str>, blobs: Option<&str>| {
            let settings = Settings {
                data_dir: data_dir.map(PathBuf::from),
                metadata: metadata.map(str::to_owned),
                blobs: blobs.map(str::to_owned),
                ..Settings::default()
            };
            settings.storage().map_err(|failure| failure.code)
        };
        assert_eq!(
            storage(None, None, None),
            Ok(Storage::folder(DEFAULT_DATA_DIR))
        );
        assert_eq!(storage(Some("a"), None, None), Ok(Storage::folder("a")));
        assert_eq!(
            storage(None, Some("sqlite:a"), None),
            Ok(Storage::folder("a"))
        );
        for (data_dir, metadata, blobs) in [
            (Some("a"), Some("sqlite:a"), None),
            (Some("a"), None, Some("file:a")),
            (None, None, Some("file:a")),
            (None, Some("mysql:a"), None),
        ] {
            assert_eq!(storage(data_dir, metadata, blobs), Err(Code::Usage));
        }
    }

    #[test]
    fn the_help_lists_every_limit() {
        let serve = Settings::augment_args(clap::Command::new("serve"));
        let help = serve.clone().render_long_help().to_string();
        for name in agbcloud_server::Limits::NAMES {
            assert!(help.contains(name), "{name}");
        }
    }

    #[test]
    fn the_documentation_lists_every_flag() {
        let page = include_str!("../../../../docs/running.md");
        for name in names() {
            assert!(page.contains(&format!("| `--{name}`")), "{name}");
        }
    }

    #[test]
    fn an_error_shows_an_unknown_name_but_no_key() {
        let error = file("listen = \"127.0.0.1:1\"\nlisten-on = \"x\"")
            .err()
            .unwrap();
        assert!(
            error.contains("line 2") && error.contains("`listen-on`"),
            "{error}"
        );
        for text in [
            "api-key = { secret = 1 }",
            "api-key = [\"secret\", 1]",
            "api-key = \"secret",
            "log = \"secret\"",
        ] {
            let error = file(text).err().unwrap();
            assert!(
                error.contains("line 1") && !error.contains("secret"),
                "{error}"
            );
        }
    }

    /// The Debug output of every setting with an environment variable.
    fn values(settings: &Settings) -> String {
        let Settings {
            listen,
            data_dir,
            metadata,
            blobs,
            durability,
            public_url,
            keys,
            tls_cert,
            tls_key,
            metrics_listen,
            limits,
            quarantine_days,
            direct_downloads,
            log,
            log_format,
            api_keys: _,
            faults: _,
        } = settings;
        let texts = (listen, public_url, metrics_listen, limits, metadata, blobs);
        let paths = (data_dir, keys, tls_cert, tls_key);
        let others = (
            durability,
            quarantine_days,
            direct_downloads,
            log,
            log_format,
        );
        format!("{texts:?} {paths:?} {others:?}")
    }

    #[test]
    fn a_config_file_of_a_flag_takes_precedence_over_the_environment() {
        let command = || Settings::augment_args(clap::Command::new("agb"));
        let names: Vec<_> = command()
            .get_arguments()
            .filter(|argument| argument.get_env().is_some())
            .map(|argument| argument.get_long().unwrap().to_owned())
            .collect();
        assert!(names.len() > 10);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agb.toml");
        for name in names {
            let id = name.replace('-', "_");
            let (given, other) = match name.as_str() {
                "log" => ("debug", "\"info\""),
                "durability" => ("relaxed", "\"strict\""),
                "log-format" => ("json", "\"text\""),
                "quarantine-days" => ("30", "31"),
                "direct-downloads" => ("true", "false"),
                _ => ("given", "\"file\""),
            };
            write(&path, &format!("{name} = {other}\n"));
            let parse = || {
                let words = ["agb", &format!("--{name}={given}")];
                Settings::from_arg_matches(&command().get_matches_from(words)).unwrap()
            };
            for (environment, file_wins) in [
                (&[][..], false),
                (&[id.as_str()], true),
                (&[id.as_str(), "config"], false),
            ] {
                let file = ConfigFile {
                    config: Some(path.clone()),
                };
                let environment = EnvironmentArguments::of(environment);
                let settings = parse().with_config_file(&file, &environment).unwrap();
                let is_given = values(&settings) == values(&parse());
                assert_ne!(is_given, file_wins, "{name}: {}", values(&settings));
            }
        }
    }

    #[test]
    fn flags_and_the_config_file_complete_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agb.toml");
        write(
            &path,
            "listen = \"file\"\nlimits = \"file\"\napi-key = [\"a\", \"b\"]",
        );
        let merge = |settings: Settings| {
            let file = ConfigFile {
                config: Some(path.clone()),
            };
            settings
                .with_config_file(&file, &EnvironmentArguments::default())
                .unwrap()
        };
        let settings = merge(Settings {
            listen: Some("flag".to_owned()),
            ..Settings::default()
        });
        assert_eq!(settings.listen.as_deref(), Some("flag"));
        assert_eq!(settings.limits.as_deref(), Some("file"));
        assert_eq!(settings.api_keys, ["a", "b"]);
        let settings = merge(Settings {
            api_keys: vec!["c".to_owned()],
            ..Settings::default()
        });
        assert_eq!(settings.api_keys, ["c"]);
    }
}
