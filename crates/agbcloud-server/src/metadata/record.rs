//! Rows that stores and archives exchange: everything that a copy of a store needs, in a form that no engine owns.
//!
//! A store is a sequence of records: its contexts by tenant, creation time and id, each followed by its folders and files by
//! parent and name. The root folder of a context comes first, and a folder comes before its entries.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::ContextState;
use crate::blobs::BlockChecksums;
use crate::checksums::Checksums;
use crate::key_file::KeyEntry;
use crate::markers::RandomId;
use crate::names::{FilePath, FolderPath};
use crate::signing::Secret;
use crate::system::clock::Micros;

/// What all records of a store have in common.
#[derive(Debug, Clone)]
pub(crate) struct StoreIdentity {
    pub(crate) id: RandomId,
    pub(crate) secret: Secret,
}

/// What an unfinished import copies, so that only the same import continues it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImportSource {
    /// The id of the store.
    pub(crate) store: RandomId,
    /// The checksum of the records of an archive. `None` if the source is a store, which may change between two attempts.
    pub(crate) archive: Option<String>,
}

impl ImportSource {
    pub(crate) fn to_text(&self) -> String {
        let store = HEXLOWER.encode(&self.store);
        format!("{store} {}", self.archive.as_deref().unwrap_or("store"))
    }

    /// Returns `None` unless this is the result of [`to_text`](Self::to_text).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (store, archive) = text.split_once(' ')?;
        let store = HEXLOWER.decode(store.as_bytes()).ok()?.try_into().ok()?;
        let archive = (archive != "store").then(|| archive.to_owned());
        Some(Self { store, archive })
    }
}

/// The checksums of a blob, computed while it was copied.
#[derive(Debug, Clone)]
pub(crate) struct BlobChecksums {
    pub(crate) crc64: u64,
    pub(crate) blocks: BlockChecksums,
}

/// One row of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Record {
    Key(KeyRecord),
    Context(ContextRecord),
    /// A folder of the last context.
    Folder(FolderRecord),
    /// A file of the last context.
    File(FileRecord),
}

/// A key of a store whose keys are in its database. Keys come before the contexts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum KeyRecord {
    /// An API key, without the key itself. The entry is that of a key file.
    Api { issuer: String, entry: String },
    /// Only API keys of the store are accepted, even if there are none.
    Required,
    /// A signing key. They come in the order of their use.
    Signing { entry: String },
}

impl KeyRecord {
    /// Returns the entry of an API key. `None` if it is invalid.
    pub(crate) fn api_entry(&self) -> Option<KeyEntry> {
        match self {
            Self::Api { entry, .. } => serde_json::from_str(entry).ok(),
            Self::Required | Self::Signing { .. } => None,
        }
    }
}

/// A context. It is [available](ContextState::Available) in a copy, since files that are being cleared are not copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContextRecord {
    pub(crate) tenant: String,
    pub(crate) region: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) generation: i64,
    pub(crate) create_time: Micros,
    pub(crate) last_used: Micros,
}

impl ContextRecord {
    pub(crate) const STATE: ContextState = ContextState::Available;

    /// The position in the order of contexts.
    pub(crate) fn key(&self) -> (&str, Micros, &str) {
        (&self.tenant, self.create_time, &self.id)
    }
}

/// A folder. The root has an empty parent and an empty name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FolderRecord {
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) created: Micros,
    pub(crate) modified: Micros,
    /// The number of entries in the folder.
    pub(crate) entries: i64,
}

impl FolderRecord {
    pub(crate) fn is_root(&self) -> bool {
        self.parent.is_empty() && self.name.is_empty()
    }

    /// The path of the folder. `None` if it is invalid.
    pub(crate) fn path(&self) -> Option<FolderPath> {
        match self.is_root() {
            true => FolderPath::parse("/"),
            false => FolderPath::parse(&join(&self.parent, &self.name))
                .filter(|path| path.place() == (&self.parent, &self.name)),
        }
    }
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileRecord {
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) created: Micros,
    pub(crate) modified: Micros,
    pub(crate) size: u64,
    /// MD5 of the content in hexadecimal.
    pub(crate) etag: String,
    /// SHA-256 of the content in hexadecimal, if the client sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
    /// CRC-64/XZ of the content. `None` for a file of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) crc64: Option<u64>,
    pub(crate) content: ContentRecord,
}

impl FileRecord {
    /// The path of the file. `None` if it is invalid.
    pub(crate) fn path(&self) -> Option<FilePath> {
        FilePath::parse(&self.display_path())
            .filter(|path| path.parent().as_str() == self.parent && path.name() == self.name)
    }

