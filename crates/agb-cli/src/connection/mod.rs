//! Resolves the endpoint, the API key and what belongs to them: from flags and the profile that a flag names, then the
//! environment, then another profile, then `.env`.

mod config_file;
mod dotenv;
mod login;
mod profile_names;
mod profiles;
mod resolved;
mod tls;

use std::{
    io::{BufRead, Read},
    ops::Deref,
    path::PathBuf,
    time::Duration,
};

use agbcloud::{Client, ClientBuilder, LookupByName, RetryPolicy, SettingSource, SettingSources};
use clap::{Args, builder::FalseyValueParser};
use clap_complete::ArgValueCompleter;
use etcetera::{BaseStrategy, choose_base_strategy};

pub(crate) use config_file::ConfigFile;
pub(crate) use dotenv::Dotenv;
pub(crate) use profiles::{Profile, ProfileKey, Profiles};
pub(crate) use resolved::{ResolvedSettings, Setting};
use tls::TlsOptions;

use crate::{environment::EnvironmentArguments, failure::Failure};

/// The options for the connection to the service.
#[derive(Debug, Clone, Args)]
pub(crate) struct Connection {
    /// Service endpoint. Defaults to that of --profile, AGB_ENDPOINT, another profile or .env
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Profile with the endpoint and the API key. As a flag, it takes precedence over the environment
    #[arg(long, value_name = "NAME", env = "AGB_PROFILE", add = ArgValueCompleter::new(profile_names::complete))]
    profile: Option<String>,
    /// Region of context names. Ids need none, and lists contain all regions
    #[arg(
        long,
        hide_short_help = true,
        value_name = "REGION",
        env = "AGB_REGION"
    )]
    region: Option<String>,
    /// Read the API key from the first line of stdin
    #[arg(long, hide_short_help = true)]
    pub(crate) api_key_stdin: bool,
    /// Do not read the file .env in the working directory
    #[arg(long, hide_short_help = true, env = "AGB_NO_DOTENV", value_parser = FalseyValueParser::new())]
    no_dotenv: bool,
    #[command(flatten)]
    tls: TlsOptions,
    /// Maximum duration of a call with its retries. Defaults to 180. AGB_TIMEOUT_MS limits one attempt. Transfers have no limit
    #[arg(long, hide_short_help = true, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) call_timeout: Option<Duration>,
    /// Which of these come from the environment.
    #[arg(skip)]
    pub(crate) environment: EnvironmentArguments,
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

    #[cfg(feature = "mcp")]
    pub(crate) fn region(&self) -> Option<&str> {
        self.region.as_deref()
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
        self.resolve()?.connect(|builder| builder)
    }

    /// The name of the profile, which may not exist.
    pub(crate) fn profile_name(&self) -> &str {
        self.given_profile().unwrap_or(DEFAULT_PROFILE)
    }

    /// The name in --profile or AGB_PROFILE. An empty variable counts as not set; an empty flag names no profile.
    fn given_profile(&self) -> Option<&str> {
        let profile = self.profile.as_deref();
        profile.filter(|name| !name.is_empty() || self.has_profile_flag())
    }

    pub(crate) fn has_profile_flag(&self) -> bool {
        self.profile.is_some() && !self.environment.contains("profile")
    }

    /// A builder with the options that belong to no service.
    pub(crate) fn common_builder(&self) -> ClientBuilder {
        let builder = Client::builder()
            .dotenv(!self.no_dotenv)
            .allow_insecure_urls(self.tls.allow_insecure_urls);
        // Without a home folder, downloads start from the beginning.
        let builder = match transfers_folder() {
            Ok(folder) => builder.partial_downloads(folder),
            Err(_) => builder,
        };
        match self.call_timeout {
            Some(timeout) => builder.retry(RetryPolicy::default().deadline(timeout)),
            None => builder,
        }
    }

    pub(crate) fn reads_dotenv(&self) -> bool {
        !self.no_dotenv
    }

    /// Resolves the settings. A key is sent only to an endpoint from the same or a more trusted source.
    pub(crate) fn resolve(&self) -> Result<ResolvedSettings, Failure> {
        let profile = match self.needs_profile() {
            true => self.read_profile()?,
            false => Profile::default(),
        };
        let resolved = self.resolve_with(&profile)?;
        self.check_dotenv(&resolved.sources)?;
        resolved.check_trust()?;
        Ok(resolved)
    }

    /// Whether the profile can change anything. A broken one that is not used must not stop a command.
    pub(crate) fn needs_profile(&self) -> bool {
        let sources = self.common_builder().setting_sources();
        let has_endpoint =
            self.endpoint.is_some() || sources.endpoint == SettingSource::Environment;
        let has_key = self.api_key_stdin || sources.api_key == SettingSource::Environment;
        self.has_profile_flag() || !(has_endpoint && has_key)
    }

    /// Resolves the settings with this profile. The key may not be trusted to the endpoint.
    pub(crate) fn resolve_with(&self, profile: &Profile) -> Result<ResolvedSettings, Failure> {
        let mut builder = self.common_builder();
        let environment = builder.setting_sources();
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint(endpoint);
        }
        if self.api_key_stdin {
            builder = builder.api_key(key_from_stdin()?);
        }
        builder = match self.has_profile_flag() {
            true => self.with_flag_profile(builder, profile, environment)?,
            false => with_default_profile(builder, profile),
        };
        let sources = builder.setting_sources();
        let endpoint_flag = self.endpoint.is_some().then_some("--endpoint");
        let key_flag = self.api_key_stdin.then_some("stdin");
        let applies = self.has_profile_flag()
            || matches!(
                sources.endpoint,
                SettingSource::Fallback | SettingSource::Default
            );
        let setting =
            |key: ProfileKey, given: Option<&str>| self.setting(key, given, profile, applies);
        let resolved = ResolvedSettings {
            endpoint: self.source(sources.endpoint, endpoint_flag),
            api_key: self.source(sources.api_key, key_flag),
            region: setting(ProfileKey::Region, self.region.as_deref()),
            ca_file: setting(ProfileKey::CaFile, self.tls.ca_file.as_deref()),
            client_cert: setting(ProfileKey::ClientCert, self.tls.client_cert.as_deref()),
            client_key: setting(ProfileKey::ClientKey, self.tls.client_key.as_deref()),
            sources,
            builder,
        };
        self.tls.apply(resolved)
    }

    /// Adds the profile that a flag names. The environment and `.env` do not complete it where they may belong to another
    /// service.
    fn with_flag_profile(
        &self,
        mut builder: ClientBuilder,
        profile: &Profile,
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
            builder = match profile.get(ProfileKey::Endpoint) {
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
            builder = match profile.get(ProfileKey::ApiKey) {
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

    /// Resolves a setting that belongs to a service. That of a profile applies only to the endpoint of the profile.
    fn setting(
        &self,
        key: ProfileKey,
        given: Option<&str>,
        profile: &Profile,
        applies: bool,
    ) -> Option<Setting> {
        let from_environment = self.environment.contains(key.name());
        let given = given.filter(|value| !value.is_empty() || !from_environment);
        let of_profile = profile.get(key).filter(|_| applies);
        let by_flag = self.has_profile_flag();
        if let Some(value) = given.filter(|_| !from_environment) {
            let flag = key.name().replace('_', "-");
            return Some(Setting::new(value, format!("from --{flag}")));
        }
        let of_environment = given.map(|value| Setting::new(value, FROM_ENVIRONMENT.to_owned()));
        let of_profile = || {
            let code = match by_flag {
                true => SettingSource::Code,
                false => SettingSource::Fallback,
            };
            Some(Setting::of_profile(of_profile?, self.source(code, None)))
        };
        match by_flag {
            true => of_profile().or(of_environment),
            false => of_environment.or_else(of_profile),
        }
    }

    /// Describes the source of a setting.
    fn source(&self, source: SettingSource, flag: Option<&str>) -> String {
        match source {
            SettingSource::Code => match flag {
                Some(flag) => format!("from {flag}"),
                None => format!("from --profile {}", self.profile_name()),
            },
            SettingSource::Environment => FROM_ENVIRONMENT.to_owned(),
            SettingSource::Dotenv => "from .env in this folder".to_owned(),
            SettingSource::Fallback => format!("from the profile {}", self.profile_name()),
            _ => "by default".to_owned(),
        }
    }

    /// Reads the profile. Without --profile and AGB_PROFILE, a missing profile counts as empty.
    pub(crate) fn read_profile(&self) -> Result<Profile, Failure> {
        let path = config_file()?;
        let name = self.given_profile();
        let profiles = match Profiles::read(&path)? {
            Some(profiles) => profiles,
            None if name.is_none() => return Ok(Profile::default()),
            None => {
                let message = format!("no profiles ({} does not exist)", path.display());
                return Err(Failure::usage(message).with_hint("create one with 'agb login'"));
            }
        };
        if let Some(problem) = profiles.problem_of(self.profile_name()) {
            return Err(problem.failure(&path));
        }
        match (profiles.get(self.profile_name()), name) {
            (Some(profile), _) => Ok(profile.clone()),
            (None, None) => Ok(Profile::default()),
            (None, Some(name)) => {
                let message = format!("profile {name:?} not found in {}", path.display());
                let known = profiles.names().join(", ");
                Err(Failure::usage(message).with_hint(format!("use one of these: {known}")))
            }
        }
    }
}

const FROM_ENVIRONMENT: &str = "from the environment";

/// Adds a profile that no flag names.
fn with_default_profile(mut builder: ClientBuilder, profile: &Profile) -> ClientBuilder {
    if let Some(endpoint) = profile.get(ProfileKey::Endpoint) {
        builder = builder.fallback_endpoint(endpoint);
    }
    if let Some(key) = profile.get(ProfileKey::ApiKey) {
        builder = builder.fallback_api_key(key);
    }
    builder
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

/// Reads only the first line, since the writer may keep the pipe open.
pub(crate) fn key_from_stdin() -> Result<String, Failure> {
    let mut line = String::new();
    let read = std::io::stdin().lock().take(64 * 1024).read_line(&mut line);
    read.map_err(|error| Failure::with_cause("can't read the API key from stdin", error))?;
    match line.trim() {
        "" => Err(Failure::usage("no API key on stdin")),
        key => Ok(key.to_owned()),
    }
}
