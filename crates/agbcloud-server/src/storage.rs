//! Where a server stores metadata and the contents of files: the URLs of `--metadata` and `--blobs`.

use std::fmt;
use std::path::{Path, PathBuf};

/// The storage engines of a server: a data folder, memory, or PostgreSQL with a blob store.
///
/// ```
/// use agbcloud_server::Storage;
///
/// // SQLite and files in one folder, as with `ServerBuilder::data_dir`.
/// let folder = Storage::parse(Some("sqlite:agb-data"), None).unwrap();
/// assert_eq!(folder, Storage::folder("agb-data"));
///
/// // Metadata without contents of files.
/// assert!(Storage::parse(Some("postgres://localhost/agb"), None).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage(pub(crate) Engine);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Engine {
    Memory,
    /// A folder with a SQLite database and blobs.
    Folder(PathBuf),
    /// A PostgreSQL database, and blobs elsewhere.
    Postgres {
        metadata: SecretUrl,
        blobs: BlobsUrl,
    },
}

/// Where the contents of large files are, if the metadata is in PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BlobsUrl {
    Folder(PathBuf),
    /// `s3://bucket/prefix?endpoint=…`
    Bucket(SecretUrl),
}

/// A URL that may contain a password. Its `Debug` shows only the scheme.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretUrl(String);

impl SecretUrl {
    /// A URL of a PostgreSQL database.
    pub(crate) fn postgres(url: &str) -> Result<Self, InvalidStorage> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(InvalidStorage::Metadata);
        }
        match cfg!(feature = "postgres") {
            true => Ok(Self(url.to_owned())),
            false => Err(InvalidStorage::Unsupported {
                engine: "PostgreSQL",
                feature: "postgres",
            }),
        }
    }

    /// The URL with its password, for the driver.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The URL without its query, for a bucket: its authority has no password.
    fn without_query(&self) -> &str {
        self.0.split(['?', '#']).next().unwrap_or_default()
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.split("://").next().unwrap_or_default();
        write!(f, "{scheme}://…")
    }
}

/// The place in a sentence, without passwords.
impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Engine::Memory => f.write_str("memory"),
            Engine::Folder(folder) => write!(f, "{}", folder.display()),
            Engine::Postgres { blobs, .. } => match blobs {
                BlobsUrl::Folder(folder) => write!(f, "PostgreSQL and {}", folder.display()),
                BlobsUrl::Bucket(url) => write!(f, "PostgreSQL and {}", url.without_query()),
            },
        }
    }
}

/// Why storage URLs are invalid. The message names the valid ones and contains no part of a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidStorage {
    /// The metadata URL has an unknown scheme.
    #[error("invalid metadata URL: expected sqlite:DIR, memory: or postgres://USER@HOST/DATABASE")]
    Metadata,
    /// The blobs URL has an unknown scheme.
    #[error("invalid blobs URL: expected file:DIR, memory: or s3://BUCKET/PREFIX?endpoint=URL")]
    Blobs,
    /// Blobs without metadata, or a database without blobs.
    #[error("{given} needs {missing}")]
    Missing {
        /// The setting that is given.
        given: &'static str,
        /// The setting that is missing.
        missing: &'static str,
    },
    /// The engines can't be combined.
    #[error(
        "these metadata and blobs can't be combined: use sqlite:DIR alone or with file:DIR of the same folder, memory: with memory:, or postgres:// with file: or s3://"
    )]
    Combination,
    /// The operation needs a store that survives its process.
    #[error("a store in memory does not outlive its process")]
    NotPersistent,
    /// This build has no support for the engine.
    #[error("this build has no support for {engine}: build it with the feature {feature:?}")]
    Unsupported {
        /// The engine.
        engine: &'static str,
        /// The feature of the crate `agbcloud-server`.
        feature: &'static str,
    },
}

