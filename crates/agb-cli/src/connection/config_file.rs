//! [`ConfigFile`]: changes of the config file, which keep its comments and other profiles.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use toml_edit::{DocumentMut, Item, Table, value};

use super::profiles::ProfileKey;
use crate::failure::Failure;

/// The config file while it is changed. Another process waits until the value is dropped.
pub(crate) struct ConfigFile {
    /// The file itself, where the path is a symbolic link.
    path: PathBuf,
    document: DocumentMut,
    _lock: Option<File>,
}

impl ConfigFile {
    /// Reads the file. A missing one is empty.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(failed("read", path, error)),
        };
        let folder = folder_of(&path);
        create_folder(folder).map_err(|error| failed("create", folder, error))?;
        let lock = lock(folder);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed("read", &path, error)),
        };
        let document = text.parse::<DocumentMut>().map_err(|error| {
            // The message of the parser may quote a key.
            let before = error.span().map_or("", |span| &text[..span.start]);
            let line = before.matches('\n').count() + 1;
            let message = format!("{}, line {line}: not valid TOML", path.display());
            Failure::usage(message).with_hint("correct the line: nothing was changed")
        })?;
        Ok(Self {
            path,
            document,
            _lock: lock,
        })
    }

    /// Sets a value of a profile, which is created if it does not exist.
    pub(crate) fn set(
        &mut self,
        profile: &str,
        key: ProfileKey,
        text: &str,
    ) -> Result<(), Failure> {
        let item = self.document.entry(profile);
        let item = item.or_insert_with(|| Item::Table(Table::new()));
        let Some(table) = item.as_table_like_mut() else {
            return Err(self.not_a_table(profile));
        };
        match table.get_mut(key.name()) {
            // Keeps a comment at the end of the line.
            Some(Item::Value(old)) => {
                let decor = old.decor().clone();
                *old = text.into();
                *old.decor_mut() = decor;
            }
            _ => {
                table.insert(key.name(), value(text));
            }
        }
        Ok(())
    }

    /// Removes a value of a profile, and the profile if it is empty then. Returns whether there was one.
    pub(crate) fn remove(&mut self, profile: &str, key: &str) -> Result<bool, Failure> {
        let Some(item) = self.document.get_mut(profile) else {
            return Ok(false);
        };
        let Some(table) = item.as_table_like_mut() else {
            return Err(self.not_a_table(profile));
        };
        let removed = table.remove(key).is_some();
        if removed && table.is_empty() {
            self.document.remove(profile);
        }
        Ok(removed)
    }

    fn not_a_table(&self, profile: &str) -> Failure {
        let message = format!("{profile:?} in {} is not a profile", self.path.display());
        Failure::usage(message).with_hint("correct the line, or choose another profile")
    }

    /// Replaces the file atomically. Only its owner can read the new one.
    pub(crate) fn save(self) -> Result<(), Failure> {
        let written = || -> io::Result<()> {
            let folder = folder_of(&self.path);
            // Created with mode 600.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(self.document.to_string().as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            sync_folder(folder)
        };
        written().map_err(|error| failed("write", &self.path, error))
    }
}

fn failed(action: &str, path: &Path, error: io::Error) -> Failure {
    Failure::with_cause(format!("can't {action} {}", path.display()), error)
}

fn folder_of(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

#[cfg(unix)]
fn create_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(not(unix))]
fn create_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Locks the folder, so that two changes at the same time do not undo each other. Not every system can lock folders.
fn lock(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    folder.lock().ok()?;
    Some(folder)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, change: impl FnOnce(&mut ConfigFile)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/config.toml");
        fs::create_dir(folder.path().join("new")).unwrap();
        fs::write(&path, text).unwrap();
        let mut file = ConfigFile::open(&path).unwrap();
        change(&mut file);
        file.save().unwrap();
        fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn a_change_keeps_comments_and_other_profiles() {
        let text = "# Mine.\n[default]\nendpoint = 'a' # main\nunknown = 1\n\n# Theirs.\n[other]\napi_key = \"k\"\n";
        let after = changed(text, |file| {
            file.set("default", ProfileKey::Endpoint, "b").unwrap();
            file.set("default", ProfileKey::ApiKey, "x\"y\n").unwrap();
            file.set("a b.c", ProfileKey::ApiKey, "z").unwrap();
        });
        let expected = "# Mine.\n[default]\nendpoint = \"b\" # main\nunknown = 1\napi_key = ";
        assert!(after.starts_with(expected), "{after}");
        assert!(
            after.contains("# Theirs.\n[other]\napi_key = \"k\"\n"),
            "{after}"
        );
        let read: toml::Table = after.parse().unwrap();
        assert_eq!(read["default"]["api_key"].as_str(), Some("x\"y\n"));
        assert_eq!(read["a b.c"]["api_key"].as_str(), Some("z"));
        let inline = changed("default = {endpoint = 'a'}\n", |file| {
            file.set("default", ProfileKey::ApiKey, "k").unwrap();
        });
        assert_eq!(inline, "default = {endpoint = 'a', api_key = \"k\" }\n");
    }

    #[test]
    fn an_empty_profile_is_removed() {
        let text = "[one]\napi_key = 'k'\n[two]\napi_key = 'k'\nendpoint = 'e'\n";
        let after = changed(text, |file| {
            assert!(file.remove("one", ProfileKey::ApiKey.name()).unwrap());
            assert!(file.remove("two", ProfileKey::ApiKey.name()).unwrap());
            assert!(!file.remove("two", ProfileKey::ApiKey.name()).unwrap());
            assert!(!file.remove("none", ProfileKey::ApiKey.name()).unwrap());
        });
        assert_eq!(after, "[two]\nendpoint = 'e'\n");
    }
}
