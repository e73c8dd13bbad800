//! Git repositories: the locations of their ignore rules, and their settings.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Name of the folder of a repository, or of a file in a submodule.
pub(super) const GIT: &str = ".git";

/// Maximum depth of included settings files, as in git.
const MAX_INCLUDES: usize = 10;

/// The locations of settings outside of a repository.
#[derive(Debug, Clone, Default)]
pub(super) struct GitEnvironment {
    pub(super) home: Option<PathBuf>,
    pub(super) config_home: Option<PathBuf>,
    pub(super) system: Option<PathBuf>,
    pub(super) global: Option<PathBuf>,
}

impl GitEnvironment {
    pub(super) fn of_process() -> Self {
        let path = |name: &str| {
            let value = std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
            value.map(PathBuf::from)
        };
        let system = || path("GIT_CONFIG_SYSTEM").unwrap_or_else(|| "/etc/gitconfig".into());
        Self {
            home: path("HOME").or_else(|| path("USERPROFILE")),
            config_home: path("XDG_CONFIG_HOME"),
            system: path("GIT_CONFIG_NOSYSTEM").is_none().then(system),
            global: path("GIT_CONFIG_GLOBAL"),
        }
    }

    /// Returns the folder `git` in the configuration folder of the user.
    fn config_folder(&self) -> Option<PathBuf> {
        let home = self.home.as_ref().map(|home| home.join(".config"));
        Some(self.config_home.clone().or(home)?.join("git"))
    }

    /// Returns the settings files in ascending precedence.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.system.iter().cloned().collect();
        match &self.global {
            Some(global) => files.push(global.clone()),
            None => {
                files.extend(self.config_folder().map(|folder| folder.join("config")));
                files.extend(self.home.as_ref().map(|home| home.join(".gitconfig")));
            }
        }
        files
    }
}

/// A repository, as far as ignore rules are concerned.
#[derive(Debug)]
pub(super) struct GitRepository {
    /// The folder that all worktrees share.
    common: PathBuf,
    own: PathBuf,
}

impl GitRepository {
    /// Returns the repository of a worktree; `None` if it has neither a `.git` folder nor a file that names one. Blocks.
    pub(super) fn of(worktree: &Path) -> Option<Self> {
        let place = worktree.join(GIT);
        let metadata = place.metadata().ok()?;
        let own = match metadata.is_file() {
            true => {
                let text = std::fs::read_to_string(&place).ok()?;
                worktree.join(text.strip_prefix("gitdir:")?.trim())
            }
            false => place,
        };
        let shared = std::fs::read_to_string(own.join("commondir"));
        let common = shared.map_or_else(|_| own.clone(), |shared| own.join(shared.trim()));
        Some(Self { common, own })
    }

    /// Whether git recognizes the repository. Blocks.
    fn is_valid(&self) -> bool {
        self.own.join("HEAD").symlink_metadata().is_ok() && self.common.join("objects").is_dir()
    }

    /// Returns the path of the exclude file.
    pub(super) fn exclude(&self) -> PathBuf {
        self.common.join("info/exclude")
    }
}

/// Returns the root of the worktree that contains a folder. Blocks.
pub(super) fn worktree_of(folder: &Path) -> Option<&Path> {
    let is_worktree =
        |folder: &&Path| GitRepository::of(folder).is_some_and(|repository| repository.is_valid());
    folder.ancestors().find(is_worktree)
}

/// The settings that affect ignore rules.
#[derive(Debug, Default)]
pub(super) struct GitSettings {
    excludes_file: Option<String>,
    pub(super) ignore_case: bool,
}

impl GitSettings {
    /// Reads the settings of a repository, or those outside of any. Blocks.
    pub(super) fn read(environment: &GitEnvironment, repository: Option<&GitRepository>) -> Self {
        let mut settings = Self::default();
        let mut files = environment.files();
        if let Some(repository) = repository {
            files.push(repository.common.join("config"));
            files.push(repository.own.join("config.worktree"));
        }
        for file in files {
            settings.add(&file, environment, MAX_INCLUDES);
        }
        settings
    }

