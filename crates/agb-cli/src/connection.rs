//! Resolves the endpoint and the API key: from flags and the profile that a flag names, then the environment, then another
//! profile, then `.env`.

use std::{
    collections::BTreeMap,
    io::{BufRead, Read},
    ops::Deref,
    path::{Path, PathBuf},
    time::Duration,
};

use agbcloud::{Client, ClientBuilder, LookupByName, RetryPolicy, SettingSource, SettingSources};
use clap::{
    Arg, ArgMatches, Args, FromArgMatches, builder::FalseyValueParser, parser::ValueSource,
};
use etcetera::{BaseStrategy, choose_base_strategy};
use serde::Deserialize;

use crate::failure::{Code, Failure};

/// The options for the connection to the service.
#[derive(Debug, Clone, Args)]
pub(crate) struct Connection {
    /// Service endpoint. Defaults to the one of --profile, AGB_ENDPOINT, another profile or .env
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    #[command(flatten)]
    profile: ProfileChoice,
    /// Region in which to look up context names. Ids need none
    #[arg(long, value_name = "REGION", env = "AGB_REGION")]
    region: Option<String>,
    /// Read the API key from the first line of stdin
    #[arg(long)]
    pub(crate) api_key_stdin: bool,
    /// Do not read the file .env in the working directory
    #[arg(long, env = "AGB_NO_DOTENV", value_parser = FalseyValueParser::new())]
    no_dotenv: bool,
    /// Accept presigned URLs without TLS from an https endpoint
    #[arg(long, env = "AGB_ALLOW_INSECURE_URLS", value_parser = FalseyValueParser::new())]
    allow_insecure_urls: bool,
    /// Maximum duration of a call, including retries. Defaults to 180. AGB_TIMEOUT_MS limits one attempt, and defaults to 60000 milliseconds. A transfer has no limit while data flows
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) call_timeout: Option<Duration>,
}

/// The profile to use, and whether it comes from the flag. A flag takes precedence over the environment, which takes
/// precedence over a profile that the environment names.
#[derive(Debug, Clone)]
struct ProfileChoice {
    name: Option<String>,
    by_flag: bool,
}

impl Args for ProfileChoice {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.arg(
            Arg::new("profile")
                .long("profile")
                .value_name("NAME")
                .env("AGB_PROFILE")
                .help("Profile with the endpoint and the API key. As a flag, it takes precedence over the environment"),
        )
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ProfileChoice {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let by_flag = matches.value_source("profile") == Some(ValueSource::CommandLine);
        let name = matches.get_one::<String>("profile").cloned();
        // An empty variable counts as not set. An empty flag names no profile.
        let name = name.filter(|name| by_flag || !name.is_empty());
        Ok(Self { name, by_flag })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a number of seconds from 0.001".to_owned();
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(timeout) if timeout >= Duration::from_millis(1) => Ok(timeout),
        _ => Err(wrong()),
    }
}

/// The profile that is used by default.
const DEFAULT_PROFILE: &str = "default";

/// `config.toml`: one table per profile.
#[derive(Deserialize)]
#[serde(transparent)]
struct Profiles(BTreeMap<String, Profile>);

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Profile {
    endpoint: Option<String>,
    api_key: Option<String>,
}

/// The resolved settings, and descriptions of the sources of the endpoint and the key.
pub(crate) struct ResolvedSettings {
    pub(crate) builder: ClientBuilder,
    pub(crate) endpoint: String,
    pub(crate) api_key: String,
}

/// A client that looks up context names in the region of the options.
pub(crate) struct ServiceClient {
    client: Client,
    region: Option<String>,
}

impl ServiceClient {
    pub(crate) fn get_by_name(&self, name: &str) -> LookupByName {
        self.in_region(self.client.contexts().get_by_name(name))
    }

    pub(crate) fn get_or_create(&self, name: &str) -> LookupByName {
        self.in_region(self.client.contexts().get_or_create(name))
    }

    pub(crate) fn has_region(&self) -> bool {
        self.region.is_some()
    }

    fn in_region(&self, lookup: LookupByName) -> LookupByName {
        match &self.region {
            Some(region) => lookup.region(region.as_str()),
            None => lookup,
        }
    }
}

