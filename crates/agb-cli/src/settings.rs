//! Where the service is and by which key it is called: flags, then the environment, then `.env`, then a profile.

use std::{
    collections::BTreeMap,
    io::{BufRead, Read},
    ops::Deref,
    path::{Path, PathBuf},
    time::Duration,
};

use agbcloud::{Agb, AgbBuilder, LookupByName, RetryPolicy};
use clap::Args;
use etcetera::{BaseStrategy, choose_base_strategy};
use serde::Deserialize;

use crate::exit::{Code, Failure};

/// Which service, and how it is shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct Connection {
    /// Service to use; else AGB_ENDPOINT, from the environment or .env, or that of the profile
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Profile to take the endpoint and the key from where nothing else says them
    #[arg(long, value_name = "NAME", env = "AGB_PROFILE")]
    profile: Option<String>,
    /// Region in which names of contexts are looked up; an id needs none
    #[arg(long, value_name = "REGION", env = "AGB_REGION")]
    region: Option<String>,
    /// Read the API key from the first line of stdin
    #[arg(long)]
    pub(crate) api_key_stdin: bool,
    /// Give up a call after so many seconds, retries included; 180 if not said. One try gets AGB_TIMEOUT_MS milliseconds, or 60000. Transfers have no limit while bytes move
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) call_timeout: Option<Duration>,
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

/// The service, and the region in which it is asked for names.
pub(crate) struct Service {
    agb: Agb,
    region: Option<String>,
}

impl Service {
    /// The context of this name.
    pub(crate) fn named(&self, name: &str) -> LookupByName {
        self.in_region(self.agb.contexts().get_by_name(name))
    }

    /// The context of this name, made if there is none.
    pub(crate) fn made(&self, name: &str) -> LookupByName {
        self.in_region(self.agb.contexts().get_or_create(name))
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
    type Target = Agb;

    fn deref(&self) -> &Agb {
        &self.agb
    }
}

impl Connection {
    pub(crate) fn connect(&self) -> Result<Service, Failure> {
        Ok(self.service(self.builder()?.build()?))
    }

    /// A service by a client of its own.
    pub(crate) fn service(&self, agb: Agb) -> Service {
        Service {
            agb,
            region: said(&self.region).map(str::to_owned),
        }
    }

    /// The profile that is looked for.
    pub(crate) fn profile_name(&self) -> &str {
        said(&self.profile).unwrap_or(DEFAULT_PROFILE)
    }

    pub(crate) fn builder(&self) -> Result<AgbBuilder, Failure> {
        let mut builder = Agb::builder();
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint(endpoint);
        }
        if let Some(timeout) = self.call_timeout {
            builder = builder.retry(RetryPolicy::default().deadline(timeout));
        }
        if self.api_key_stdin {
            builder = builder.api_key(key_of_stdin()?);
        }
        let profile = self.settled_profile()?;
        if let Some(endpoint) = profile.endpoint {
            builder = builder.fallback_endpoint(endpoint);
        }
        if let Some(key) = profile.api_key {
            builder = builder.fallback_api_key(key);
        }
        Ok(builder)
    }

    /// The profile, empty where none was asked for and there is none.
    fn settled_profile(&self) -> Result<Profile, Failure> {
        let path = config_file()?;
        let name = said(&self.profile);
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