    /// Returns the path of the rules for all repositories.
    pub(super) fn global_excludes(
        &self,
        environment: &GitEnvironment,
        top: &Path,
    ) -> Option<PathBuf> {
        match &self.excludes_file {
            Some(file) if file.is_empty() => None,
            Some(file) => Some(top.join(expand_home(file, environment)?)),
            None => Some(environment.config_folder()?.join("ignore")),
        }
    }

    fn add(&mut self, file: &Path, environment: &GitEnvironment, includes: usize) {
        let Ok(text) = std::fs::read(file) else {
            return;
        };
        let text = String::from_utf8_lossy(&text);
        for (section, key, value) in parse_settings(&text) {
            match (section.as_str(), key.as_str()) {
                ("core", "excludesfile") => self.excludes_file = Some(value.unwrap_or_default()),
                ("core", "ignorecase") => {
                    let value = value.map(|value| value.to_ascii_lowercase());
                    let no = |value: &str| matches!(value, "false" | "no" | "off" | "0" | "");
                    self.ignore_case = !value.as_deref().is_some_and(no);
                }
                ("include", "path") if includes > 0 => {
                    let path = value.and_then(|value| expand_home(&value, environment));
                    let folder = file.parent().unwrap_or(Path::new(""));
                    if let Some(path) = path {
                        self.add(&folder.join(path), environment, includes - 1);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Expands a leading `~/`.
fn expand_home(path: &str, environment: &GitEnvironment) -> Option<PathBuf> {
    match path.strip_prefix("~/") {
        Some(rest) => Some(environment.home.as_ref()?.join(rest)),
        None => Some(path.into()),
    }
}

/// Parses a settings file into sections, keys and values, with sections and keys in lower case.
fn parse_settings(text: &str) -> Vec<(String, String, Option<String>)> {
    let mut entries = Vec::new();
    let mut section = String::new();
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    while let Some(line) = lines.next() {
        let mut line = line.trim_start();
        if let Some(head) = line.strip_prefix('[') {
            let Some((name, rest)) = head.split_once(']') else {
                continue;
            };
            section = name.trim().to_ascii_lowercase();
            line = rest.trim_start();
        }
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let Some((key, mut value)) = line.split_once('=') else {
            let key = line.split(['#', ';']).next().unwrap_or_default().trim();
            entries.push((section.clone(), key.to_ascii_lowercase(), None));
            continue;
        };
        let mut whole = String::new();
        let mut quoted = false;
        while append_line(value, &mut whole, &mut quoted) {
            let Some(next) = lines.next() else {
                break;
            };
            value = next;
        }
        let key = key.trim().to_ascii_lowercase();
        entries.push((section.clone(), key, Some(whole.trim().to_owned())));
    }
    entries
}

/// Appends a line to a value. Returns whether the value continues on the next line.
fn append_line(line: &str, value: &mut String, quoted: &mut bool) -> bool {
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => *quoted = !*quoted,
            '#' | ';' if !*quoted => return false,
            '\\' => match characters.next() {
                None => return true,
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('b') => drop(value.pop()),
                Some(other) => value.push(other),
            },
            other => value.push(other),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_parsed_as_git_writes_them() {
        let text = "\u{feff}[core]\n\tignoreCase\n  excludesFile = \"~/my # file\" ; comment\n# x = y\n\
            [remote \"a=b\"] url = x\\\n  y\n[CORE] Bare=false\n";
        let entry = |section: &str, key: &str, value: Option<&str>| {
            (section.to_owned(), key.to_owned(), value.map(str::to_owned))
        };
        assert_eq!(
            parse_settings(text),
            [
                entry("core", "ignorecase", None),
                entry("core", "excludesfile", Some("~/my # file")),
                entry("remote \"a=b\"", "url", Some("x  y")),
                entry("core", "bare", Some("false")),
            ]
        );
    }
}
