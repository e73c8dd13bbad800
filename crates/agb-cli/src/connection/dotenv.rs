//! [`Dotenv`]: what is wrong in the file `.env`. The SDK reads the settings.

use std::{fs, io};

use agbcloud::{SettingSource, SettingSources};

use super::Connection;
use crate::{
    failure::Failure,
    nearest::{distance, nearest},
};

/// The settings that are read from `.env`.
const SETTINGS: [&str; 3] = ["AGB_API_KEY", "AGB_ENDPOINT", "AGB_TIMEOUT_MS"];

/// The settings that are read only from the environment.
const ENVIRONMENT_ONLY: [&str; 7] = [
    "AGB_PROFILE",
    "AGB_REGION",
    "AGB_CA_FILE",
    "AGB_CLIENT_CERT",
    "AGB_CLIENT_KEY",
    "AGB_NO_DOTENV",
    "AGB_ALLOW_INSECURE_URLS",
];

/// Names that other programs read from `.env`: an image of `agb serve`, and its store.
const OTHER_PROGRAMS: [&str; 20] = [
    "AGB_BLOBS",
    "AGB_CONFIG",
    "AGB_DATA_DIR",
    "AGB_DAV_PASSWORD",
    "AGB_DATABASE_PASSWORD",
    "AGB_DIRECT_DOWNLOADS",
    "AGB_DURABILITY",
    "AGB_KEYS",
    "AGB_LIMITS",
    "AGB_LISTEN",
    "AGB_LOG",
    "AGB_LOG_FORMAT",
    "AGB_METADATA",
    "AGB_METRICS_LISTEN",
    "AGB_PUBLIC_URL",
    "AGB_QUARANTINE_DAYS",
    "AGB_STORE_KEY_ID",
    "AGB_STORE_SECRET",
    "AGB_TLS_CERT",
    "AGB_TLS_KEY",
];

/// Replaces dollar signs, so that no variable is substituted.
const PLACEHOLDER: &str = "\u{e000}";

/// The file `.env` in the working directory.
pub(crate) struct Dotenv {
    settings: u64,
    problems: Vec<DotenvProblem>,
}

/// A line that has no effect. It does not contain the value, which can be a key.
pub(crate) struct DotenvProblem {
    line: usize,
    message: String,
    hint: String,
    effect: Effect,
}

/// What a line without effect can mean for the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It was intended for no setting of this file.
    None,
    /// An unknown name, which may be intended for the endpoint.
    MayHideEndpoint,
    /// It was probably intended for a setting of this file.
    HidesSetting,
}

impl DotenvProblem {
    /// Whether the key could go to another service than the file means.
    fn prevents(&self, sources: &SettingSources) -> bool {
        let is_of_file = |source| matches!(source, SettingSource::Dotenv | SettingSource::Default);
        match self.effect {
            Effect::None => false,
            Effect::MayHideEndpoint => sources.endpoint == SettingSource::Default,
            Effect::HidesSetting => is_of_file(sources.endpoint) || is_of_file(sources.api_key),
        }
    }

    pub(crate) fn failure(&self) -> Failure {
        let message = format!(".env, line {}: {}", self.line, self.message);
        Failure::usage(message).with_hint(&self.hint)
    }
}

