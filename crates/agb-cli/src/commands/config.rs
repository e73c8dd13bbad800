//! `agb config`: the settings, their sources and the config file.

use std::{ffi::OsStr, path::Path};

use agbcloud::{SettingSource, SettingSources};
use clap::{Args, Subcommand};
use clap_complete::{ArgValueCompleter, CompletionCandidate};

use super::session::{Run, Session, WithSession};
use crate::{
    connection::{self, ConfigFile, Profile, ProfileKey, Profiles, Setting},
    failure::{Code, Failure},
    nearest::nearest,
    output::{
        self, OutputMode, Rows,
        setting_records::{PathRow, ProfileRow, SettingRow},
    },
    stderr,
};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// List the settings that commands use, with their sources
    #[command(visible_alias = "ls")]
    #[command(
        after_long_help = "Examples:\n  agb config list\n  agb config list --profile staging"
    )]
    List(WithSession<ListArguments>),
    /// Print the value of a setting that commands use
    #[command(after_long_help = "Examples:\n  agb config get endpoint")]
    Get(WithSession<GetArguments>),
    /// Set a value of a profile
    #[command(
        after_long_help = "Examples:\n  agb config set region cn-hangzhou\n  agb config set --profile staging ca_file company-ca.pem"
    )]
    Set(WithSession<SetArguments>),
    /// Remove a value of a profile
    #[command(after_long_help = "Examples:\n  agb config unset region")]
    Unset(WithSession<UnsetArguments>),
    /// List the profiles
    #[command(after_long_help = "Examples:\n  agb config profiles")]
    Profiles(WithSession<ProfilesArguments>),
    /// Print the path of the config file
    #[command(after_long_help = "Examples:\n  $EDITOR \"$(agb config path)\"")]
    Path(WithSession<PathArguments>),
}

impl ConfigCommand {
    /// Whether the command requires stdout.
    pub(crate) fn prints(&self) -> bool {
        !matches!(self, Self::Set(_) | Self::Unset(_))
    }

    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(with) => with.run().await,
            Self::Get(with) => with.run().await,
            Self::Set(with) => with.run().await,
            Self::Unset(with) => with.run().await,
            Self::Profiles(with) => with.run().await,
            Self::Path(with) => with.run().await,
        }
    }
}

/// Shown instead of a key.
const HIDDEN: &str = "(set)";

#[derive(Debug, Args)]
pub(crate) struct ListArguments {}

impl Run for ListArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let settings = settings(session)?;
        Rows::new(&session.output).print(&settings)
    }
}

#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// Name of the setting
    #[arg(value_name = "NAME", value_parser = setting_name, add = ArgValueCompleter::new(complete_all))]
    name: String,
}

impl Run for GetArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let settings = settings(session)?;
        let setting = settings.into_iter().find(|row| row.name == self.name);
        let Some(setting) = setting.filter(|row| row.value.is_some()) else {
            let message = format!("{} is not set", self.name);
            return Err(Failure::with_code(Code::NotFound, message));
        };
        match session.output.mode() {
            OutputMode::Json => output::print_result(&session.output, &setting, ""),
            _ => output::print_line(setting.value.as_deref().unwrap_or_default()),
        }
    }
}

/// The names of all settings: the profile, and what it can contain.
fn setting_names() -> impl Iterator<Item = &'static str> {
    let keys = ProfileKey::ALL.iter().map(|key| key.name());
    std::iter::once("profile").chain(keys)
}

/// Parses the name of a setting. A hyphen counts as an underscore, as in the flags.
fn setting_name(text: &str) -> Result<String, String> {
    let name = text.replace('-', "_");
    if setting_names().any(|known| known == name) {
        return Ok(name);
    }
    Err(match nearest(&name, setting_names()) {
        Some(nearest) => format!("unknown setting: did you mean {nearest}?"),
        None => {
            let names: Vec<_> = setting_names().collect();
            format!("unknown setting: use one of these: {}", names.join(", "))
        }
    })
}

/// The settings that commands would use.
fn settings(session: &Session) -> Result<Vec<SettingRow>, Failure> {
    let connection = &session.connection;
    let profile = match connection.needs_profile() {
        true => connection.read_profile()?,
        false => Profile::default(),
    };
    let resolved = connection.resolve_with(&profile)?;
    session.warn_about_dotenv();
    let sources = resolved.sources;
    let named = connection.has_profile_flag() || !profile.is_empty();
    let row = |name: &'static str, value: Option<String>, source: &str| SettingRow {
        name: name.into(),
        source: value.is_some().then(|| source.to_owned()),
        value,
    };
    let other = |key: ProfileKey, setting: &Option<Setting>| {
        let value = setting.as_ref().map(|setting| setting.value.clone());
        let source = setting.as_ref().map_or("", |setting| &setting.source);
        row(key.name(), value, source)
    };
    let endpoint = resolved.builder.resolved_endpoint()?;
    Ok(vec![
        SettingRow {
            name: "profile".into(),
            value: Some(connection.profile_name().to_owned()),
            source: Some(profile_source(session, named)),
        },
        row("endpoint", Some(endpoint), &resolved.endpoint),
        row("api_key", key_value(&sources), &resolved.api_key),
        other(ProfileKey::Region, &resolved.region),
        other(ProfileKey::CaFile, &resolved.ca_file),
        other(ProfileKey::ClientCert, &resolved.client_cert),
        other(ProfileKey::ClientKey, &resolved.client_key),
    ])
}

fn key_value(sources: &SettingSources) -> Option<String> {
    (sources.api_key != SettingSource::Default).then(|| HIDDEN.to_owned())
}

