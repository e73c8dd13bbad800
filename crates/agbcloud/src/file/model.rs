//! A file or folder as the SDK shows it.

use agbcloud_api::types;

use crate::{FolderPath, Timestamp};

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "ContextFileEntry")]
pub struct FileEntry {
    /// Its id.
    pub id: Option<String>,
    /// Last segment of its path.
    pub name: String,
    /// Its absolute path, as the service tells it; where it tells none, or one without a slash at the front, the one
    /// that follows from the folder that was listed.
    pub path: String,
    /// Whether it is a file or a folder.
    pub kind: FileKind,
    /// Bytes, where the service tells them.
    pub size: Option<u64>,
    /// When it was first written.
    pub created_at: Option<Timestamp>,
    /// When it was last written.
    pub modified_at: Option<Timestamp>,
    /// What the service says of it; `available` where it says anything known.
    pub status: Option<String>,
    /// Entity tag of a file's content, as the store sends it: quoted. `agb serve` lists it, the cloud does not.
    pub etag: Option<String>,
    /// CRC-64 of a file's content (ECMA-182, as in `x-oss-hash-crc64ecma`). `agb serve` lists it, the cloud does not.
    pub crc64: Option<u64>,
}

impl FileEntry {
    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.kind == FileKind::Folder
    }

    /// With an absolute path, as one of a listing of this folder. A path without a slash at the front starts at the top if
    /// it leads into the folder from there, else in the folder.
    pub(super) fn placed_in(mut self, folder: &FolderPath) -> Self {
        if !self.path.starts_with('/') {
            let prefix = format!("{}/", folder.as_str().trim_end_matches('/'));
            let from_the_top = format!("/{}", self.path);
            self.path = match self.path.as_str() {
                "" if self.name.is_empty() => return self,
                "" => prefix + &self.name,
                _ if from_the_top.starts_with(&prefix) => from_the_top,
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

/// Whether an entry is a file or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// Anything that is not a folder.
    File,
    /// What the service calls `folder`, `directory` or `dir`, in any case.
    Folder,
}

impl FileKind {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_for_a_folder_is_a_folder_and_all_else_a_file() {
        for word in ["folder", "Directory", "DIR"] {
            assert_eq!(FileKind::from_wire(Some(word)), FileKind::Folder);
        }
        for word in [None, Some(""), Some("file"), Some("symlink")] {
            assert_eq!(FileKind::from_wire(word), FileKind::File);
        }
    }

    #[test]
    fn every_path_is_absolute() {
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
            assert_eq!(entry.placed_in(&folder).path, placed, "{folder} {path}");
        }
    }

    #[test]
    fn a_name_that_is_not_told_is_the_end_of_the_path() {
        let entry = types::FileEntry {
            file_path: Some("/data/a.txt".into()),
            size: Some(-1),
            ..types::FileEntry::default()
        };
        let entry = FileEntry::from_wire(entry);
        assert_eq!((entry.name.as_str(), entry.size), ("a.txt", None));
    }
}
