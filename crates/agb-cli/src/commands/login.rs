//! `agb login` and `agb logout`: the API key in a profile.

use std::io::{self, IsTerminal, Write};

use agbcloud::{Client, ErrorKind};
use clap::Args;

use super::{
    config::absolute,
    session::{Run, Session},
};
use crate::{
    connection::{self, ConfigFile, ProfileKey, Profiles},
    failure::{Code, Failure},
    output::{self, escape, setting_records::LoginResult},
    signals::unless_interrupted,
    stderr,
};

#[derive(Debug, Args)]
pub(crate) struct LoginArguments {}

impl Run for LoginArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let connection = &session.connection;
        let path = connection::config_file()?;
        let profile = connection.profile_name();
        check_profile_name(profile)?;
        // An invalid file must fail before anyone types a key.
        drop(ConfigFile::open(&path)?);
        let prompts = !connection.api_key_stdin && io::stdin().is_terminal();
        let of_profile = existing_endpoint(&path, profile)?;
        let endpoint = connection.login_endpoint(of_profile.as_deref(), prompts)?;
        // Validates the endpoint and the certificates before anyone types a key.
        let with_key = |key: &str| -> Result<Client, Failure> {
            let resolved = connection.for_login(&endpoint, key)?;
            resolved.check_proxy()?;
            Ok(resolved.builder.build()?)
        };
        let endpoint = with_key("none")?.endpoint().to_owned();
        let key = match prompts {
            false => connection::key_from_stdin()?,
            true => {
                let prompt = format!("API key for {endpoint}: ");
                let hint = "nothing was changed";
                unless_interrupted(prompt_for_key(prompt), hint).await?
            }
        };
        let client = with_key(&key)?;
        check_key(&client, session).await?;
        let mut file = ConfigFile::open(&path)?;
        file.set(profile, ProfileKey::Endpoint, &endpoint)?;
        file.set(profile, ProfileKey::ApiKey, key.trim())?;
        for (key, value) in connection.certificate_flags() {
            file.set(profile, key, &absolute(value)?)?;
        }
        if let Some(region) = connection.region_flag() {
            file.set(profile, ProfileKey::Region, region)?;
        }
        file.save()?;
        print(session, "logged in to", "logged in", Some(endpoint.clone()))?;
        warn_about_variables(session, &endpoint);
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(crate) struct LogoutArguments {}

impl Run for LogoutArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let profile = session.connection.profile_name();
        let path = connection::config_file()?;
        let mut file = ConfigFile::open(&path)?;
        if !file.remove(profile, ProfileKey::ApiKey.name())? {
            let message = format!(
                "no API key in the profile {profile:?} of {}",
                path.display()
            );
            return Err(Failure::with_code(Code::NotFound, message)
                .with_hint("list the profiles with 'agb config profiles'"));
        }
        file.save()?;
        print(session, "removed the API key from", "logged out", None)?;
        if is_set("AGB_API_KEY") && !session.output.is_quiet() {
            stderr::note("warning: commands still use AGB_API_KEY in the environment: unset it");
        }
        Ok(())
    }
}

fn print(
    session: &Session,
    action: &str,
    result: &'static str,
    endpoint: Option<String>,
) -> Result<(), Failure> {
    let path = connection::config_file()?.display().to_string();
    let profile = session.connection.profile_name().to_owned();
    let place = format!("the profile {profile} in {path}");
    let message = match &endpoint {
        Some(endpoint) => format!("{action} {endpoint}: the key is in {place}"),
        None => format!("{action} {place}"),
    };
    let result = LoginResult {
        result,
        profile,
        endpoint,
        path,
    };
    output::print_result(&session.output, &result, &message)
}

/// The environment takes precedence over a profile that no flag names.
fn warn_about_variables(session: &Session, endpoint: &str) {
    let other_endpoint = is_set("AGB_ENDPOINT") && {
        let builder = Client::builder().dotenv(false);
        builder.resolved_endpoint().ok().as_deref() != Some(endpoint)
    };
    let variables: Vec<_> = [
        ("AGB_API_KEY", is_set("AGB_API_KEY")),
        ("AGB_ENDPOINT", other_endpoint),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect();
    let (verb, them) = match variables.len() {
        0 => return,
        1 => ("takes", "it"),
        _ => ("take", "them"),
    };
    if session.output.is_quiet() {
        return;
    }
    stderr::note(format_args!(
        "warning: {} in the environment {verb} precedence: unset {them}, or pass --profile {}",
        variables.join(" and "),
        session.connection.profile_name()
    ));
}

/// Whether a variable of the environment has a value.
fn is_set(name: &str) -> bool {
    let value = std::env::var_os(name);
    value.is_some_and(|value| !value.to_string_lossy().trim().is_empty())
}

/// The endpoint of a profile that exists.
fn existing_endpoint(path: &std::path::Path, profile: &str) -> Result<Option<String>, Failure> {
    // The new file gets the right mode.
    let profiles = Profiles::read_exposed(path)?;
    let profiles = profiles.unwrap_or_default();
    let endpoint = profiles
        .get(profile)
        .and_then(|profile| profile.get(ProfileKey::Endpoint));
    Ok(endpoint.map(str::to_owned))
}

fn check_profile_name(name: &str) -> Result<(), Failure> {
    match name.trim() {
        "" => Err(Failure::usage("the name of the profile is empty")
            .with_hint("omit --profile for the profile \"default\"")),
        _ => Ok(()),
    }
}

/// Reads a line from the terminal without echo. The thread that reads may outlive an interrupt.
async fn prompt_for_key(prompt: String) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::with_cause("can't read the API key", error);
    let terminal = console::Term::stderr();
    if !terminal.is_term() {
        let failure = Failure::usage("can't ask for the API key: stderr is not a terminal");
        return Err(failure.with_hint("write the key to stdin"));
    }
    let _echo = Echo::new();
    let (done, is_done) = tokio::sync::oneshot::channel();
    let asked = write!(io::stderr(), "{}", escape(&prompt)).and_then(|()| io::stderr().flush());
    asked.map_err(failed)?;
    std::thread::spawn(move || {
        let _ = done.send(terminal.read_secure_line());
    });
    let line = is_done
        .await
        .map_err(|error| failed(io::Error::other(error)))?;
    match line.map_err(failed)?.trim() {
        "" => Err(Failure::usage("no API key: nothing was changed")),
        key => Ok(key.to_owned()),
    }
}

/// Restores the echo of the terminal when an interrupt ends the prompt.
struct Echo {
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

impl Echo {
    #[cfg(unix)]
    fn new() -> Self {
        let before = rustix::termios::tcgetattr(io::stdin()).ok();
        Self { before }
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self {}
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(before) = &self.before {
            use rustix::termios::{OptionalActions, tcsetattr};

            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Fails unless the service accepts the key.
async fn check_key(client: &Client, session: &Session) -> Result<(), Failure> {
    let Err(error) = client.contexts().list().page_size(1).send().await else {
        return Ok(());
    };
    let failure = Failure::in_action(&error, "log in");
    Err(match error.kind() {
        ErrorKind::Unauthorized => failure.with_hint(format!(
            "check the key and the endpoint {}: nothing was changed",
            client.endpoint()
        )),
        _ if failure.hint.is_some() || session.connection.endpoint.is_some() => failure,
        _ => failure.with_hint("pass --endpoint for another service"),
    })
}
