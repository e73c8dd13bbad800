//! How the service is to be: by a flag, else by the config file that a flag names, else by the environment, else by the
//! config file that the environment names, else by default.

use std::{fmt, fs, path::PathBuf};

use agbcloud_server::{Protection, check_permissions};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Deserializer};
use tracing_subscriber::filter::LevelFilter;

use crate::{
    arguments::Ambient,
    exit::{Code, Failure},
};

/// All settings. Each name of a flag is also a name in the config file.
#[derive(Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8780]
    #[arg(long, value_name = "ADDRESS", env = "AGB_LISTEN")]
    pub(crate) listen: Option<String>,

    /// Folder that holds the data; it is made if it does not exist [default: agb-data]
    #[arg(long, value_name = "DIR", env = "AGB_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// What an acknowledged write survives: strict a power failure, relaxed the end of the process but not of the
    /// machine, memory nothing (the data folder is not used) [default: strict]
    #[arg(long, value_name = "MODE", env = "AGB_DURABILITY", value_enum)]
    pub(crate) durability: Option<Durability>,

    /// URL by which clients reach the service, where that is not the address it listens on: presigned URLs
    /// start with it
    #[arg(long, value_name = "URL", env = "AGB_PUBLIC_URL")]
    pub(crate) public_url: Option<String>,

    /// API key that is accepted; give it again for more. Each key has contexts of its own.
    /// Without any key or key file, every key is accepted, and only this machine can connect
    #[arg(long = "api-key", value_name = "KEY", value_parser = api_key)]
    #[serde(rename = "api-key", deserialize_with = "one_or_many")]
    pub(crate) api_keys: Vec<String>,

    /// Key file, as `agb serve keys` writes it; changes count at once
    #[arg(long, value_name = "FILE", env = "AGB_KEYS")]
    pub(crate) keys: Option<PathBuf>,

    /// Chain of certificates in PEM, for TLS; read again when it changes
    #[arg(long, value_name = "FILE", env = "AGB_TLS_CERT")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key in PEM of the certificate
    #[arg(long, value_name = "FILE", env = "AGB_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Address and port of /metrics (Prometheus), /health and /ready, in plain HTTP and without a key
    #[arg(long, value_name = "ADDRESS", env = "AGB_METRICS_LISTEN")]
    pub(crate) metrics_listen: Option<String>,

    /// Limits, as NAME=VALUE,…: connections, address-connections, tenant-requests, head-bytes, head-time, idle-time, least-rate,
    /// body-bytes, object-bytes, context-files, drain-time. Bytes may end in k, m or g, times in ms, s, m or h
    #[arg(long, value_name = "NAME=VALUE,…", env = "AGB_LIMITS")]
    pub(crate) limits: Option<String>,

    /// How many days contents that no file names stay in the folder quarantine before they are deleted [default: 7]
    #[arg(long, value_name = "DAYS", env = "AGB_QUARANTINE_DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) quarantine_days: Option<u32>,

    /// Let something go wrong, for clients under test; give it again for more: latency=TIME, status=429, status=503,
    /// html, cut=BYTES, expired-urls, lag=TIME, slow-clear=TIME, stuck-clear, repeat-token; each with
    /// ,op=NAME,rate=0.5,seed=1,times=2,retry-after=1. On this machine alone
    #[arg(long = "fault", visible_alias = "simulate", value_name = "SPEC")]
    #[serde(rename = "fault", alias = "simulate", deserialize_with = "one_or_many")]
    pub(crate) faults: Vec<String>,

    /// What to log on stderr: off, error, warn, info, debug or trace [default: warn]
    #[arg(long, value_name = "LEVEL", env = "AGB_LOG")]
    #[serde(deserialize_with = "level")]
    pub(crate) log: Option<LevelFilter>,

    /// How to log: lines for people, or an object a line [default: text]
    #[arg(long, value_name = "FORMAT", env = "AGB_LOG_FORMAT", value_enum)]
    pub(crate) log_format: Option<LogFormat>,
}

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Durability {
    #[default]
    Strict,
    Relaxed,
    Memory,
}

impl From<Durability> for agbcloud_server::Durability {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Strict => Self::Strict,
            Durability::Relaxed => Self::Relaxed,
            Durability::Memory => Self::Memory,
        }
    }
}

