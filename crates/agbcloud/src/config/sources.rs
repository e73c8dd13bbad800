//! Where a setting can stand outside of code.

use std::{collections::HashMap, ffi::OsString, path::Path};

use super::SettingSource;

/// The process environment and what a `.env` file says, which is never written into the environment.
#[derive(Default)]
pub(super) struct Sources {
    process: HashMap<String, String>,
    dotenv: HashMap<String, String>,
    damaged_line: Option<usize>,
}

fn filled(values: &HashMap<String, String>, name: &str) -> Option<String> {
    let value = values.get(name)?;
    Some(value.clone()).filter(|value| !value.trim().is_empty())
}

const NAMES: [&str; 3] = ["AGB_API_KEY", "AGB_ENDPOINT", "AGB_TIMEOUT_MS"];

/// What stands for a dollar sign while a file is read: with one, dotenvy would put other variables of the environment
/// into the value, and so into a request to whatever endpoint the file names. A key can have one too.
fn stand_in(text: &str) -> &'static str {
    let unused = |mark: &&&str| !text.contains(**mark);
    let marks = ["\u{e000}", "\u{e001}", "\u{e002}", "\u{e003}"];
    marks.iter().find(unused).unwrap_or(&"\u{f8ff}")
}

impl Sources {
    /// This process's environment, and `.env` in its working directory if that is to be read and there is one.
    pub(super) fn of_process(dotenv: bool) -> Self {
        let mut sources = Self::default();
        sources.read_process(|name| std::env::var_os(name));
        if dotenv && let Ok(text) = std::fs::read(Path::new(".env")) {
            sources.read_dotenv(&String::from_utf8_lossy(&text));
        }
        sources
    }

    /// The filled value of a setting in the environment or in `.env`.
    pub(super) fn find(&self, origin: SettingSource, name: &str) -> Option<String> {
        match origin {
            SettingSource::Environment => filled(&self.process, name),
            SettingSource::Dotenv => filled(&self.dotenv, name),
            _ => None,
        }
    }

    /// The value of the first of both that has one.
    pub(super) fn first(&self, name: &str) -> Option<String> {
        let setting_sources = [SettingSource::Environment, SettingSource::Dotenv];
        setting_sources
            .iter()
            .find_map(|origin| self.find(*origin, name))
    }

    /// Whether a setting has a value there.
    pub(super) fn has(&self, origin: SettingSource, name: &str) -> bool {
        self.find(origin, name).is_some()
    }

    /// Number of the first line of `.env` that is no setting. Its text is not told: a key could be in it.
    pub(super) fn damaged_line(&self) -> Option<usize> {
        self.damaged_line
    }

    /// What is no UTF-8 is a value all the same, and refused as one that can't be used: to pass over it would be to send
    /// the key to another endpoint than the one that was meant.
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
        let dollar = stand_in(text);
        let inert = text.replace("\\$", dollar).replace('$', dollar);
        for pair in dotenvy::from_read_iter(inert.as_bytes()) {
            match pair {
                Ok((name, value)) => {
                    let value = value.replace(dollar, "$");
                    self.dotenv.entry(name).or_insert(value);
                }
                Err(dotenvy::Error::LineParse(line, _)) => {
                    let number = inert
                        .lines()
                        .position(|candidate| line.contains(candidate.trim()));
                    self.damaged_line
                        .get_or_insert(number.map_or(1, |index| index + 1));
                }
                Err(_) => break,
            }
        }
    }

    #[cfg(test)]
    pub(super) fn given(process: &[(&str, &str)], dotenv: &str) -> Self {
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
    pub(super) fn of_bytes(name: &str, value: &[u8]) -> Self {
        use std::os::unix::ffi::OsStringExt;
        let mut sources = Self::default();
        let value = OsString::from_vec(value.to_vec());
        sources.read_process(|asked| (asked == name).then(|| value.clone()));
        sources
    }
}
