//! The key file: one JSON object per line.
//!
//! ```text
//! {"type":"key","id":"k3v9x1ab","tenant":"team-a","sha256":"9f86…","created":"2026-01-31T12:00:00Z"}
//! {"type":"key","id":"k5w2c8ef","tenant":"team-b","sha256":"60e4…","created":"2026-01-31T12:00:00Z","max_bytes":1073741824}
//! {"type":"signing","id":"m2b7q0cd","salt":"5e88…","created":"2026-01-31T12:00:00Z","retires":"2026-03-07T12:00:00Z"}
//! ```
//!
//! API keys are generated here from 248 random bits, so storing their unsalted SHA-256 is enough: they can't be guessed,
//! and a slow hash would only slow down requests. A signing key is derived from the secret of the store and the salt, so
//! that signing requires both.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::system::clock::Micros;
use crate::system::durable_fs;
use crate::system::random::{self, NoRandom};

/// The maximum lifetime of a presigned URL, and so the maximum time that a signing key is needed after its last use.
const MAX_URL_TTL: Duration = Duration::from_secs(604_800);

/// The content of a key file at the time it was read.
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

/// One API key of a [`KeyFile`]. It neither contains nor reveals the key itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    id: String,
    tenant: String,
    sha256: HexBytes,
    created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_files: Option<u64>,
}

/// What a tenant may store in total when an API key, or a URL that it requested, uploads a file. The lower of this and the limits
/// of the server applies: see [`Limits::tenant_bytes`](crate::Limits::tenant_bytes). `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyLimits {
    /// Maximum number of bytes of all files of the tenant.
    pub max_bytes: Option<u64>,
    /// Maximum number of files of the tenant.
    pub max_files: Option<u64>,
}

/// A newly generated API key. The key can't be read again later.
pub struct NewKey {
    id: String,
    secret: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SigningEntry {
    id: String,
    salt: HexBytes,
    created: Timestamp,
    /// When the preceding signing key expires.
    retires: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum KeyFileLine {
    Key(KeyEntry),
    Signing(SigningEntry),
}

/// Why a key file can't be read or changed. Messages contain no keys and no hashes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file can't be read or written.
    #[error("key file {}: {source}", path.display())]
    Io {
        /// The key file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A line is invalid.
    #[error("key file {}: line {line} is neither a key nor a signing key", path.display())]
    Line {
        /// The key file.
        path: PathBuf,
        /// The line number, starting at 1.
        line: usize,
    },
    /// The name of a tenant is invalid.
    #[error("a tenant name must have 1 to 64 letters, digits, dots, hyphens or underscores")]
    Tenant,
    /// The key does not exist.
    #[error("no key with the id `{id}`: list the keys")]
    NoKey {
        /// The requested id.
        id: String,
    },
    /// The operating system returned no random bytes.
    #[error("the operating system returned no random bytes to generate keys from")]
    NoRandom,
}

impl From<NoRandom> for KeyFileError {
    fn from(_: NoRandom) -> Self {
        Self::NoRandom
    }
}

impl KeyFile {
    /// Reads a key file.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Io`] or [`KeyFileError::Line`].
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        };
        Self::parse(&fs::read_to_string(path).map_err(failed)?, path)
    }

