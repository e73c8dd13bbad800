//! The sources of settings outside of code.

use std::{collections::HashMap, ffi::OsString, path::Path};

/// The source of a setting: see [`ClientBuilder::setting_sources`](crate::ClientBuilder::setting_sources).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SettingSource {
    /// A setter of the builder.
    Code,
    /// The process environment.
    Environment,
    /// The file `.env` in the working directory.
    Dotenv,
    /// A fallback setter of the builder.
    Fallback,
    /// No source: the default applies.
    Default,
}

impl SettingSource {
    /// Rank of trust, the most trusted first.
    fn rank(self) -> u8 {
        match self {
            Self::Default => 0,
            Self::Code => 1,
            Self::Environment => 2,
            Self::Fallback => 3,
            Self::Dotenv => 4,
        }
    }

    /// The source in messages.
    pub(crate) fn describe(self, variable: &str) -> String {
        match self {
            Self::Code => "code".to_owned(),
            Self::Environment => format!("the environment ({variable})"),
            Self::Dotenv => format!("the file .env ({variable})"),
            Self::Fallback => "the fallback (a profile)".to_owned(),
            Self::Default => "the default".to_owned(),
        }
    }
}

/// The sources of the settings of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingSources {
    /// The source of the endpoint.
    pub endpoint: SettingSource,
    /// The source of the API key; [`Default`](SettingSource::Default) if there is no key.
    pub api_key: SettingSource,
}

impl SettingSources {
    /// Whether the API key may be sent to the endpoint: the endpoint is from the same or a more trusted source. Otherwise
    /// [`build`](crate::ClientBuilder::build) fails. The order of trust is: default, code, environment, fallback, `.env`.
    ///
    /// ```
    /// let sources = agbcloud::Client::builder().api_key("k").endpoint("https://a.example").setting_sources();
    /// assert!(sources.trusts_endpoint());
    /// ```
    pub fn trusts_endpoint(&self) -> bool {
        self.api_key == SettingSource::Default || self.endpoint.rank() <= self.api_key.rank()
    }
}

/// The settings in the process environment and in a `.env` file. The file is not loaded into the environment.
#[derive(Default)]
pub(crate) struct Sources {
    process: HashMap<String, String>,
    dotenv: HashMap<String, String>,
    invalid_line: Option<usize>,
}

fn non_blank(values: &HashMap<String, String>, name: &str) -> Option<String> {
    let value = values.get(name)?;
    Some(value.clone()).filter(|value| !value.trim().is_empty())
}

const NAMES: [&str; 3] = ["AGB_API_KEY", "AGB_ENDPOINT", "AGB_TIMEOUT_MS"];

/// A replacement for dollar signs while a `.env` file is parsed. Otherwise dotenvy would substitute variables of the
/// environment, and the values would be sent to the endpoint that the file names. Keys can contain dollar signs too.
fn dollar_placeholder(text: &str) -> &'static str {
    let unused = |mark: &&&str| !text.contains(**mark);
    let marks = ["\u{e000}", "\u{e001}", "\u{e002}", "\u{e003}"];
    marks.iter().find(unused).unwrap_or(&"\u{f8ff}")
}

impl Sources {
    /// Reads the environment of this process and, if requested, the file `.env` in its working directory.
    pub(crate) fn of_process(dotenv: bool) -> Self {
        let mut sources = Self::default();
        sources.read_process(|name| std::env::var_os(name));
        if dotenv && let Ok(text) = std::fs::read(Path::new(".env")) {
            sources.read_dotenv(&String::from_utf8_lossy(&text));
        }
        sources
    }

    /// The value of a setting in the environment or in `.env`, unless it is blank.
    pub(crate) fn find(&self, source: SettingSource, name: &str) -> Option<String> {
        match source {
            SettingSource::Environment => non_blank(&self.process, name),
            SettingSource::Dotenv => non_blank(&self.dotenv, name),
            _ => None,
        }
    }

    /// The value of a setting in the environment or, if it has none there, in `.env`.
    pub(crate) fn first(&self, name: &str) -> Option<String> {
        [SettingSource::Environment, SettingSource::Dotenv]
            .iter()
            .find_map(|source| self.find(*source, name))
    }

    /// Whether a setting has a value in this source.
    pub(crate) fn has(&self, source: SettingSource, name: &str) -> bool {
        self.find(source, name).is_some()
    }

    /// Number of the first line of `.env` that can't be parsed. Its text is never shown, since it can contain a key.
    pub(crate) fn invalid_line(&self) -> Option<usize> {
        self.invalid_line
    }

    /// A value that is not UTF-8 is kept, and rejected later as invalid. If it were skipped, the key would be sent to
    /// another endpoint than the intended one.
    fn read_process(&mut self, variable: impl Fn(&str) -> Option<OsString>) {
        for name in NAMES {
            if let Some(value) = variable(name) {
                let value = value.to_string_lossy().into_owned();
                self.process.insert(name.to_owned(), value);
            }
        }
    }

    fn read_dotenv(&mut self, text: &str) {
        let text = text.trim_start_matches('\u{feff}');
        let placeholder = dollar_placeholder(text);
        let inert = text.replace("\\$", placeholder).replace('$', placeholder);
        for pair in dotenvy::from_read_iter(inert.as_bytes()) {
            match pair {
                Ok((name, value)) => {
                    let value = value.replace(placeholder, "$");
                    self.dotenv.entry(name).or_insert(value);
                }
                Err(dotenvy::Error::LineParse(line, _)) => {
                    let number = inert
                        .lines()
                        .position(|candidate| line.contains(candidate.trim()));
                    self.invalid_line
                        .get_or_insert(number.map_or(1, |index| index + 1));
                }
                Err(_) => break,
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn of_texts(process: &[(&str, &str)], dotenv: &str) -> Self {
        let mut sources = Self::default();
        sources.read_process(|name| {
            let mut pairs = process.iter();
            let (_, value) = pairs.find(|(given, _)| *given == name)?;
            Some(OsString::from(value))
        });
        sources.read_dotenv(dotenv);
        sources
    }

    #[cfg(all(test, unix))]
    pub(crate) fn of_bytes(name: &str, value: &[u8]) -> Self {
        use std::os::unix::ffi::OsStringExt;
        let mut sources = Self::default();
        let value = OsString::from_vec(value.to_vec());
        sources.read_process(|requested| (requested == name).then(|| value.clone()));
        sources
    }
}
