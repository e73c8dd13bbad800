//! Parts of answers that several tools have.

use agbcloud::{Context, FileEntry, FileKind, PresignedUrl, UpdateGuard};
use schemars::JsonSchema;
use serde::Serialize;

use super::new_content::Written;
use crate::{scope::Place, uri};

/// A context.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ContextAnswer {
    /// Id, which never changes
    pub(super) id: String,
    /// Name
    pub(super) name: String,
    /// State: available, clearing, in-use or another one
    pub(super) state: String,
    /// URI of the root folder
    pub(super) uri: String,
    /// Time of creation
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_at: Option<String>,
    /// Time of the last use
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_used_at: Option<String>,
}

impl ContextAnswer {
    /// The answer for a context that this name or id means.
    pub(super) fn new(context: Context, reference: &str) -> Self {
        Self {
            uri: uri::of(reference, "/"),
            id: context.id.to_string(),
            name: context.name,
            state: context.state.to_string(),
            created_at: context.created_at.map(|time| time.to_string()),
            last_used_at: context.last_used_at.map(|time| time.to_string()),
        }
    }
}

/// A file or a folder.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct EntryAnswer {
    /// Absolute path in the context
    pub(super) path: String,
    /// file or folder
    pub(super) kind: EntryKind,
    /// Size of a file in bytes, if known
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    /// Time of the last change, if known
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) modified_at: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum EntryKind {
    File,
    Folder,
}

impl From<FileKind> for EntryKind {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::Folder => Self::Folder,
            _ => Self::File,
        }
    }
}

impl From<FileEntry> for EntryAnswer {
    fn from(entry: FileEntry) -> Self {
        Self {
            kind: entry.kind.into(),
            size: entry.size,
            modified_at: entry.modified_at.map(|time| time.to_string()),
            path: entry.path,
        }
    }
}

/// A file after a change.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct WrittenFile {
    /// Name of the context
    pub(super) context: String,
    /// Absolute path in the context
    pub(super) path: String,
    /// URI of the file
    pub(super) uri: String,
    /// Size in bytes
    pub(super) size: u64,
    /// Version to pass as if_version of the next change, if the store reports one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    /// conditions if the store itself checked the version or absence of the file; unavailable if it can't, so that a change at
    /// the same moment could be overwritten. Missing without such a check
    #[serde(skip_serializing_if = "Option::is_none")]
    guard: Option<GuardAnswer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum GuardAnswer {
    Conditions,
    Unavailable,
}

impl WrittenFile {
    pub(super) fn new(place: &Place, path: &str, written: Written) -> Self {
        let Written { uploaded, guard } = written;
        Self {
            guard: guard.map(|guard| match guard {
                UpdateGuard::Conditions => GuardAnswer::Conditions,
                _ => GuardAnswer::Unavailable,
            }),
            context: place.context.name.clone(),
            path: path.to_owned(),
            uri: place.uri(path),
            size: uploaded.bytes,
            version: uploaded.etag,
        }
    }
}

/// A presigned URL, which needs no API key.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct UrlAnswer {
    /// The URL. Anyone who has it can use it until it expires
    pub(super) url: String,
    /// Time of expiry, if known
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<String>,
}

impl From<PresignedUrl> for UrlAnswer {
    fn from(url: PresignedUrl) -> Self {
        let expiry = url
            .expires_at()
            .and_then(|time| jiff::Timestamp::try_from(time).ok());
        Self {
            url: url.as_str().to_owned(),
            expires_at: expiry.map(|time| time.to_string()),
        }
    }
}

/// Counts the bytes of entries in an answer.
#[derive(Debug, Default)]
pub(super) struct AnswerSize(usize);

impl AnswerSize {
    /// Adds an entry, and returns whether the answer may have more.
    pub(super) fn add(&mut self, entry: &impl Serialize) -> bool {
        self.0 += serde_json::to_vec(entry).map_or(0, |json| json.len());
        self.0 < crate::limits::ANSWER_BYTES
    }
}