impl Deref for ServiceClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Connection {
    pub(crate) fn connect(&self) -> Result<ServiceClient, Failure> {
        Ok(self.with_client(self.builder()?.build()?))
    }

    /// Adds the region to a client.
    pub(crate) fn with_client(&self, client: Client) -> ServiceClient {
        ServiceClient {
            client,
            region: non_empty(&self.region).map(str::to_owned),
        }
    }

    /// The name of the profile, which may not exist.
    pub(crate) fn profile_name(&self) -> &str {
        self.profile.name.as_deref().unwrap_or(DEFAULT_PROFILE)
    }

    pub(crate) fn builder(&self) -> Result<ClientBuilder, Failure> {
        Ok(self.resolve()?.builder)
    }

    /// Resolves the settings. A key is sent only to an endpoint from the same or a more trusted source.
    pub(crate) fn resolve(&self) -> Result<ResolvedSettings, Failure> {
        let mut builder = Client::builder()
            .dotenv(!self.no_dotenv)
            .allow_insecure_urls(self.allow_insecure_urls);
        // Without a home folder, downloads start from the beginning.
        if let Ok(folder) = transfers_folder() {
            builder = builder.partial_downloads(folder);
        }
        let environment = builder.setting_sources();
        if let Some(timeout) = self.call_timeout {
            builder = builder.retry(RetryPolicy::default().deadline(timeout));
        }
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint(endpoint);
        }
        if self.api_key_stdin {
            builder = builder.api_key(key_from_stdin()?);
        }
        if self.endpoint.is_none() || !self.api_key_stdin {
            let profile = self.read_profile()?;
            builder = match self.profile.by_flag {
                true => self.with_flag_profile(builder, profile, environment)?,
                false => with_default_profile(builder, profile),
            };
        }
        let sources = builder.setting_sources();
        let endpoint_flag = self.endpoint.is_some().then_some("--endpoint");
        let key_flag = self.api_key_stdin.then_some("stdin");
        let resolved = ResolvedSettings {
            endpoint: self.source(sources.endpoint, endpoint_flag),
            api_key: self.source(sources.api_key, key_flag),
            builder,
        };
        if !sources.trusts_endpoint() {
            let message = format!(
                "the API key comes {}, the endpoint {}, which is less trusted",
                resolved.api_key, resolved.endpoint
            );
            return Err(
                Failure::usage(message).with_hint("set both in one place, or pass --endpoint")
            );
        }
        Ok(resolved)
    }

    /// Adds the profile that a flag names. The environment and `.env` do not complete it where they may belong to another
    /// service.
    fn with_flag_profile(
        &self,
        mut builder: ClientBuilder,
        profile: Profile,
        environment: SettingSources,
    ) -> Result<ClientBuilder, Failure> {
        let name = self.profile_name();
        let has_other = environment.endpoint != SettingSource::Default;
        let incomplete = |missing: &str, source: String| {
            let message = format!(
                "profile {name:?} has no {missing}, and the one {source} may belong to another service"
            );
            Failure::usage(message).with_hint(format!(
                "add {missing} to the profile, or pass both as flags"
            ))
        };
        if self.endpoint.is_none() {
            builder = match profile.endpoint {
                Some(endpoint) => builder.endpoint(endpoint),
                None if has_other => {
                    return Err(incomplete(
                        "endpoint",
                        self.source(environment.endpoint, None),
                    ));
                }
                None => builder,
            };
        }
        if !self.api_key_stdin {
            builder = match profile.api_key {
                Some(key) => builder.api_key(key),
                None if has_other && environment.api_key != SettingSource::Default => {
                    return Err(incomplete(
                        "api_key",
                        self.source(environment.api_key, None),
                    ));
                }
                None => builder,
            };
        }
        Ok(builder)
    }

    /// Describes the source of a setting.
    fn source(&self, source: SettingSource, flag: Option<&str>) -> String {
        match source {
            SettingSource::Code => match flag {
                Some(flag) => format!("from {flag}"),
                None => format!("from --profile {}", self.profile_name()),
            },
            SettingSource::Environment => "from the environment".to_owned(),
            SettingSource::Dotenv => "from .env in this folder".to_owned(),
            SettingSource::Fallback => format!("from the profile {}", self.profile_name()),
            _ => "by default".to_owned(),
        }
    }

    /// Reads the profile. Without --profile and AGB_PROFILE, a missing profile counts as empty.
    fn read_profile(&self) -> Result<Profile, Failure> {
        let path = config_file()?;
        let name = self.profile.name.as_deref();
        let mut profiles = match read(&path)? {
            Some(profiles) => profiles.0,
            None if name.is_none() => return Ok(Profile::default()),
            None => {
                let message = format!("no profiles ({} does not exist)", path.display());
                return Err(Failure::usage(message));
            }
        };
        match (profiles.remove(name.unwrap_or(DEFAULT_PROFILE)), name) {
            (Some(profile), _) => Ok(profile),
            (None, None) => Ok(Profile::default()),
            (None, Some(name)) => {
                let known: Vec<_> = profiles.into_keys().collect();
                let message = format!("profile {name:?} not found in {}", path.display());
                Err(Failure::usage(message)
                    .with_hint(format!("use one of these: {}", known.join(", "))))
            }
        }
    }
}