/// How to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// Where the config file is.
#[derive(Debug, Default, Args)]
pub(crate) struct ConfigFile {
    /// Config file in TOML, with the names of the flags: listen = "127.0.0.1:8780". Flags go before it; the environment
    /// does so only where the file is named by AGB_CONFIG
    #[arg(long, value_name = "FILE", env = "AGB_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

impl Settings {
    /// Fills up what was not given with what stands in the file, if there is one.
    pub(crate) fn over(self, file: &ConfigFile, ambient: &Ambient) -> Result<Self, Failure> {
        let Some(path) = &file.config else {
            return Ok(self);
        };
        let unusable = |why: &dyn fmt::Display| {
            Failure::usage(format!("the config file {}: {why}", path.display()))
        };
        let text = fs::read_to_string(path).map_err(|error| unusable(&error))?;
        let file = toml::from_str::<Self>(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                1 + text.as_bytes()[..span.start.min(text.len())]
                    .iter()
                    .filter(|byte| **byte == b'\n')
                    .count()
            });
            // The message alone: the error would show the line, and a key may stand there.
            unusable(&format_args!("line {line}: {}", error.message()))
        })?;
        let protection = match file.api_keys.is_empty() {
            true => Protection::Write,
            false => Protection::ReadAndWrite,
        };
        check_permissions(path, protection)
            .map_err(|exposed| Failure::of(Code::NotAllowed, exposed.to_string()))?;
        if ambient.has("config") {
            return Ok(self.or(file));
        }
        let (flags, environment) = self.apart(ambient);
        Ok(flags.or(file).or(environment))
    }

    /// What flags say, and what the environment says.
    fn apart(mut self, ambient: &Ambient) -> (Self, Self) {
        fn take<T>(setting: &mut Option<T>, is_ambient: bool) -> Option<T> {
            setting.take_if(|_| is_ambient)
        }
        let environment = Self {
            listen: take(&mut self.listen, ambient.has("listen")),
            data_dir: take(&mut self.data_dir, ambient.has("data_dir")),
            quarantine_days: take(&mut self.quarantine_days, ambient.has("quarantine_days")),
            durability: take(&mut self.durability, ambient.has("durability")),
            public_url: take(&mut self.public_url, ambient.has("public_url")),
            api_keys: Vec::new(),
            keys: take(&mut self.keys, ambient.has("keys")),
            tls_cert: take(&mut self.tls_cert, ambient.has("tls_cert")),
            tls_key: take(&mut self.tls_key, ambient.has("tls_key")),
            metrics_listen: take(&mut self.metrics_listen, ambient.has("metrics_listen")),
            limits: take(&mut self.limits, ambient.has("limits")),
            faults: Vec::new(),
            log: take(&mut self.log, ambient.has("log")),
            log_format: take(&mut self.log_format, ambient.has("log_format")),
        };
        (self, environment)
    }

    fn or(self, below: Self) -> Self {
        Self {
            listen: self.listen.or(below.listen),
            data_dir: self.data_dir.or(below.data_dir),
            durability: self.durability.or(below.durability),
            public_url: self.public_url.or(below.public_url),
            api_keys: filled(self.api_keys, below.api_keys),
            keys: self.keys.or(below.keys),
            tls_cert: self.tls_cert.or(below.tls_cert),
            tls_key: self.tls_key.or(below.tls_key),
            metrics_listen: self.metrics_listen.or(below.metrics_listen),
            limits: self.limits.or(below.limits),
            quarantine_days: self.quarantine_days.or(below.quarantine_days),
            faults: filled(self.faults, below.faults),
            log: self.log.or(below.log),
            log_format: self.log_format.or(below.log_format),
        }
    }
}

/// Shows no key.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("listen", &self.listen)
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

fn filled(given: Vec<String>, below: Vec<String>) -> Vec<String> {
    if given.is_empty() { below } else { given }
}

fn api_key(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("a key is visible ASCII without spaces".to_owned())
    }
}