    /// The path of the file in a message.
    pub(crate) fn display_path(&self) -> String {
        join(&self.parent, &self.name)
    }

    /// The key of its blob. `None` for an inline content.
    pub(crate) fn blob(&self) -> Option<&str> {
        match &self.content {
            ContentRecord::Blob(blob) => Some(blob),
            ContentRecord::Inline(_) => None,
        }
    }

    /// Compares a content with the row, and returns what differs.
    pub(crate) fn find_difference(&self, found: &Checksums) -> Option<String> {
        if found.size != self.size {
            let (found, stored) = (found.size, self.size);
            return Some(format!(
                "the content of the file has {found} bytes instead of {stored}"
            ));
        }
        let wrong = if self.sha256.is_some() && self.sha256 != found.sha256 {
            "SHA-256"
        } else if found.etag != self.etag {
            "MD5"
        } else if self.crc64.is_some_and(|crc64| crc64 != found.crc64) {
            "CRC-64"
        } else {
            return None;
        };
        Some(format!(
            "the content of the file does not match its {wrong}"
        ))
    }
}

/// Where the content of a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ContentRecord {
    Inline(#[serde(with = "base64_bytes")] Bytes),
    /// In the blob with this key.
    Blob(String),
}

/// Joins the path of a folder and a name.
pub(crate) fn join(parent: &str, name: &str) -> String {
    format!("{}/{name}", parent.trim_end_matches('/'))
}

/// Whether a text has the form of the keys of blobs: two hexadecimal digits, a slash, and letters, digits and hyphens. A key of
/// another form could name a file outside of the folder of blobs.
pub(crate) fn is_blob_key(text: &str) -> bool {
    let is_part = |part: &str| {
        part.len() == 2
            && part
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_name = |name: &str| {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=100).contains(&name.len()) && name.bytes().all(valid)
    };
    text.split_once('/')
        .is_some_and(|(part, name)| is_part(part) && is_name(name))
}

/// Bytes as text in Base64.
mod base64_bytes {
    use bytes::Bytes;
    use data_encoding::BASE64;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = BASE64.decode(text.as_bytes());
        bytes.map(Bytes::from).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip_as_json() {
        let file = |content, crc64| {
            Record::File(FileRecord {
                parent: "/a\n\"".to_owned(),
                name: "ä\u{1f600}".to_owned(),
                id: "file-1".to_owned(),
                created: Micros(-1),
                modified: Micros(i64::MAX),
                size: u64::MAX,
                etag: "e".to_owned(),
                sha256: None,
                crc64,
                content,
            })
        };
        for record in [
            Record::Key(KeyRecord::Required),
            Record::Key(KeyRecord::Signing {
                entry: "{\"id\":1}".to_owned(),
            }),
            Record::Context(ContextRecord {
                tenant: "t".to_owned(),
                region: "r".to_owned(),
                id: "i".to_owned(),
                name: "n".to_owned(),
                generation: 7,
                create_time: Micros(1),
                last_used: Micros(2),
            }),
            Record::Folder(FolderRecord {
                parent: String::new(),
                name: String::new(),
                id: String::new(),
                created: Micros(3),
                modified: Micros(4),
                entries: 5,
            }),
            file(
                ContentRecord::Inline(Bytes::from_static(&[0, 255, 10])),
                None,
            ),
            file(ContentRecord::Blob("00/a-b".to_owned()), Some(u64::MAX)),
        ] {
            let text = serde_json::to_string(&record).unwrap();
            assert!(!text.contains('\n'));
            assert_eq!(
                serde_json::from_str::<Record>(&text).unwrap(),
                record,
                "{text}"
            );
        }
        for unknown in [r#"{"type":"link"}"#, r#"{"type":"context","id":"i"}"#, "{}"] {
            assert!(
                serde_json::from_str::<Record>(unknown).is_err(),
                "{unknown}"
            );
        }
    }

    #[test]
    fn a_key_names_a_file_in_the_folder_of_blobs() {
        for valid in ["7f/a-1", "00/0123456789ab-00ff"] {
            assert!(is_blob_key(valid), "{valid}");
        }
        for bad in [
            "",
            "7f",
            "7f/",
            "7F/a",
            "mark",
            "../a",
            "7f/..",
            "7f/a/b",
            "/7f/a",
            "7f/a#1",
            "7f/a\\b",
            "7f/a.b",
            "é/a",
            &format!("00/{}", "a".repeat(101)),
        ] {
            assert!(!is_blob_key(bad), "{bad}");
        }
    }
}