fn profile_source(session: &Session, is_used: bool) -> String {
    let connection = &session.connection;
    match (connection.has_profile_flag(), is_used) {
        (true, _) => "from --profile".to_owned(),
        (false, true) if connection.environment.contains("profile") => {
            "from the environment".to_owned()
        }
        (false, true) => "by default".to_owned(),
        (false, false) => "not used".to_owned(),
    }
}

#[derive(Debug, Clone, Copy)]
struct SettableKey(ProfileKey);

#[derive(Debug, Args)]
pub(crate) struct SetArguments {
    /// Name of the setting
    #[arg(value_name = "NAME", value_parser = settable, add = ArgValueCompleter::new(complete_settable))]
    key: SettableKey,
    /// New value
    #[arg(value_name = "VALUE")]
    value: String,
}

/// Parses the name of a setting that a profile can have.
fn settable(text: &str) -> Result<SettableKey, String> {
    let name = setting_name(text)?;
    let key = ProfileKey::of_name(&name);
    key.map(SettableKey)
        .ok_or_else(|| "choose the profile with --profile or AGB_PROFILE".to_owned())
}

impl Run for SetArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let SettableKey(key) = self.key;
        let profile = session.connection.profile_name();
        let value = match key {
            ProfileKey::ApiKey => {
                let message = "an API key in an argument is visible to other users";
                return Err(Failure::usage(message).with_hint("run: agb login"));
            }
            ProfileKey::Endpoint => {
                let builder = agbcloud::Client::builder().endpoint(&self.value);
                builder.resolved_endpoint()?
            }
            ProfileKey::Region => self.value,
            ProfileKey::CaFile | ProfileKey::ClientCert | ProfileKey::ClientKey => {
                absolute(&self.value)?
            }
        };
        change(|file| file.set(profile, key, &value))?;
        print_changed(session, key.name().to_owned(), Some(value))
    }
}

#[derive(Debug, Args)]
pub(crate) struct UnsetArguments {
    /// Name of the setting, also one that is unknown
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete_settable))]
    key: String,
}

impl Run for UnsetArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let profile = session.connection.profile_name();
        let key = match settable(&self.key) {
            Ok(SettableKey(key)) => key.name().to_owned(),
            Err(_) => self.key.clone(),
        };
        let mut removed = false;
        change(|file| {
            removed = file.remove(profile, &key)?;
            Ok(())
        })?;
        if removed {
            return print_changed(session, key, None);
        }
        if let Err(message) = settable(&self.key) {
            return Err(Failure::usage(format!("{}: {message}", self.key)));
        }
        let message = format!("{key} is not set in the profile {profile:?}");
        Err(Failure::with_code(Code::NotFound, message))
    }
}

/// Completes the names of all settings.
fn complete_all(current: &OsStr) -> Vec<CompletionCandidate> {
    let start = current.to_string_lossy();
    let names = setting_names().filter(|name| name.starts_with(&*start));
    names.map(CompletionCandidate::new).collect()
}

/// Completes the names of the settings that a profile can have.
fn complete_settable(current: &OsStr) -> Vec<CompletionCandidate> {
    let start = current.to_string_lossy();
    let names = ProfileKey::ALL.iter().map(|key| key.name());
    let names = names.filter(|name| name.starts_with(&*start));
    names.map(CompletionCandidate::new).collect()
}

fn change(apply: impl FnOnce(&mut ConfigFile) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut file = ConfigFile::open(&connection::config_file()?)?;
    apply(&mut file)?;
    file.save()
}

fn print_changed(session: &Session, key: String, value: Option<String>) -> Result<(), Failure> {
    let profile = session.connection.profile_name();
    let message = match &value {
        Some(value) => format!("set {key} of the profile {profile} to {value}"),
        None => format!("removed {key} from the profile {profile}"),
    };
    let row = SettingRow {
        name: key.into(),
        source: value
            .is_some()
            .then(|| format!("from the profile {profile}")),
        value,
    };
    output::print_result(&session.output, &row, &message)
}

/// The absolute path of a file that exists. The profile is used in other folders too.
pub(super) fn absolute(path: &str) -> Result<String, Failure> {
    let absolute = Path::new(path).canonicalize();
    let absolute = absolute.map_err(|error| Failure {
        cause: Some(error.to_string()),
        ..Failure::usage(format!("can't read {path}"))
    })?;
    let text = absolute.into_os_string().into_string();
    text.map_err(|_| Failure::usage(format!("{path} is not UTF-8")))
}

#[derive(Debug, Args)]
pub(crate) struct ProfilesArguments {}

impl Run for ProfilesArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let path = connection::config_file()?;
        let profiles = Profiles::read(&path)?.unwrap_or_default();
        let rows: Vec<_> = profiles
            .iter()
            .map(|(name, profile)| ProfileRow {
                name: name.to_owned(),
                endpoint: profile.get(ProfileKey::Endpoint).map(str::to_owned),
                has_key: profile.get(ProfileKey::ApiKey).is_some(),
                is_current: name == session.connection.profile_name(),
            })
            .collect();
        if rows.is_empty() && session.output.mode() == OutputMode::Human {
            stderr::note("no profiles: create one with 'agb login'");
        }
        Rows::new(&session.output).print(&rows)?;
        match profiles.problems().first() {
            Some(problem) => Err(problem.failure(&path)),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PathArguments {}

impl Run for PathArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let path = connection::config_file()?;
        let row = PathRow {
            exists: path.exists(),
            path: path.display().to_string(),
        };
        match session.output.mode() {
            OutputMode::Json => output::print_result(&session.output, &row, ""),
            _ => output::print_line(row.path),
        }
    }
}