impl Dotenv {
    /// Reads the file. `None` if it does not exist.
    pub(crate) fn read() -> io::Result<Option<Self>> {
        match fs::read(".env") {
            Ok(bytes) => Ok(Some(Self::parse(&String::from_utf8_lossy(&bytes)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn parse(text: &str) -> Self {
        let text = text
            .trim_start_matches('\u{feff}')
            .replace('$', PLACEHOLDER);
        let mut dotenv = Self {
            settings: 0,
            problems: Vec::new(),
        };
        for pair in dotenvy::from_read_iter(text.as_bytes()) {
            match pair {
                Ok((name, _)) if SETTINGS.contains(&name.as_str()) => dotenv.settings += 1,
                Ok((name, _)) => dotenv.check_name(&text, &name),
                Err(dotenvy::Error::LineParse(line, _)) => dotenv.malformed(&text, &line),
                Err(_) => break,
            }
        }
        dotenv
    }

    pub(crate) fn settings(&self) -> u64 {
        self.settings
    }

    pub(crate) fn problems(&self) -> &[DotenvProblem] {
        &self.problems
    }

    /// Names of other programs are no problem.
    fn check_name(&mut self, text: &str, name: &str) {
        if !is_ours(name) || OTHER_PROGRAMS.contains(&name) {
            return;
        }
        let (message, hint, effect) =
            match nearest(name, SETTINGS.into_iter().chain(ENVIRONMENT_ONLY)) {
                Some(known) if ENVIRONMENT_ONLY.contains(&name) => (
                    format!("{known} is not read from .env"),
                    "set it in the environment, or use a profile".to_owned(),
                    Effect::None,
                ),
                Some(known) => (
                    format!("unknown setting {name}"),
                    format!("did you mean {known}?"),
                    Effect::HidesSetting,
                ),
                None => (
                    format!("unknown setting {name}"),
                    format!("use one of these: {}", SETTINGS.join(", ")),
                    Effect::MayHideEndpoint,
                ),
            };
        let line = text.lines().position(|line| defines(line, name));
        self.add(line, message, hint, effect);
    }

    fn malformed(&mut self, text: &str, malformed: &str) {
        let is_part = |line: &str| !line.trim().is_empty() && malformed.contains(line.trim());
        let line = text.lines().position(is_part);
        let name = first_name(malformed);
        // An open quote swallows the lines after it.
        let effect = match malformed.lines().any(|line| is_ours(first_name(line))) {
            true => Effect::HidesSetting,
            false => Effect::None,
        };
        let message = match name.is_empty() {
            true => "not a setting".to_owned(),
            false => format!("{name} is not a valid setting"),
        };
        let name = nearest(name, SETTINGS).unwrap_or("NAME");
        let hint = format!("write {name}=value, or {name}='value with spaces'");
        self.add(line, message, hint, effect);
    }

    fn add(&mut self, index: Option<usize>, message: String, hint: String, effect: Effect) {
        self.problems.push(DotenvProblem {
            line: index.map_or(1, |index| index + 1),
            message,
            hint,
            effect,
        });
    }
}

/// The name at the start of a line.
fn first_name(line: &str) -> &str {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let end = line.find(|char| !is_name(char)).unwrap_or(line.len());
    &line[..end]
}

/// Whether a name was probably intended for this program. Other names differ more: `APP_API_KEY` is one of another program.
fn is_ours(name: &str) -> bool {
    let is_near = |known: &&str| distance(name, known).is_some_and(|distance| distance <= 1);
    name.to_uppercase().starts_with("AGB") || SETTINGS.iter().any(is_near)
}

impl Connection {
    /// The first line of `.env` that has no effect.
    pub(crate) fn dotenv_problem(&self) -> Option<Failure> {
        let dotenv = self.dotenv()?;
        dotenv.problems.first().map(DotenvProblem::failure)
    }

    /// Fails if the key could go to another service than `.env` means.
    pub(super) fn check_dotenv(&self, sources: &SettingSources) -> Result<(), Failure> {
        let Some(dotenv) = self.dotenv() else {
            return Ok(());
        };
        let mut problems = dotenv.problems.iter();
        let Some(problem) = problems.find(|problem| problem.prevents(sources)) else {
            return Ok(());
        };
        let failure = problem.failure();
        let message = format!("{failure}: no API key is sent");
        Err(Failure::usage(message)
            .with_hint(format!("{}; --no-dotenv ignores the file", problem.hint)))
    }

    /// A file that can't be read has no settings.
    fn dotenv(&self) -> Option<Dotenv> {
        match self.reads_dotenv() {
            true => Dotenv::read().ok()?,
            false => None,
        }
    }
}

/// Whether a line sets a variable.
fn defines(line: &str, name: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    line.strip_prefix(name)
        .is_some_and(|rest| rest.trim_start().starts_with('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_effect_are_problems() {
        let text = "# comment\n\nAGB_ENDPOINT=http://a$b\nAGB_APIKEY=secret\nOTHER=1\nexport AGB_REGION=x\nAGB_API_KEY my secret\nAGB_TIMEOUT_MS='1\n";
        let dotenv = Dotenv::parse(text);
        assert_eq!(dotenv.settings(), 1);
        let shown: Vec<_> = dotenv
            .problems()
            .iter()
            .map(|problem| {
                let failure = problem.failure();
                format!("{failure}; {}", failure.hint.as_deref().unwrap())
            })
            .collect();
        assert_eq!(
            shown[..3],
            [
                ".env, line 4: unknown setting AGB_APIKEY; did you mean AGB_API_KEY?",
                ".env, line 6: AGB_REGION is not read from .env; set it in the environment, or use a profile",
                ".env, line 7: AGB_API_KEY is not a valid setting; write AGB_API_KEY=value, or AGB_API_KEY='value with spaces'",
            ]
        );
        assert!(!shown.concat().contains("secret"));
    }

    #[test]
    fn a_line_prevents_calls_only_if_it_may_hide_a_setting() {
        let sources = |endpoint, api_key| {
            let mut sources = agbcloud::Client::builder().setting_sources();
            (sources.endpoint, sources.api_key) = (endpoint, api_key);
            sources
        };
        let of_file = sources(SettingSource::Dotenv, SettingSource::Dotenv);
        let default = sources(SettingSource::Default, SettingSource::Dotenv);
        let others = sources(SettingSource::Environment, SettingSource::Fallback);
        for (text, expected) in [
            ("AGB_ENDPOIN=http://a", [true, true, false]),
            ("ABG_ENDPOINT=http://a", [true, true, false]),
            ("agb_endpoint=http://a", [true, true, false]),
            ("AGB_API_KEY a", [true, true, false]),
            (
                "AGB_ENDPOINT=\"http://a\nAGB_API_KEY=k",
                [true, true, false],
            ),
            ("OTHER=\"a\nAGB_API_KEY=k", [true, true, false]),
            ("AGB_URL=http://a", [false, true, false]),
            ("AGB_REGION=r", [false; 3]),
            ("AGB_LISTEN=127.0.0.1:80", [false; 3]),
            ("APP_ENDPOINT=http://a\nAPP_API_KEY=k", [false; 3]),
            ("OTHER=\"a", [false; 3]),
        ] {
            let dotenv = Dotenv::parse(text);
            let prevents = |sources: &SettingSources| {
                let mut problems = dotenv.problems.iter();
                problems.any(|problem| problem.prevents(sources))
            };
            let found = [&of_file, &default, &others].map(prevents);
            assert_eq!(found, expected, "{text}");
        }
        for text in ["AGB_LISTEN=127.0.0.1:80", "APP_API_KEY=k", "A=1"] {
            assert!(Dotenv::parse(text).problems().is_empty(), "{text}");
        }
    }
}
