//! The key file: one JSON object a line, written by programs, read by whoever wants to know.
//!
//! ```text
//! {"type":"key","id":"k3v9x1ab","tenant":"team-a","sha256":"9f86…","created":"2026-01-31T12:00:00Z"}
//! {"type":"signing","id":"m2b7q0cd","salt":"5e88…","created":"2026-01-31T12:00:00Z","retires":"2026-03-07T12:00:00Z"}
//! ```
//!
//! An API key is made here, of 248 random bits; so its SHA-256 is enough to keep: there is nothing that guessing
//! could try, with or without a salt, and no need to make each request slow. A signing key is derived from the secret
//! of the store and the salt, so that neither of the two is enough to sign with.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::replace;
use crate::random::{self, NoRandom, hex};

/// The longest that a presigned URL can live, and so the longest that a signing key is needed after its last use.
const LONGEST_URL: Duration = Duration::from_secs(604_800);

/// The keys of a file, as they were when it was read.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::SystemTime;
/// use agbcloud_server::KeyFile;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("keys");
/// let now = SystemTime::now();
/// let key = KeyFile::edit(&path, |keys| keys.add("team-a", now))?;
/// assert!(key.secret().starts_with("agb_"));
/// assert_eq!(KeyFile::read(&path)?.keys()[0].tenant(), "team-a");
/// KeyFile::edit(&path, |keys| keys.revoke(key.id()))?;
/// assert!(KeyFile::read(&path)?.keys().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct KeyFile {
    keys: Vec<KeyEntry>,
    signing: Vec<SigningEntry>,
}

/// One API key of a [`KeyFile`]. The key itself is not in it and can't be found from it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    id: String,
    tenant: String,
    sha256: Hash,
    created: DateTime<Utc>,
}

