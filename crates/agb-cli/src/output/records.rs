//! The records that commands print, and their JSON.

use std::time::SystemTime;

use agbcloud::{
    Change, Context, FileEntry, FileOutcome, PlannedChange, SkipReason, SkippedEntry, Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use super::transfer_summary::{FailedFile, SkippedItem, TransferSummary};
use super::{
    human::{ago, bytes},
    rows::Row,
    table::{Layout, Narrowing},
};

/// A context.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ContextRow {
    /// The id. It never changes.
    pub(crate) id: String,
    /// The name.
    pub(crate) name: String,
    /// The state: `available`, `clearing`, or another state of the service.
    pub(crate) state: String,
    /// When the context was created, as the service formats it.
    pub(crate) created_at: Option<String>,
    /// When the context was last used, as the service formats it.
    pub(crate) last_used_at: Option<String>,
    #[serde(skip)]
    times: [Option<Timestamp>; 2],
}

impl From<Context> for ContextRow {
    fn from(context: Context) -> Self {
        let text = |time: &Option<Timestamp>| time.as_ref().map(|time| time.as_str().to_owned());
        Self {
            id: context.id.to_string(),
            state: context.state.to_string(),
            created_at: text(&context.created_at),
            last_used_at: text(&context.last_used_at),
            times: [context.created_at, context.last_used_at],
            name: context.name,
        }
    }
}

impl Row for ContextRow {
    const COLUMNS: &'static [&'static str] = &["name", "id", "state", "created", "last used"];
    const LAYOUT: Layout = Layout {
        // A part of an id is useless. A name can be shortened, since contexts can be named by id.
        narrowing: &[
            Narrowing::Shorten { column: 0, min: 20 },
            Narrowing::Omit(4),
            Narrowing::Omit(3),
            Narrowing::Shorten { column: 0, min: 12 },
            Narrowing::Shorten { column: 1, min: 12 },
        ],
        wraps_last: false,
    };

    fn plain(&self) -> Vec<String> {
        let text = |time: &Option<String>| time.clone().unwrap_or_default();
        vec![
            self.name.clone(),
            self.id.clone(),
            self.state.clone(),
            text(&self.created_at),
            text(&self.last_used_at),
        ]
    }

    fn human(&self) -> Vec<String> {
        let [created, used] = &self.times;
        vec![
            self.name.clone(),
            self.id.clone(),
            self.state.clone(),
            ago(created.as_ref()),
            ago(used.as_ref()),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

/// A file or folder of a context.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EntryRow {
    /// Name or id of the context as given, if there are several operands, and always by `find`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<String>,
    /// Absolute path in the context.
    pub(crate) path: String,
    /// Last segment of the path.
    pub(crate) name: String,
    /// `file` or `folder`.
    pub(crate) kind: &'static str,
    /// Size in bytes, if the service reports it.
    pub(crate) size: Option<u64>,
    /// When the file was last modified, as the service formats it.
    pub(crate) modified_at: Option<String>,
    #[serde(skip)]
    modified: Option<Timestamp>,
    /// Whether sizes have a unit in tab-separated values.
    #[serde(skip)]
    human: bool,
}

impl EntryRow {
    /// Adds the context to the address that is shown.
    pub(crate) fn in_context(self, context: &str) -> Self {
        Self {
            context: Some(context.to_owned()),
            ..self
        }
    }

    /// Shows the size with a unit in tab-separated values, too.
    pub(crate) fn with_human_size(self) -> Self {
        Self {
            human: true,
            ..self
        }
    }

    /// The time of the last change.
    pub(crate) fn modified(&self) -> Option<SystemTime> {
        self.modified.as_ref()?.to_system_time()
    }

    /// The path, with the context if it is shown.
    pub(crate) fn address(&self) -> String {
        address(self.context.as_deref(), &self.path)
    }
}

fn address(context: Option<&str>, path: &str) -> String {
    match context {
        Some(context) => format!("{context}:{path}"),
        None => path.to_owned(),
    }
}

impl From<FileEntry> for EntryRow {
    fn from(entry: FileEntry) -> Self {
        let folder = entry.is_folder();
        Self {
            kind: if folder { "folder" } else { "file" },
            size: entry.size.filter(|_| !folder),
            modified_at: entry
                .modified_at
                .as_ref()
                .map(|time| time.as_str().to_owned()),
            modified: entry.modified_at,
            context: None,
            human: false,
            path: entry.path,
            name: entry.name,
        }
    }
}

impl Row for EntryRow {
    const COLUMNS: &'static [&'static str] = &["kind", "size", "modified", "path"];

    fn plain(&self) -> Vec<String> {
        let size = match self.human {
            true => bytes(self.size),
            false => self.size.map(|size| size.to_string()).unwrap_or_default(),
        };
        let modified = self.modified_at.clone().unwrap_or_default();
        vec![self.kind.to_owned(), size, modified, self.address()]
    }

    fn details(&self) -> Vec<String> {
        let mut values = self.human();
        if let Some(size) = self.size.filter(|size| *size >= 1024) {
            values[1] += &format!(" ({size} bytes)");
        }
        if let Some(modified) = &self.modified_at {
            values[2] += &format!(" ({modified})");
        }
        values
    }

    fn human(&self) -> Vec<String> {
        vec![
            self.kind.to_owned(),
            bytes(self.size),
            ago(self.modified.as_ref()),
            self.address(),
        ]
    }

    fn name(&self) -> String {
        self.address()
    }
}