impl Storage {
    /// A folder with a SQLite database and files. Only one server at a time can use it.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self(Engine::Folder(path.into()))
    }

    /// Memory, until the server is dropped.
    pub fn memory() -> Self {
        Self(Engine::Memory)
    }

    /// Parses a URL of the metadata and a URL of the blobs.
    ///
    /// | metadata | blobs |
    /// | --- | --- |
    /// | `sqlite:DIR` | none, or `file:DIR` of the same folder |
    /// | `memory:` | none, or `memory:` |
    /// | `postgres://USER@HOST/DATABASE` | `file:DIR`, or `s3://BUCKET/PREFIX?endpoint=URL` |
    ///
    /// # Errors
    ///
    /// If a URL is invalid, one is missing, the engines can't be combined, or this build lacks one.
    pub fn parse(metadata: Option<&str>, blobs: Option<&str>) -> Result<Self, InvalidStorage> {
        let metadata = metadata.ok_or(InvalidStorage::Missing {
            given: "a blobs URL",
            missing: "a metadata URL",
        })?;
        let blobs = blobs.map(BlobsScheme::parse).transpose()?;
        if let Some(folder) = path_after(metadata, "sqlite") {
            return match blobs {
                None => Ok(Self::folder(folder)),
                Some(BlobsScheme::Folder(other)) if other == folder => Ok(Self::folder(folder)),
                Some(_) => Err(InvalidStorage::Combination),
            };
        }
        if metadata == "memory:" {
            return match blobs {
                None | Some(BlobsScheme::Memory) => Ok(Self::memory()),
                Some(_) => Err(InvalidStorage::Combination),
            };
        }
        let metadata = SecretUrl::postgres(metadata)?;
        let blobs = match blobs {
            Some(BlobsScheme::Folder(folder)) => BlobsUrl::Folder(folder.to_owned()),
            Some(BlobsScheme::Bucket(url)) => BlobsUrl::Bucket(SecretUrl(url.to_owned())),
            Some(BlobsScheme::Memory) => return Err(InvalidStorage::Combination),
            None => {
                return Err(InvalidStorage::Missing {
                    given: "a metadata URL of PostgreSQL",
                    missing: "a blobs URL",
                });
            }
        };
        Ok(Self(Engine::Postgres { metadata, blobs }))
    }
}

enum BlobsScheme<'a> {
    Folder(&'a Path),
    Bucket(&'a str),
    Memory,
}

impl<'a> BlobsScheme<'a> {
    fn parse(url: &'a str) -> Result<Self, InvalidStorage> {
        if let Some(folder) = path_after(url, "file") {
            Ok(Self::Folder(folder))
        } else if url.starts_with("s3://") {
            match cfg!(feature = "s3") {
                true => Ok(Self::Bucket(url)),
                false => Err(InvalidStorage::Unsupported {
                    engine: "S3",
                    feature: "s3",
                }),
            }
        } else if url == "memory:" {
            Ok(Self::Memory)
        } else {
            Err(InvalidStorage::Blobs)
        }
    }
}

/// Returns the path of `scheme:PATH` or `scheme:///PATH`.
fn path_after<'a>(url: &'a str, scheme: &str) -> Option<&'a Path> {
    let rest = url.strip_prefix(scheme)?.strip_prefix(':')?;
    let path = match rest.strip_prefix("//") {
        // An authority is not a folder.
        Some(path) => path.starts_with('/').then_some(path)?,
        None => rest,
    };
    (!path.is_empty()).then(|| Path::new(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_memory_are_selected() {
        let folder = Ok(Storage::folder("/srv/agb"));
        for (metadata, blobs) in [
            ("sqlite:/srv/agb", None),
            ("sqlite:///srv/agb", None),
            ("sqlite:/srv/agb", Some("file:/srv/agb")),
            ("sqlite:/srv/agb", Some("file:///srv/agb/")),
        ] {
            assert_eq!(Storage::parse(Some(metadata), blobs), folder, "{metadata}");
        }
        assert_eq!(
            Storage::parse(Some("sqlite:agb"), None),
            Ok(Storage::folder("agb"))
        );
        for blobs in [None, Some("memory:")] {
            assert_eq!(
                Storage::parse(Some("memory:"), blobs),
                Ok(Storage::memory())
            );
        }
    }

    #[test]
    fn other_urls_and_combinations_are_rejected() {
        for (metadata, blobs) in [
            (None, Some("file:a")),
            (Some(""), None),
            (Some("agb-data"), None),
            (Some("sqlite:"), None),
            (Some("sqlite://host/agb"), None),
            (Some("mysql://localhost/agb"), None),
            (Some("sqlite:a"), Some("file:b")),
            (Some("sqlite:a"), Some("memory:")),
            (Some("sqlite:a"), Some("ftp:a")),
            (Some("memory:"), Some("file:a")),
            (Some("postgres://localhost/agb"), None),
            (Some("postgres://localhost/agb"), Some("memory:")),
        ] {
            assert!(
                Storage::parse(metadata, blobs).is_err(),
                "{metadata:?} {blobs:?}"
            );
        }
    }

    #[cfg(all(feature = "postgres", feature = "s3"))]
    #[test]
    fn urls_are_not_shown() {
        let storage = Storage::parse(
            Some("postgres://agb:hidden@db/agb"),
            Some("s3://bucket/?secret=hidden"),
        );
        let storage = storage.unwrap();
        let shown = format!("{storage:?}");
        assert!(!shown.contains("hidden") && shown.contains("postgres://…"));
        let shown = storage.to_string();
        assert_eq!(shown, "PostgreSQL and s3://bucket/");
    }
}