/// An API key that was just made: the only time that it can be seen.
pub struct NewKey {
    id: String,
    secret: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SigningEntry {
    id: String,
    salt: Hash,
    created: DateTime<Utc>,
    /// When the signing key before this one ends.
    retires: DateTime<Utc>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line {
    Key(KeyEntry),
    Signing(SigningEntry),
}

/// Why a key file can't be read or changed. No message has a key or a hash in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It can't be read or written.
    #[error("the key file {}: {source}", path.display())]
    Io {
        /// The key file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A line is not what a key file has.
    #[error("the key file {}: line {line} is neither a key nor a signing key", path.display())]
    Line {
        /// The key file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A tenant can't have this name.
    #[error("a tenant has a name of 1 to 64 letters, digits, dots, hyphens or underscores")]
    Tenant,
    /// There is no such key.
    #[error("there is no key with the id `{id}`: list them")]
    NoKey {
        /// The id that was given.
        id: String,
    },
    /// The operating system gives no random bytes.
    #[error("the operating system gave no random bytes to make keys from")]
    NoRandom,
}

impl From<NoRandom> for KeyFileError {
    fn from(_: NoRandom) -> Self {
        Self::NoRandom
    }
}

impl KeyFile {
    /// Reads a key file.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        };
        Self::parse(&fs::read_to_string(path).map_err(failed)?, path)
    }

    /// Changes a key file, which is made if it is not there. Others see it as before or as after; whoever changes it at
    /// the same time waits. A new one nobody but its owner may read. One that is there keeps its owner, its group (on
    /// Unix) and its permissions, and a symbolic link goes on leading to it. If `change` or any of this fails, nothing
    /// is changed.
    pub fn edit<T>(
        path: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, KeyFileError>,
    ) -> Result<T, KeyFileError> {
        let failed = |source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        };
        let real = &replace::resolved(path).map_err(failed)?;
        let _lock = replace::lock(real).map_err(failed)?;
        let (mut keys, before) = match fs::read_to_string(real) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Self::default(), None),
            text => {
                let keys = Self::parse(&text.map_err(failed)?, path)?;
                (keys, Some(fs::metadata(real).map_err(failed)?))
            }
        };
        let outcome = change(&mut keys)?;
        let replaced = keys
            .lines()
            .and_then(|text| replace::replace(real, before.as_ref(), &text));
        replaced.map_err(failed)?;
        Ok(outcome)
    }

    /// The API keys, in the order in which they were made.
    pub fn keys(&self) -> &[KeyEntry] {
        &self.keys
    }

    /// Makes an API key for a tenant. All keys of a tenant see the same contexts, which are there as long as the
    /// tenant's name is used, whatever becomes of its keys.
    pub fn add(&mut self, tenant: &str, now: SystemTime) -> Result<NewKey, KeyFileError> {
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if tenant.is_empty() || tenant.len() > 64 || !tenant.bytes().all(named) {
            return Err(KeyFileError::Tenant);
        }
        let key = NewKey {
            id: random::alphanumeric(8)?,
            secret: format!("agb_{}", random::alphanumeric(48)?),
        };
        self.keys.push(KeyEntry {
            id: key.id.clone(),
            tenant: tenant.to_owned(),
            sha256: Hash(Sha256::digest(&key.secret).into()),
            created: whole_seconds(now),
        });
        Ok(key)
    }

    /// Takes a key away.
    pub fn revoke(&mut self, id: &str) -> Result<(), KeyFileError> {
        let at = self.keys.iter().position(|key| key.id == id);
        self.keys
            .remove(at.ok_or_else(|| KeyFileError::NoKey { id: id.to_owned() })?);
        Ok(())
    }

    /// Makes a new key that signs presigned URLs from now on. What the key before it has signed stays good for
    /// `overlap`, though not longer than it would anyway; nothing lives longer than seven days.
    pub fn rotate_signing(
        &mut self,
        overlap: Duration,
        now: SystemTime,
    ) -> Result<(), KeyFileError> {
        let entry = SigningEntry {
            id: random::alphanumeric(8)?,
            salt: Hash(random::bytes()?),
            created: whole_seconds(now),
            retires: whole_seconds(now + overlap.min(LONGEST_URL)),
        };
        // Who ends the key before at once means all before it.
        for earlier in &mut self.signing {
            earlier.retires = earlier.retires.min(entry.retires);
        }
        // What is over is over: the key that is already retired needs no successor to say so, except the last one.
        let now = whole_seconds(now);
        let over = self
            .signing
            .iter()
            .rposition(|entry| entry.retires <= now)
            .unwrap_or(0);
        self.signing.drain(..over);
        self.signing.push(entry);
        Ok(())
    }

    /// Ids and salts of the signing keys in the order of their use, each with the end of the one before in Unix
    /// seconds.
    pub(super) fn signing(&self) -> impl Iterator<Item = (&str, &[u8; 32], i64)> {
        self.signing
            .iter()
            .map(|entry| (&*entry.id, &entry.salt.0, entry.retires.timestamp()))
    }

    fn parse(text: &str, path: &Path) -> Result<Self, KeyFileError> {
        let mut keys = Self::default();
        for (line, text) in (1..).zip(text.lines()) {
            if text.trim().is_empty() {
                continue;
            }
            match serde_json::from_str(text) {
                Ok(Line::Key(key)) => keys.keys.push(key),
                Ok(Line::Signing(entry)) => keys.signing.push(entry),
                // What serde says may quote the line.
                Err(_) => {
                    let path = path.to_owned();
                    return Err(KeyFileError::Line { path, line });
                }
            }
        }
        Ok(keys)
    }

    fn lines(self) -> io::Result<String> {
        let keys = self.keys.into_iter().map(Line::Key);
        let lines = keys.chain(self.signing.into_iter().map(Line::Signing));
        let mut text = String::new();
        for line in lines {
            text.push_str(&serde_json::to_string(&line)?);
            text.push('\n');
        }
        Ok(text)
    }
}

impl KeyEntry {
    /// What the key is called: to revoke it, say.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whose key it is.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// When it was made.
    pub fn created(&self) -> SystemTime {
        self.created.into()
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        self.sha256.0
    }
}

impl NewKey {
    /// What the key is called: to revoke it, say.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key. It is kept nowhere.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

/// Shows no key.
impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// 32 bytes, in hexadecimal.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
struct Hash([u8; 32]);

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hash(…)")
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hex(&hash.0)
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const NOT: &str = "not 64 hexadecimal digits";
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NOT);
        }
        let mut hash = [0; 32];
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| NOT)?;
        }
        Ok(Self(hash))
    }
}