/// A file or folder, shown by its path only.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct NameRow(pub(crate) EntryRow);

impl Row for NameRow {
    const COLUMNS: &'static [&'static str] = &["name"];

    fn plain(&self) -> Vec<String> {
        let slash = if self.0.kind == "folder" { "/" } else { "" };
        vec![format!("{}{slash}", self.0.address())]
    }

    fn name(&self) -> String {
        self.0.address()
    }
}

/// The total size of a folder.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UsageRow {
    /// Name or id of the context as given, if there are several operands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<String>,
    /// Path of the folder or file.
    pub(crate) path: String,
    /// Number of files in the folder and its subfolders.
    pub(crate) files: u64,
    /// Total size of the files in bytes.
    pub(crate) bytes: u64,
    /// Whether sizes have a unit in tab-separated values.
    #[serde(skip)]
    pub(crate) human: bool,
}

impl Row for UsageRow {
    const COLUMNS: &'static [&'static str] = &["size", "files", "path"];

    fn plain(&self) -> Vec<String> {
        let size = match self.human {
            true => bytes(Some(self.bytes)),
            false => self.bytes.to_string(),
        };
        let address = address(self.context.as_deref(), &self.path);
        vec![size, self.files.to_string(), address]
    }

    fn human(&self) -> Vec<String> {
        vec![
            bytes(Some(self.bytes)),
            self.files.to_string(),
            address(self.context.as_deref(), &self.path),
        ]
    }

    fn name(&self) -> String {
        address(self.context.as_deref(), &self.path)
    }
}

/// One change of a folder copy.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChangeRow {
    /// The change: `upload`, `download`, `copy` (within the service), `move`, `delete-remote` or `delete-local`; in a dry run also
    /// `skip`.
    pub(crate) change: &'static str,
    /// Path relative to both folders.
    pub(crate) path: String,
    /// Size in bytes, if known.
    pub(crate) size: Option<u64>,
    /// Whether the change replaces a file.
    pub(crate) replaces: bool,
    /// Whether the replaced version is kept under another name.
    pub(crate) keeps_both: bool,
    /// Whether the file is restored on the side that had deleted it, after an edit on the other side (`--both`).
    pub(crate) restores: bool,
    /// Whether the local file has the executable bit, which a context does not store.
    pub(crate) executable: bool,
    /// Why the file is skipped: `symlink`, `special_file`, `empty_folder`, `unfinished_download`, `conflict`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    #[serde(skip)]
    suffix: String,
}

impl From<&SkippedEntry> for ChangeRow {
    fn from(entry: &SkippedEntry) -> Self {
        Self::skipped(entry.path.clone(), entry.reason)
    }
}

