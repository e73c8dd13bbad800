//! [`Profiles`]: the profiles in the config file.

use std::{collections::BTreeMap, io, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    failure::{Code, Failure},
    nearest::nearest,
    output::quote,
};

/// One table of the config file: a service, and how to reach it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Profile {
    values: BTreeMap<ProfileKey, String>,
}

/// A setting that a profile can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ProfileKey {
    Endpoint,
    ApiKey,
    Region,
    CaFile,
    ClientCert,
    ClientKey,
}

impl ProfileKey {
    pub(crate) const ALL: [Self; 6] = [
        Self::Endpoint,
        Self::ApiKey,
        Self::Region,
        Self::CaFile,
        Self::ClientCert,
        Self::ClientKey,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::ApiKey => "api_key",
            Self::Region => "region",
            Self::CaFile => "ca_file",
            Self::ClientCert => "client_cert",
            Self::ClientKey => "client_key",
        }
    }

    /// The key with this name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// The key whose name is nearest to a wrong one.
    pub(crate) fn nearest(name: &str) -> Option<Self> {
        let nearest = nearest(name, Self::ALL.iter().map(|key| key.name()))?;
        Self::of_name(nearest)
    }
}

impl Profile {
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of a setting. An empty one counts as not set.
    pub(crate) fn get(&self, key: ProfileKey) -> Option<&str> {
        let value = self.values.get(&key).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }
}

/// The profiles in the config file, and what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    profiles: BTreeMap<String, Profile>,
    problems: Vec<Problem>,
}

/// A line of the config file that is not valid. It does not contain the value, which can be a key.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The profile, unless the line is outside of a table.
    profile: Option<String>,
    line: usize,
    message: String,
    hint: String,
}

impl Problem {
    /// Whether the profile can't be used. A setting outside of a profile is probably one of the default profile.
    pub(crate) fn affects(&self, profile: &str) -> bool {
        self.profile.as_deref().unwrap_or(super::DEFAULT_PROFILE) == profile
    }

    pub(crate) fn failure(&self, path: &Path) -> Failure {
        let message = format!("{}, line {}: {}", path.display(), self.line, self.message);
        Failure::usage(message).with_hint(&self.hint)
    }
}

const PROFILE_HINT: &str = "write a profile as a table: [default], then endpoint = \"https://…\" and api_key = \"…\" on lines of their own";

impl Profiles {
    /// Reads the config file. `None` if it does not exist. Fails if others can read it.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let profiles = Self::read_exposed(path)?;
        if profiles.is_some() {
            check_is_private(path)?;
        }
        Ok(profiles)
    }

    /// Reads the config file, also if others can read it. `None` if it does not exist.
    pub(crate) fn read_exposed(path: &Path) -> Result<Option<Self>, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let message = format!("can't read {}", path.display());
                return Err(Failure::with_cause(message, error));
            }
        };
        Self::parse(&text).map(Some).map_err(|line| {
            // The message of the parser may quote a key.
            let message = format!("{}, line {line}: not valid TOML", path.display());
            Failure::usage(message).with_hint(PROFILE_HINT)
        })
    }

    /// Parses the text. Fails with the number of the line that is not TOML.
    fn parse(text: &str) -> Result<Self, usize> {
        let line = |at: usize| line_of(text, at);
        let table = DeTable::parse(text)
            .map_err(|error| line(error.span().map_or(text.len(), |span| span.start)))?;
        let mut profiles = Self::default();
        for (name, value) in table.get_ref() {
            let at = line(name.span().start);
            match value.get_ref() {
                DeValue::Table(settings) => profiles.add(name.get_ref(), settings, &line),
                _ => profiles.problems.push(Problem {
                    profile: None,
                    line: at,
                    message: format!("{:?} is not in a profile", name.get_ref()),
                    hint: PROFILE_HINT.to_owned(),
                }),
            }
        }
        profiles.problems.sort_by_key(|problem| problem.line);
        Ok(profiles)
    }

    fn add(&mut self, name: &str, settings: &DeTable<'_>, line: &impl Fn(usize) -> usize) {
        let mut profile = Profile::default();
        for (key, value) in settings {
            match setting(key.get_ref(), value) {
                Ok((key, value)) => {
                    profile.values.insert(key, value);
                }
                Err((message, hint)) => self.problems.push(Problem {
                    profile: Some(name.to_owned()),
                    line: line(key.span().start),
                    message: format!("{message} in the profile {name:?}"),
                    hint,
                }),
            }
        }
        self.profiles.insert(name.to_owned(), profile);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Profile)> {
        self.profiles.iter().map(|(name, of)| (name.as_str(), of))
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.profiles.keys().map(String::as_str).collect()
    }

    /// Everything that is wrong, in the order of the lines.
    pub(crate) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The first problem that affects a profile.
    pub(crate) fn problem_of(&self, name: &str) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.affects(name))
    }
}

/// A setting of a profile, or what is wrong with it and a hint.
fn setting(
    key: &str,
    value: &Spanned<DeValue<'_>>,
) -> Result<(ProfileKey, String), (String, String)> {
    let Some(known) = ProfileKey::of_name(key) else {
        let hint = match ProfileKey::nearest(key) {
            Some(nearest) => format!("did you mean {}?", nearest.name()),
            None => {
                let names = ProfileKey::ALL.map(ProfileKey::name);
                format!("use one of these: {}", names.join(", "))
            }
        };
        return Err((format!("unknown key {key:?}"), hint));
    };
    match value.get_ref() {
        DeValue::String(text) => Ok((known, text.to_string())),
        _ => Err((
            format!("{key} is not a string"),
            format!("write the value in quotes: {key} = \"…\""),
        )),
    }
}

/// The number of the line at this position, from 1.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    before.filter(|byte| **byte == b'\n').count() + 1
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
        .with_hint(format!("run: chmod 600 {}", quote(path.display()))))
}

#[cfg(not(unix))]
fn check_is_private(_: &Path) -> Result<(), Failure> {
    let _ = Code::NotAllowed;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_have_the_line_and_the_nearest_key() {
        let text = "endpoint = 'x'\n[default]\napi_key = 'secret'\nendpont = 'y'\n\n[other]\nregion = 3\nzzz = 1\n";
        let profiles = Profiles::parse(text).unwrap();
        let shown: Vec<_> = profiles
            .problems()
            .iter()
            .map(|problem| {
                let failure = problem.failure(Path::new("f"));
                format!("{failure}; {}", failure.hint.as_ref().unwrap())
            })
            .collect();
        assert!(shown[0].starts_with("f, line 1: \"endpoint\" is not in a profile"));
        assert_eq!(
            shown[1],
            "f, line 4: unknown key \"endpont\" in the profile \"default\"; did you mean endpoint?"
        );
        assert!(shown[2].starts_with("f, line 7: region is not a string in the profile \"other\""));
        assert!(shown[3].starts_with("f, line 8: unknown key \"zzz\""));
        assert!(shown[3].ends_with(
            "use one of these: endpoint, api_key, region, ca_file, client_cert, client_key"
        ));
        assert_eq!(profiles.problem_of("other").unwrap().line, 7);
        assert_eq!(profiles.problem_of("default").unwrap().line, 1);
        assert!(profiles.problem_of("third").is_none());
        let default = profiles.get("default").unwrap();
        assert_eq!(default.get(ProfileKey::ApiKey), Some("secret"));
        assert_eq!(Profiles::parse("[a]\nx = 'y\n").unwrap_err(), 2);
    }
}