fn whole_seconds(time: SystemTime) -> DateTime<Utc> {
    DateTime::<Utc>::from(time).trunc_subsecs(0)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const NOW: SystemTime = UNIX_EPOCH;

    #[test]
    fn what_was_added_is_there_without_the_key_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let one = KeyFile::edit(&path, |keys| keys.add("team-a", NOW)).unwrap();
        let two = KeyFile::edit(&path, |keys| keys.add("team-b", NOW)).unwrap();
        assert_ne!(one.secret(), two.secret());
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(one.secret()) && !format!("{one:?}").contains(one.secret()));
        let tenants: Vec<_> = KeyFile::read(&path).unwrap().keys;
        let tenants: Vec<_> = tenants.iter().map(|key| (key.id(), key.tenant())).collect();
        assert_eq!(tenants, [(one.id(), "team-a"), (two.id(), "team-b")]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        KeyFile::edit(&path, |keys| keys.revoke(one.id())).unwrap();
        assert_eq!(KeyFile::read(&path).unwrap().keys().len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn who_may_read_it_may_read_it_after_a_change() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        KeyFile::edit(&path, |keys| keys.add("a", NOW)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        // Who is not root can give a file to nobody, and is the owner anyway.
        let given = chown(&path, Some(12345), Some(54321)).is_ok();
        KeyFile::edit(&path, |keys| keys.add("b", NOW)).unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(after.mode() & 0o777, 0o640);
        if given {
            assert_eq!((after.uid(), after.gid()), (12345, 54321));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_goes_on_leading_to_the_file() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        symlink("file", &link).unwrap();
        let nowhere = KeyFile::edit(&link, |keys| keys.add("a", NOW));
        assert!(matches!(nowhere, Err(KeyFileError::Io { .. })));
        KeyFile::edit(&file, |keys| keys.add("a", NOW)).unwrap();
        KeyFile::edit(&link, |keys| keys.add("b", NOW)).unwrap();
        assert!(link.is_symlink());
        assert_eq!(KeyFile::read(&file).unwrap().keys().len(), 2);
    }

    #[test]
    fn a_change_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        KeyFile::edit(&path, |keys| keys.add("a", NOW)).unwrap();
        let before = fs::read(&path).unwrap();
        for bad in ["", "a b", "ä", "a/b", &"a".repeat(65)] {
            let failed = KeyFile::edit(&path, |keys| keys.add(bad, NOW));
            assert!(matches!(failed, Err(KeyFileError::Tenant)), "{bad:?}");
        }
        let failed = KeyFile::edit(&path, |keys| keys.revoke("nobody"));
        assert!(matches!(failed, Err(KeyFileError::NoKey { .. })));
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_broken_line_is_told_by_its_number_and_not_by_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let key = r#"{"type":"key","id":"k","tenant":"t","sha256":"HASH","created":"2026-01-31T12:00:00Z"}"#;
        let good = key.replace("HASH", &"0f".repeat(32));
        fs::write(&path, format!("{good}\n\n{good}\n")).unwrap();
        assert_eq!(KeyFile::read(&path).unwrap().keys().len(), 2);
        for bad in [
            "{",
            "secret",
            r#"{"type":"other"}"#,
            &key.replace("HASH", "secret"),
            &good.replace("\"id\"", "\"secret\":1,\"id\""),
        ] {
            fs::write(&path, format!("{good}\n{bad}\n")).unwrap();
            let error = KeyFile::read(&path).unwrap_err().to_string();
            assert!(
                error.contains("line 2") && !error.contains("secret"),
                "{error}"
            );
        }
    }

    #[test]
    fn retired_signing_keys_are_forgotten() {
        let mut keys = KeyFile::default();
        let day = Duration::from_secs(24 * 3600);
        for number in 0..100 {
            keys.rotate_signing(day, NOW + day * number).unwrap();
        }
        assert!(keys.signing.len() <= 3, "{}", keys.signing.len());
    }

    #[test]
    fn who_ends_the_key_before_at_once_ends_all_before_it() {
        let mut keys = KeyFile::default();
        let week = Duration::from_secs(7 * 24 * 3600);
        let ends = |keys: &KeyFile| -> Vec<i64> { keys.signing().map(|(_, _, end)| end).collect() };
        let at = |time| whole_seconds(time).timestamp();
        keys.rotate_signing(week, NOW).unwrap();
        assert_eq!(ends(&keys), [at(NOW + week)]);
        keys.rotate_signing(Duration::ZERO, NOW).unwrap();
        assert_eq!(ends(&keys), [at(NOW), at(NOW)]);
        // The key that signs now is good for as long as it is said.
        keys.rotate_signing(week, NOW).unwrap();
        assert_eq!(ends(&keys).last(), Some(&at(NOW + week)));
        assert!(
            ends(&keys)[..ends(&keys).len() - 1]
                .iter()
                .all(|end| *end <= at(NOW))
        );
    }
}