/// Adds a profile that no flag names.
fn with_default_profile(mut builder: ClientBuilder, profile: Profile) -> ClientBuilder {
    if let Some(endpoint) = profile.endpoint {
        builder = builder.fallback_endpoint(endpoint);
    }
    if let Some(key) = profile.api_key {
        builder = builder.fallback_api_key(key);
    }
    builder
}

/// An empty variable counts as not set.
fn non_empty(setting: &Option<String>) -> Option<&str> {
    setting.as_deref().filter(|setting| !setting.is_empty())
}

/// The path of the file with the profiles.
pub(crate) fn config_file() -> Result<PathBuf, Failure> {
    Ok(folders()?.config_dir().join("agb").join("config.toml"))
}

/// The folder for the state of syncs.
pub(crate) fn sync_folder() -> Result<PathBuf, Failure> {
    Ok(state_folder()?.join("sync"))
}

/// The folder for the records of interrupted downloads.
pub(crate) fn transfers_folder() -> Result<PathBuf, Failure> {
    Ok(state_folder()?.join("transfers"))
}

fn state_folder() -> Result<PathBuf, Failure> {
    let folders = folders()?;
    let state = folders.state_dir().unwrap_or_else(|| folders.data_dir());
    Ok(state.join("agb"))
}

fn folders() -> Result<impl BaseStrategy, Failure> {
    choose_base_strategy().map_err(|error| Failure::with_cause("no home folder", error))
}

fn read(path: &Path) -> Result<Option<Profiles>, Failure> {
    let failed = |error| Failure::with_cause(format!("can't read {}", path.display()), error);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    check_is_private(path)?;
    // The message of the parser may quote a key.
    let profiles = toml::from_str(&text).map_err(|error| {
        let before = error.span().map_or("", |span| &text[..span.start]);
        let line = before.matches('\n').count() + 1;
        let message = format!("{}, line {line}: not a valid profile", path.display());
        Failure::usage(message).with_hint(
            "write a profile as a table with endpoint = \"https://…\" and api_key = \"…\"",
        )
    })?;
    Ok(Some(profiles))
}

#[cfg(unix)]
fn check_is_private(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;

    let metadata = path
        .metadata()
        .map_err(|error| Failure::with_cause(format!("can't read {}", path.display()), error))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let message = format!(
        "others can read {} (mode {mode:03o}), which contains API keys",
        path.display()
    );
    Err(Failure::with_code(Code::NotAllowed, message)
        .with_hint(format!("run: chmod 600 '{}'", path.display())))
}

#[cfg(not(unix))]
fn check_is_private(_: &Path) -> Result<(), Failure> {
    Ok(())
}

/// Reads only the first line, since the writer may keep the pipe open.
fn key_from_stdin() -> Result<String, Failure> {
    let mut line = String::new();
    let read = std::io::stdin().lock().take(64 * 1024).read_line(&mut line);
    read.map_err(|error| Failure::with_cause("can't read the API key from stdin", error))?;
    match line.trim() {
        "" => Err(Failure::usage("no API key on stdin")),
        key => Ok(key.to_owned()),
    }
}
