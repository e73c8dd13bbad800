//! [`Dotenv`]: what is wrong in the file `.env`, for `agb doctor`. The SDK reads the settings.

use std::{fs, io};

use crate::{failure::Failure, nearest::nearest};

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
}

impl DotenvProblem {
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
        if !name.to_uppercase().starts_with("AGB") {
            return;
        }
        let (message, hint) = match nearest(name, SETTINGS.into_iter().chain(ENVIRONMENT_ONLY)) {
            Some(known) if ENVIRONMENT_ONLY.contains(&name) => (
                format!("{known} is not read from .env"),
                "set it in the environment, or use a profile".to_owned(),
            ),
            Some(known) => (
                format!("unknown setting {name}"),
                format!("did you mean {known}?"),
            ),
            None => (
                format!("unknown setting {name}"),
                format!("use one of these: {}", SETTINGS.join(", ")),
            ),
        };
        let line = text.lines().position(|line| defines(line, name));
        self.add(line, message, hint);
    }

    fn malformed(&mut self, text: &str, malformed: &str) {
        let is_part = |line: &str| !line.trim().is_empty() && malformed.contains(line.trim());
        let line = text.lines().position(is_part);
        let words = malformed.trim().trim_start_matches("export ").trim_start();
        let name: String = words
            .chars()
            .take_while(|char| char.is_ascii_alphanumeric() || *char == '_')
            .collect();
        let message = match name.is_empty() {
            true => "not a setting".to_owned(),
            false => format!("{name} is not a valid setting"),
        };
        let name = nearest(&name, SETTINGS).unwrap_or("NAME");
        self.add(
            line,
            message,
            format!("write {name}=value, or {name}='value with spaces'"),
        );
    }

    fn add(&mut self, index: Option<usize>, message: String, hint: String) {
        self.problems.push(DotenvProblem {
            line: index.map_or(1, |index| index + 1),
            message,
            hint,
        });
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
}