/// One text or a list of them. No message quotes what was there instead.
fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "give one text, or a list of texts")]
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
        .map_err(|_| serde::de::Error::custom("give off, error, warn, info, debug or trace"))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::*;

    /// A value that each setting takes.
    fn value(name: &str) -> &'static str {
        match name {
            "log" => "debug",
            "durability" => "relaxed",
            "log-format" => "json",
            "quarantine-days" => "30",
            _ => "given",
        }
    }

    /// A setting as the config file has it.
    fn line(name: &str) -> String {
        match name {
            "quarantine-days" => format!("{name} = {}\n", value(name)),
            _ => format!("{name} = \"{}\"\n", value(name)),
        }
    }

    fn names() -> Vec<String> {
        let command = crate::arguments::Arguments::command();
        let serve = command.find_subcommand("serve").unwrap();
        let longs = serve
            .get_arguments()
            .filter_map(|argument| argument.get_long());
        longs
            .filter(|name| !["config", "help"].contains(name))
            .map(str::to_owned)
            .collect()
    }

    /// Writes a file that its owner alone can read.
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
    fn a_file_that_others_can_change_or_that_shows_them_a_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agb.toml");
        for (text, mode, refused) in [
            ("log = \"info\"", 0o644, false),
            ("log = \"info\"", 0o666, true),
            ("log = \"info\"", 0o664, true),
            ("api-key = \"k\"", 0o600, false),
            ("api-key = \"k\"", 0o604, true),
            ("api-key = \"k\"", 0o602, true),
        ] {
            fs::write(&path, text).unwrap();
            set_mode(&path, mode);
            let file = ConfigFile {
                config: Some(path.clone()),
            };
            let outcome = Settings::default()
                .over(&file, &Ambient::default())
                .map(drop);
            let code = outcome.map_err(|failure| failure.code());
            let expected = if refused {
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
            .over(&ConfigFile { config }, &Ambient::default())
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_config_file_has_the_names_of_the_flags() {
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
    fn the_help_has_every_limit() {
        let command = crate::arguments::Arguments::command();
        let serve = command.find_subcommand("serve").unwrap();
        let help = serve.clone().render_long_help().to_string();
        for name in agbcloud_server::Limits::NAMES {
            assert!(help.contains(name), "{name}");
        }
    }

    #[test]
    fn the_page_on_running_it_has_every_flag() {
        let page = include_str!("../../../../docs/running.md");
        for name in names() {
            assert!(page.contains(&format!("| `--{name}`")), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_told_and_a_key_is_not() {
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

    #[test]
    fn a_file_that_a_flag_names_goes_before_the_environment() {
        let command = crate::arguments::Arguments::command();
        let serve = command.find_subcommand("serve").unwrap();
        let ids: Vec<_> = serve
            .get_arguments()
            .filter(|argument| argument.get_env().is_some())
            .map(|argument| argument.get_id().as_str().to_owned())
            .filter(|id| id != "config")
            .collect();
        assert!(ids.len() > 10);
        for id in ids {
            let flag = format!("--{}", id.replace('_', "-"));
            let words = ["agb", &flag, value(&id.replace('_', "-"))];
            let matches = Settings::augment_args(clap::Command::new("agb")).get_matches_from(words);
            let settings = Settings::from_arg_matches(&matches).unwrap();
            let set = |settings: &Settings| format!("{:?}", settings.shown());
            let (flags, environment) = settings.apart(&Ambient::of(&[&id]));
            let empty = set(&Settings::default());
            assert_eq!(set(&flags), empty, "{id}");
            assert_ne!(set(&environment), empty, "{id}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agb.toml");
        fs::write(&path, "listen = \"file\"\ndata-dir = \"file\"").unwrap();
        let given = || Settings {
            listen: Some("flag".to_owned()),
            data_dir: Some("environment".into()),
            limits: Some("environment".to_owned()),
            ..Settings::default()
        };
        for (ambient, data_dir) in [
            (Ambient::of(&["data_dir", "limits"]), "file"),
            (
                Ambient::of(&["data_dir", "limits", "config"]),
                "environment",
            ),
        ] {
            let config = Some(path.clone());
            let settings = given().over(&ConfigFile { config }, &ambient).unwrap();
            assert_eq!(settings.listen.as_deref(), Some("flag"));
            assert_eq!(settings.data_dir, Some(data_dir.into()));
            assert_eq!(settings.limits.as_deref(), Some("environment"));
        }
    }

    impl Settings {
        fn shown(&self) -> [bool; 12] {
            [
                self.listen.is_some(),
                self.data_dir.is_some(),
                self.quarantine_days.is_some(),
                self.durability.is_some(),
                self.public_url.is_some(),
                self.keys.is_some(),
                self.tls_cert.is_some(),
                self.tls_key.is_some(),
                self.metrics_listen.is_some(),
                self.limits.is_some(),
                self.log.is_some(),
                self.log_format.is_some(),
            ]
        }
    }

    #[test]
    fn what_was_given_goes_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agb.toml");
        write(
            &path,
            "listen = \"file\"\nlimits = \"file\"\napi-key = [\"a\", \"b\"]",
        );
        let given = Settings {
            listen: Some("flag".to_owned()),
            ..Settings::default()
        };
        let settings = given
            .over(&ConfigFile { config: Some(path) }, &Ambient::default())
            .unwrap();
        assert_eq!(settings.listen.as_deref(), Some("flag"));
        assert_eq!(settings.limits.as_deref(), Some("file"));
        assert_eq!(settings.api_keys, ["a", "b"]);
        let more = Settings {
            api_keys: vec!["c".to_owned()],
            ..Settings::default()
        };
        assert_eq!(more.or(settings).api_keys, ["c"]);
    }
}
