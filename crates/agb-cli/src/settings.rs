//! Where the service is and by which key it is called: flags and the profile that a flag names, then the environment, then
//! another profile, then `.env`.

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

use crate::exit::{Code, Failure};

/// Which service, and how it is shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct Connection {
    /// Service to use; else that of --profile, AGB_ENDPOINT, another profile, or .env
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    #[command(flatten)]
    profile: ProfileChoice,
    /// Region in which names of contexts are looked up; an id needs none
    #[arg(long, value_name = "REGION", env = "AGB_REGION")]
    region: Option<String>,
    /// Read the API key from the first line of stdin
    #[arg(long)]
    pub(crate) api_key_stdin: bool,
    /// Do not read the file .env in the working directory
    #[arg(long, env = "AGB_NO_DOTENV", value_parser = FalseyValueParser::new())]
    no_dotenv: bool,
    /// Accept presigned URLs without TLS from an https service
    #[arg(long, env = "AGB_ALLOW_INSECURE_URLS", value_parser = FalseyValueParser::new())]
    allow_insecure_urls: bool,
    /// Give up a call after so many seconds, retries included; 180 if not said. One try gets AGB_TIMEOUT_MS milliseconds, or 60000. Transfers have no limit while bytes move
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) call_timeout: Option<Duration>,
}

/// The profile that is named, and whether a flag names it. A flag goes before the environment, which goes before a profile
/// that the environment names.
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
                .help("Profile to take the endpoint and the key from. Given as a flag, it goes before the environment"),
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
        // An empty variable counts as not set. An empty flag is a name that no profile has.
        let name = name.filter(|name| by_flag || !name.is_empty());
        Ok(Self { name, by_flag })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || "a number of seconds, from 0.001".to_owned();
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(timeout) if timeout >= Duration::from_millis(1) => Ok(timeout),
        _ => Err(wrong()),
    }
}

/// The profile of this name is used when none is named.
const DEFAULT_PROFILE: &str = "default";

/// `config.toml`: a table for each profile.
#[derive(Deserialize)]
#[serde(transparent)]
struct Profiles(BTreeMap<String, Profile>);

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Profile {
    endpoint: Option<String>,
    api_key: Option<String>,
}

/// Settings, and where the endpoint and the key come from.
pub(crate) struct Resolved {
    pub(crate) builder: ClientBuilder,
    pub(crate) endpoint: String,
    pub(crate) api_key: String,
}

/// The service, and the region in which it is asked for names.
pub(crate) struct Service {
    client: Client,
    region: Option<String>,
}

impl Service {
    /// The context of this name.
    pub(crate) fn named(&self, name: &str) -> LookupByName {
        self.in_region(self.client.contexts().get_by_name(name))
    }

    /// The context of this name, made if there is none.
    pub(crate) fn made(&self, name: &str) -> LookupByName {
        self.in_region(self.client.contexts().get_or_create(name))
    }

    /// Whether a region was named.
    pub(crate) fn is_in_region(&self) -> bool {
        self.region.is_some()
    }

    fn in_region(&self, lookup: LookupByName) -> LookupByName {
        match &self.region {
            Some(region) => lookup.region(region.as_str()),
            None => lookup,
        }
    }
}

impl Deref for Service {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Connection {
    pub(crate) fn connect(&self) -> Result<Service, Failure> {
        Ok(self.service(self.builder()?.build()?))
    }

    /// A service by a client of its own.
    pub(crate) fn service(&self, client: Client) -> Service {
        Service {
            client,
            region: said(&self.region).map(str::to_owned),
        }
    }

    /// The profile that is looked for.
    pub(crate) fn profile_name(&self) -> &str {
        self.profile.name.as_deref().unwrap_or(DEFAULT_PROFILE)
    }

    pub(crate) fn builder(&self) -> Result<ClientBuilder, Failure> {
        Ok(self.resolve()?.builder)
    }

    /// Finds the settings. A key is sent only to an endpoint from the same or a more trusted source.
    pub(crate) fn resolve(&self) -> Result<Resolved, Failure> {
        let mut builder = Client::builder()
            .dotenv(!self.no_dotenv)
            .allow_insecure_urls(self.allow_insecure_urls);
        let ambient = builder.setting_sources();
        if let Some(timeout) = self.call_timeout {
            builder = builder.retry(RetryPolicy::default().deadline(timeout));
        }
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint(endpoint);
        }
        if self.api_key_stdin {
            builder = builder.api_key(key_of_stdin()?);
        }
        if self.endpoint.is_none() || !self.api_key_stdin {
            let profile = self.settled_profile()?;
            builder = match self.profile.by_flag {
                true => self.with_chosen(builder, profile, ambient)?,
                false => with_fallback(builder, profile),
            };
        }
        let setting_sources = builder.setting_sources();
        let resolved = Resolved {
            endpoint: self.source(
                setting_sources.endpoint,
                self.endpoint.as_ref().map(|_| "--endpoint"),
            ),
            api_key: self.source(
                setting_sources.api_key,
                self.api_key_stdin.then_some("stdin"),
            ),
            builder,
        };
        if setting_sources.trusts_endpoint() {
            return Ok(resolved);
        }
        let Resolved {
            endpoint, api_key, ..
        } = resolved;
        let message = format!(
            "the API key comes {api_key}, and the endpoint {endpoint}, which is less trusted"
        );
        Err(Failure::usage(message)
            .hint("set both in one place, or name the endpoint with --endpoint"))
    }

