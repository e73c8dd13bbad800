//! The entries of a folder, and its pages.

use std::{fmt, str::FromStr};

use agbcloud_api::types;
use serde::{Deserialize, Serialize};

use super::{FolderPath, Timestamp};
use crate::error::{Error, Result};

/// One entry of a folder.
///
/// It can be stored in any serde format, and read by later versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[doc(alias = "ContextFileEntry")]
pub struct FileEntry {
    /// Id, if the service reports one.
    pub id: Option<String>,
    /// Last segment of the path.
    pub name: String,
    /// Absolute path. Derived from the listed folder if the service reports no path or one without a leading slash.
    pub path: String,
    /// Whether the entry is a file or a folder.
    pub kind: FileKind,
    /// Size in bytes, if the service reports it.
    pub size: Option<u64>,
    /// Time of creation.
    pub created_at: Option<Timestamp>,
    /// Time of the last change.
    pub modified_at: Option<Timestamp>,
    /// Status as reported by the service; the only known value is `available`.
    pub status: Option<String>,
    /// ETag of a file's content, with its quotes. Reported by `agb serve`, but not by the cloud.
    pub etag: Option<String>,
    /// CRC-64 of a file's content (ECMA-182, as in `x-oss-hash-crc64ecma`). Reported by `agb serve`, but not by the cloud.
    pub crc64: Option<u64>,
}

impl FileEntry {
    /// Whether the entry is a folder.
    pub fn is_folder(&self) -> bool {
        self.kind == FileKind::Folder
    }

    /// Makes the path absolute. A path without a leading slash is relative to the root if that puts it into the listed
    /// folder, and otherwise relative to the folder.
    pub(crate) fn with_absolute_path(mut self, folder: &FolderPath) -> Self {
        if !self.path.starts_with('/') {
            let prefix = format!("{}/", folder.as_str().trim_end_matches('/'));
            let from_root = format!("/{}", self.path);
            self.path = match self.path.as_str() {
                "" if self.name.is_empty() => return self,
                "" => prefix + &self.name,
                _ if from_root.starts_with(&prefix) => from_root,
                _ => prefix + &self.path,
            };
        }
        self
    }

    pub(crate) fn from_wire(entry: types::FileEntry) -> Self {
        let path = entry.file_path.unwrap_or_default();
        let last = || {
            path.trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            id: entry.file_id,
            name: entry
                .file_name
                .filter(|name| !name.is_empty())
                .unwrap_or_else(last),
            kind: FileKind::from_wire(entry.file_type.as_deref()),
            size: entry.size.and_then(|size| size.try_into().ok()),
            created_at: Timestamp::from_wire(entry.gmt_create),
            modified_at: Timestamp::from_wire(entry.gmt_modified),
            status: entry.status,
            etag: entry.e_tag.filter(|etag| !etag.is_empty()),
            crc64: entry.crc64.and_then(|crc64| crc64.trim().parse().ok()),
            path,
        }
    }
}

/// Whether an entry is a file or a folder. `Display`, `parse` and serde use `file` and `folder`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileKind {
    /// Anything other than a folder.
    File,
    /// Reported as `folder`, `directory` or `dir`, in any case.
    Folder,
}

impl FileKind {
    /// The name: `file` or `folder`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
        }
    }

    fn from_wire(text: Option<&str>) -> Self {
        let folder = |text: &str| {
            ["folder", "directory", "dir"]
                .iter()
                .any(|name| text.eq_ignore_ascii_case(name))
        };
        if text.is_some_and(folder) {
            Self::Folder
        } else {
            Self::File
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for FileKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "file" => Ok(Self::File),
            "folder" => Ok(Self::Folder),
            _ => Err(Error::invalid_argument("a file kind is `file` or `folder`")),
        }
    }
}

/// One page of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[doc(alias = "ContextFileListResult")]
pub struct FilePage {
    /// The entries of this page.
    pub entries: Vec<FileEntry>,
    /// Number of this page, starting at 1.
    pub page_number: u32,
    /// Number of the next page, for [`ListFiles::start_at_page`](crate::ListFiles::start_at_page); `None` for the last page.
    pub next_page: Option<u32>,
    /// Number of entries on all pages.
    pub total_count: Option<u64>,
    /// Request id of the call that fetched this page.
    pub request_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_kind_than_a_folder_is_a_file() {
        for word in ["folder", "Directory", "DIR"] {
            assert_eq!(FileKind::from_wire(Some(word)), FileKind::Folder);
        }
        for word in [None, Some(""), Some("file"), Some("symlink")] {
            assert_eq!(FileKind::from_wire(word), FileKind::File);
        }
    }

    #[test]
    fn a_stored_entry_is_read_back() {
        let entry = FileEntry::from_wire(types::FileEntry {
            file_path: Some("/data/a.txt".into()),
            size: Some(5),
            gmt_modified: Some("2025-05-29 12:00:00".into()),
            crc64: Some(u64::MAX.to_string()),
            ..types::FileEntry::default()
        });
        let json = serde_json::to_value(&entry).unwrap();
        assert_eq!(json["kind"], "file");
        assert_eq!(serde_json::from_value::<FileEntry>(json).unwrap(), entry);
        let bytes = postcard::to_allocvec(&entry).unwrap();
        assert_eq!(postcard::from_bytes::<FileEntry>(&bytes).unwrap(), entry);
        let least = r#"{"name":"a","path":"/a","kind":"folder"}"#;
        let least: FileEntry = serde_json::from_str(least).unwrap();
        assert!(least.is_folder() && least.size.is_none());
    }

    #[test]
    fn kinds_are_parsed_as_displayed() {
        for kind in [FileKind::File, FileKind::Folder] {
            assert_eq!(kind.to_string().parse::<FileKind>().unwrap(), kind);
        }
        assert!("symlink".parse::<FileKind>().is_err());
    }

    #[test]
    fn paths_are_made_absolute() {
        for (folder, name, path, placed) in [
            ("/data", "a", "", "/data/a"),
            ("/", "a", "", "/a"),
            ("/data", "a", "/data/a", "/data/a"),
            ("/data", "a", "data/a", "/data/a"),
            ("/data", "a", "a", "/data/a"),
            ("/data", "a", "b/a", "/data/b/a"),
            ("/", "a", "b/a", "/b/a"),
            ("/data", "a", "/other/a", "/other/a"),
            ("/data", "", "", ""),
        ] {
            let entry = FileEntry::from_wire(types::FileEntry {
                file_name: Some(name.into()),
                file_path: Some(path.into()),
                ..types::FileEntry::default()
            });
            let folder = FolderPath::new(folder).unwrap();
            assert_eq!(
                entry.with_absolute_path(&folder).path,
                placed,
                "{folder} {path}"
            );
        }
    }

    #[test]
    fn a_missing_name_is_the_last_segment_of_the_path() {
        let entry = types::FileEntry {
            file_path: Some("/data/a.txt".into()),
            size: Some(-1),
            ..types::FileEntry::default()
        };
        let entry = FileEntry::from_wire(entry);
        assert_eq!((entry.name.as_str(), entry.size), ("a.txt", None));
    }
}