impl From<PlannedChange> for ChangeRow {
    fn from(planned: PlannedChange) -> Self {
        Self {
            change: change_name(planned.change),
            path: planned.path,
            size: planned.size,
            replaces: planned.replaces,
            keeps_both: planned.keeps_both,
            restores: planned.restores,
            executable: planned.executable,
            reason: None,
            suffix: match planned {
                PlannedChange {
                    keeps_both: true, ..
                } => " (keeps both)".to_owned(),
                PlannedChange { restores: true, .. } => " (restores)".to_owned(),
                PlannedChange { replaces: true, .. } => " (replaces)".to_owned(),
                _ => String::new(),
            },
        }
    }
}

impl ChangeRow {
    /// An entry that is not copied.
    pub(crate) fn skipped(path: String, reason: SkipReason) -> Self {
        Self {
            change: "skip",
            path,
            size: None,
            replaces: false,
            keeps_both: false,
            restores: false,
            executable: false,
            reason: Some(reason.as_str()),
            suffix: format!(" ({reason})"),
        }
    }

    /// A copy within the service, a move, or a change of a single file.
    pub(crate) fn within_service(
        change: &'static str,
        path: String,
        size: Option<u64>,
        replaces: bool,
    ) -> Self {
        Self {
            change,
            path,
            size,
            replaces,
            keeps_both: false,
            restores: false,
            executable: false,
            reason: None,
            suffix: if replaces { " (replaces)" } else { "" }.to_owned(),
        }
    }

    /// A change that was made; `None` for a failure.
    pub(crate) fn of_outcome(outcome: &FileOutcome<'_>) -> Option<Self> {
        let change = outcome.change.filter(|_| outcome.error.is_none())?;
        Some(Self {
            change: change_name(change),
            path: outcome.path.to_owned(),
            size: outcome.size,
            replaces: false,
            keeps_both: outcome.kept.is_some(),
            restores: false,
            executable: false,
            reason: None,
            suffix: String::new(),
        })
    }

    pub(crate) fn deletes(&self) -> bool {
        self.change.starts_with("delete")
    }
}

fn change_name(change: Change) -> &'static str {
    match change {
        Change::Upload => "upload",
        Change::Download => "download",
        Change::DeleteRemote => "delete-remote",
        Change::DeleteLocal => "delete-local",
        _ => "other",
    }
}

impl Row for ChangeRow {
    const COLUMNS: &'static [&'static str] = &["change", "size", "path"];

    fn plain(&self) -> Vec<String> {
        let size = self.size.map(|size| size.to_string()).unwrap_or_default();
        let mut cells = vec![self.change.to_owned(), size, self.path.clone()];
        cells.extend(self.reason.map(str::to_owned));
        cells
    }

    fn human(&self) -> Vec<String> {
        vec![
            format!("{}{}", self.change, self.suffix),
            bytes(self.size),
            self.path.clone(),
        ]
    }

    fn name(&self) -> String {
        self.path.clone()
    }
}

/// A presigned URL.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UrlRow {
    /// The URL. Anyone who has it can use it.
    pub(crate) url: String,
    /// `GET` or `PUT`.
    pub(crate) method: &'static str,
    /// When the URL expires, in RFC 3339, if known.
    pub(crate) expires_at: Option<String>,
}

/// The result of an action on a context or file.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ActionResult {
    /// Name of the context or address of the file.
    pub(crate) name: String,
    /// Id of the context. Absent for a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// `deleted`, `cleared`, `clearing`, `renamed`, or `available` if 'context wait' finds no clear in progress.
    pub(crate) result: &'static str,
}

impl ActionResult {
    pub(crate) fn new(context: &Context, result: &'static str) -> Self {
        Self {
            name: context.name.clone(),
            id: Some(context.id.to_string()),
            result,
        }
    }
}

/// The result of `agb edit`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EditResult {
    /// Address of the file.
    pub(crate) address: String,
    /// `saved`, `created`, `unchanged` or `not created`.
    pub(crate) result: &'static str,
    /// Size of the uploaded file in bytes, and 0 if nothing was saved.
    pub(crate) bytes: u64,
}

/// The result of `agb open`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OpenResult {
    /// Address of the file.
    pub(crate) address: String,
    /// Path of the local copy.
    pub(crate) local_path: String,
}