    /// With the profile that a flag names: the environment and `.env` fill nothing up that would lead to another service.
    fn with_chosen(
        &self,
        mut builder: ClientBuilder,
        profile: Profile,
        ambient: SettingSources,
    ) -> Result<ClientBuilder, Failure> {
        let name = self.profile_name();
        let elsewhere = ambient.endpoint != SettingSource::Default;
        let incomplete = |lacks: &str, source: String| {
            let message = format!(
                "the profile {name:?} has no {lacks}, and that {source} may belong to another service"
            );
            Failure::usage(message).hint(format!(
                "write {lacks} into the profile, or name both with flags"
            ))
        };
        if self.endpoint.is_none() {
            builder = match profile.endpoint {
                Some(endpoint) => builder.endpoint(endpoint),
                None if elsewhere => {
                    return Err(incomplete("endpoint", self.source(ambient.endpoint, None)));
                }
                None => builder,
            };
        }
        if !self.api_key_stdin {
            builder = match profile.api_key {
                Some(key) => builder.api_key(key),
                None if elsewhere && ambient.api_key != SettingSource::Default => {
                    return Err(incomplete("api_key", self.source(ambient.api_key, None)));
                }
                None => builder,
            };
        }
        Ok(builder)
    }

    /// Where a setting comes from.
    fn source(&self, origin: SettingSource, flag: Option<&str>) -> String {
        match origin {
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

    /// The profile, empty where none was asked for and there is none.
    fn settled_profile(&self) -> Result<Profile, Failure> {
        let path = config_file()?;
        let name = self.profile.name.as_deref();
        let mut profiles = match read(&path)? {
            Some(profiles) => profiles.0,
            None if name.is_none() => return Ok(Profile::default()),
            None => {
                let message = format!("there are no profiles: {} does not exist", path.display());
                return Err(Failure::usage(message));
            }
        };
        match (profiles.remove(name.unwrap_or(DEFAULT_PROFILE)), name) {
            (Some(profile), _) => Ok(profile),
            (None, None) => Ok(Profile::default()),
            (None, Some(name)) => {
                let known: Vec<_> = profiles.into_keys().collect();
                let message = format!("there is no profile {name:?} in {}", path.display());
                Err(Failure::usage(message).hint(format!("there are: {}", known.join(", "))))
            }
        }
    }
}

/// With a profile that no flag names.
fn with_fallback(mut builder: ClientBuilder, profile: Profile) -> ClientBuilder {
    if let Some(endpoint) = profile.endpoint {
        builder = builder.fallback_endpoint(endpoint);
    }
    if let Some(key) = profile.api_key {
        builder = builder.fallback_api_key(key);
    }
    builder
}

/// A variable that is empty says nothing, as with the other settings of the environment.
fn said(setting: &Option<String>) -> Option<&str> {
    setting.as_deref().filter(|setting| !setting.is_empty())
}

/// Where profiles are kept.
pub(crate) fn config_file() -> Result<PathBuf, Failure> {
    Ok(folders()?.config_dir().join("agb").join("config.toml"))
}

/// Where it is remembered what was synchronised.
pub(crate) fn state_folder() -> Result<PathBuf, Failure> {
    let folders = folders()?;
    let state = folders.state_dir().unwrap_or_else(|| folders.data_dir());
    Ok(state.join("agb").join("sync"))
}

fn folders() -> Result<impl BaseStrategy, Failure> {
    choose_base_strategy().map_err(|error| Failure::other("there is no home folder", error))
}

fn read(path: &Path) -> Result<Option<Profiles>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::other(
                format!("can't read {}", path.display()),
                error,
            ));
        }
    };
    refuse_if_others_can_read(path)?;
    // What the parser says may quote a key.
    let profiles = toml::from_str(&text).map_err(|error| {
        let before = error.span().map_or("", |span| &text[..span.start]);
        let line = before.matches('\n').count() + 1;
        let message = format!("line {line} of {} is none of a profile", path.display());
        Failure::usage(message)
            .hint("a profile is a table with endpoint = \"https://…\" and api_key = \"…\"")
    })?;
    Ok(Some(profiles))
}

#[cfg(unix)]
fn refuse_if_others_can_read(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;

    let metadata = path
        .metadata()
        .map_err(|error| Failure::other(format!("can't look at {}", path.display()), error))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let message = format!(
        "others can read {} (mode {mode:03o}), in which there are keys",
        path.display()
    );
    Err(Failure::of(Code::NotAllowed, message).hint(format!("chmod 600 '{}'", path.display())))
}

#[cfg(not(unix))]
fn refuse_if_others_can_read(_: &Path) -> Result<(), Failure> {
    Ok(())
}

/// Reads no further than the first line: who has written it may keep the pipe open.
fn key_of_stdin() -> Result<String, Failure> {
    let mut line = String::new();
    let read = std::io::stdin().lock().take(64 * 1024).read_line(&mut line);
    read.map_err(|error| Failure::other("can't read the API key from stdin", error))?;
    match line.trim() {
        "" => Err(Failure::usage("there is no API key on stdin")),
        key => Ok(key.to_owned()),
    }
}