    /// Changes a key file atomically, or creates it. Concurrent changes wait for each other. Only its owner can read a new
    /// file. An existing file keeps its owner and group (on Unix) and its permissions, and symbolic links to it stay valid.
    ///
    /// # Errors
    ///
    /// If `change` fails, or if the file can't be read or written. Then the file is unchanged.
    pub fn edit<T>(
        path: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, KeyFileError>,
    ) -> Result<T, KeyFileError> {
        let failed = |source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        };
        let target = &durable_fs::resolve_links(path).map_err(failed)?;
        let _lock = durable_fs::lock(target).map_err(failed)?;
        let (mut keys, before) = match fs::read_to_string(target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Self::default(), None),
            text => {
                let keys = Self::parse(&text.map_err(failed)?, path)?;
                (keys, Some(fs::metadata(target).map_err(failed)?))
            }
        };
        let outcome = change(&mut keys)?;
        keys.into_text()
            .and_then(|text| durable_fs::replace(target, before.as_ref(), &text))
            .map_err(failed)?;
        Ok(outcome)
    }

    /// Returns the API keys in the order of their creation.
    pub fn keys(&self) -> &[KeyEntry] {
        &self.keys
    }

    /// Generates an API key for a tenant. All keys of a tenant see the same contexts. The contexts belong to the name of the
    /// tenant and stay when its keys are revoked.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Tenant`] or [`KeyFileError::NoRandom`].
    pub fn add(&mut self, tenant: &str, now: SystemTime) -> Result<NewKey, KeyFileError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if tenant.is_empty() || tenant.len() > 64 || !tenant.bytes().all(allowed) {
            return Err(KeyFileError::Tenant);
        }
        let key = NewKey {
            id: random::alphanumeric(8)?,
            secret: format!("agb_{}", random::alphanumeric(48)?),
        };
        self.keys.push(KeyEntry {
            id: key.id.clone(),
            tenant: tenant.to_owned(),
            sha256: HexBytes(Sha256::digest(&key.secret).into()),
            created: whole_seconds(now),
            max_bytes: None,
            max_files: None,
        });
        Ok(key)
    }

    /// Sets the limits of an API key.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::NoKey`].
    pub fn set_limits(&mut self, id: &str, limits: KeyLimits) -> Result<(), KeyFileError> {
        self.change_limits(id, |current| *current = limits)
    }

    /// Changes the limits of an API key.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::NoKey`].
    pub fn change_limits(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut KeyLimits),
    ) -> Result<(), KeyFileError> {
        let key = self.keys.iter_mut().find(|key| key.id == id);
        let key = key.ok_or_else(|| KeyFileError::NoKey { id: id.to_owned() })?;
        key.change_limits(change);
        Ok(())
    }

    /// Removes an API key.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::NoKey`].
    pub fn revoke(&mut self, id: &str) -> Result<(), KeyFileError> {
        let at = self.keys.iter().position(|key| key.id == id);
        self.keys
            .remove(at.ok_or_else(|| KeyFileError::NoKey { id: id.to_owned() })?);
        Ok(())
    }

    /// Generates a new signing key for presigned URLs. URLs that the preceding key signed stay valid for `overlap`, but
    /// not beyond their own expiry. At most seven days of overlap are used.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::NoRandom`].
    pub fn rotate_signing(
        &mut self,
        overlap: Duration,
        now: SystemTime,
    ) -> Result<(), KeyFileError> {
        let entry = SigningEntry {
            id: random::alphanumeric(8)?,
            salt: HexBytes(random::bytes()?),
            created: whole_seconds(now),
            retires: whole_seconds(now + overlap.min(MAX_URL_TTL)),
        };
        // No earlier key outlives the preceding one.
        for earlier in &mut self.signing {
            earlier.retires = earlier.retires.min(entry.retires);
        }
        // Removes expired keys. The last entry that has expired its predecessor stays, because its own key is in use.
        let now = whole_seconds(now);
        let expired = self
            .signing
            .iter()
            .rposition(|entry| entry.retires <= now)
            .unwrap_or(0);
        self.signing.drain(..expired);
        self.signing.push(entry);
        Ok(())
    }

    /// Returns the ids and salts of the signing keys in the order of their use, each with the expiry of the preceding key
    /// in Unix seconds.
    pub(crate) fn signing(&self) -> impl Iterator<Item = (&str, &[u8; 32], i64)> {
        self.signing
            .iter()
            .map(|entry| (&*entry.id, &entry.salt.0, entry.retires.as_second()))
    }

    /// Appends an API key of another store, unless there is a key with its id.
    pub(crate) fn push_key(&mut self, entry: KeyEntry) {
        if !self.keys.iter().any(|key| key.id == entry.id) {
            self.keys.push(entry);
        }
    }

    /// Appends a line of [`signing_lines`](Self::signing_lines).
    pub(crate) fn push_signing_line(&mut self, line: &str) -> Result<(), serde_json::Error> {
        self.signing.push(serde_json::from_str(line)?);
        Ok(())
    }

    /// The signing keys in JSON, one in a line.
    pub(crate) fn signing_lines(&self) -> Result<Vec<String>, serde_json::Error> {
        self.signing.iter().map(serde_json::to_string).collect()
    }

    /// Reads [`signing_lines`](Self::signing_lines).
    pub(crate) fn from_signing_lines(lines: &[String]) -> Result<Self, serde_json::Error> {
        let signing = lines.iter().map(|line| serde_json::from_str(line));
        Ok(Self {
            keys: Vec::new(),
            signing: signing.collect::<Result<_, _>>()?,
        })
    }

    fn parse(text: &str, path: &Path) -> Result<Self, KeyFileError> {
        let mut keys = Self::default();
        for (line, text) in (1..).zip(text.lines()) {
            if text.trim().is_empty() {
                continue;
            }
            match serde_json::from_str(text) {
                Ok(KeyFileLine::Key(key)) => keys.keys.push(key),
                Ok(KeyFileLine::Signing(entry)) => keys.signing.push(entry),
                // The error of serde may quote the line.
                Err(_) => {
                    let path = path.to_owned();
                    return Err(KeyFileError::Line { path, line });
                }
            }
        }
        Ok(keys)
    }

    fn into_text(self) -> io::Result<String> {
        let keys = self.keys.into_iter().map(KeyFileLine::Key);
        let lines = keys.chain(self.signing.into_iter().map(KeyFileLine::Signing));
        let mut text = String::new();
        for line in lines {
            text.push_str(&serde_json::to_string(&line)?);
            text.push('\n');
        }
        Ok(text)
    }
}

impl KeyEntry {
    /// Returns the id of the key, which [`KeyFile::revoke`] takes.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the tenant of the key.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Returns when the key was created.
    pub fn created(&self) -> SystemTime {
        self.created.into()
    }

    /// Returns the limits of the key.
    pub fn limits(&self) -> KeyLimits {
        KeyLimits {
            max_bytes: self.max_bytes,
            max_files: self.max_files,
        }
    }

    pub(crate) fn change_limits(&mut self, change: impl FnOnce(&mut KeyLimits)) {
        let mut limits = self.limits();
        change(&mut limits);
        (self.max_bytes, self.max_files) = (limits.max_bytes, limits.max_files);
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        self.sha256.0
    }
}

impl NewKey {
    /// Returns the id of the key, which [`KeyFile::revoke`] takes.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the key itself. It is not stored anywhere.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

/// Contains no key.
impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// 32 bytes, serialized in hexadecimal.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
struct HexBytes([u8; 32]);

impl std::fmt::Debug for HexBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HexBytes(…)")
    }
}

impl From<HexBytes> for String {
    fn from(bytes: HexBytes) -> Self {
        HEXLOWER.encode(&bytes.0)
    }
}

impl TryFrom<String> for HexBytes {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or("not 64 hexadecimal digits")
    }
}

fn whole_seconds(time: SystemTime) -> Timestamp {
    Timestamp::from_second(Micros::of(time).seconds()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
