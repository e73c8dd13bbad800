//! What `--json` prints.

use agbcloud::{Change, Context, FileEntry, PlannedChange, SkippedEntry, SyncReport, Timestamp};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Row, ago, bytes};

/// Grows when a field changes its meaning or goes; new fields may come at any time.
pub(crate) const VERSION: u32 = 1;

/// A context.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ContextRow {
    /// Its id, which never changes.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// What it is doing: `available`, `clearing`, or another state.
    pub(crate) state: String,
    /// When it was made, as the service writes it.
    pub(crate) created_at: Option<String>,
    /// When it was last used, as the service writes it.
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
    const HEAD: &'static [&'static str] = &["name", "id", "state", "created", "last used"];

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

    fn pretty(&self) -> Vec<String> {
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
    /// Its absolute path in the context.
    pub(crate) path: String,
    /// The last segment of that.
    pub(crate) name: String,
    /// `file` or `folder`.
    pub(crate) kind: &'static str,
    /// Bytes, where the service tells them.
    pub(crate) size: Option<u64>,
    /// When it was last written, as the service writes it.
    pub(crate) modified_at: Option<String>,
    #[serde(skip)]
    modified: Option<Timestamp>,
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
            path: entry.path,
            name: entry.name,
        }
    }
}

impl Row for EntryRow {
    const HEAD: &'static [&'static str] = &["kind", "size", "modified", "path"];

    fn plain(&self) -> Vec<String> {
        let size = self.size.map(|size| size.to_string()).unwrap_or_default();
        let modified = self.modified_at.clone().unwrap_or_default();
        vec![self.kind.to_owned(), size, modified, self.path.clone()]
    }

    fn full(&self) -> Vec<String> {
        let mut values = self.pretty();
        if let Some(size) = self.size.filter(|size| *size >= 1024) {
            values[1] += &format!(" ({size} bytes)");
        }
        if let Some(modified) = &self.modified_at {
            values[2] += &format!(" ({modified})");
        }
        values
    }

    fn pretty(&self) -> Vec<String> {
        vec![
            self.kind.to_owned(),
            bytes(self.size),
            ago(self.modified.as_ref()),
            self.path.clone(),
        ]
    }

    fn name(&self) -> String {
        self.path.clone()
    }
}

/// A file or folder, by its name alone.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct NameRow(pub(crate) EntryRow);

impl Row for NameRow {
    const HEAD: &'static [&'static str] = &["name"];

    fn plain(&self) -> Vec<String> {
        let slash = if self.0.kind == "folder" { "/" } else { "" };
        vec![format!("{}{slash}", self.0.path)]
    }

    fn name(&self) -> String {
        self.0.path.clone()
    }
}

/// What is in a folder, in all.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UsageRow {
    /// The folder, or a file.
    pub(crate) path: String,
    /// Files in it and below.
    pub(crate) files: u64,
    /// Bytes of them.
    pub(crate) bytes: u64,
}

impl Row for UsageRow {
    const HEAD: &'static [&'static str] = &["size", "files", "path"];

    fn plain(&self) -> Vec<String> {
        vec![
            self.bytes.to_string(),
            self.files.to_string(),
            self.path.clone(),
        ]
    }

    fn pretty(&self) -> Vec<String> {
        vec![
            bytes(Some(self.bytes)),
            self.files.to_string(),
            self.path.clone(),
        ]
    }

    fn name(&self) -> String {
        self.path.clone()
    }
}

/// One thing that a synchronisation does.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChangeRow {
    /// `upload`, `download`, `delete-remote` or `delete-local`; in a dry run also `skip`.
    pub(crate) change: &'static str,
    /// Path below the two folders.
    pub(crate) path: String,
    /// Bytes, where that is known.
    pub(crate) size: Option<u64>,
    /// Whether it replaces a file.
    pub(crate) replaces: bool,
    /// Whether what it replaces stays under another name.
    pub(crate) keeps_both: bool,
    /// Whether it is a local file with the executable bit, which a context does not keep.
    pub(crate) executable: bool,
    /// Why it is skipped: `symlink`, `special_file`, `empty_folder`, `unfinished_download`, `conflict`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    #[serde(skip)]
    described: String,
}

impl From<&SkippedEntry> for ChangeRow {
    fn from(entry: &SkippedEntry) -> Self {
        Self {
            change: "skip",
            path: entry.path.clone(),
            size: None,
            replaces: false,
            keeps_both: false,
            executable: false,
            reason: Some(entry.reason.as_str()),
            described: format!(" ({})", entry.reason),
        }
    }
}

impl From<PlannedChange> for ChangeRow {
    fn from(planned: PlannedChange) -> Self {
        Self {
            change: word(planned.change),
            path: planned.path,
            size: planned.size,
            replaces: planned.replaces,
            keeps_both: planned.keeps_both,
            executable: planned.executable,
            reason: None,
            described: match planned {
                PlannedChange {
                    keeps_both: true, ..
                } => " (keeps both)".to_owned(),
                PlannedChange { replaces: true, .. } => " (replaces)".to_owned(),
                _ => String::new(),
            },
        }
    }
}

impl ChangeRow {
    pub(crate) fn deletes(&self) -> bool {
        self.change.starts_with("delete")
    }
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Upload => "upload",
        Change::Download => "download",
        Change::DeleteRemote => "delete-remote",
        Change::DeleteLocal => "delete-local",
        _ => "other",
    }
}

impl Row for ChangeRow {
    const HEAD: &'static [&'static str] = &["change", "size", "path"];

    fn plain(&self) -> Vec<String> {
        let size = self.size.map(|size| size.to_string()).unwrap_or_default();
        vec![self.change.to_owned(), size, self.path.clone()]
    }

    fn pretty(&self) -> Vec<String> {
        vec![
            format!("{}{}", self.change, self.described),
            bytes(self.size),
            self.path.clone(),
        ]
    }

    fn name(&self) -> String {
        self.path.clone()
    }
}

/// What came of moving files.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct MovedRow {
    /// Files that were sent or fetched.
    pub(crate) transferred: u64,
    /// Bytes of them.
    pub(crate) bytes: u64,
    /// Files that were the same already.
    pub(crate) unchanged: u64,
    /// Files among them that are the same by size and time alone, since the store has no checksum of them.
    pub(crate) unverified: u64,
    /// Files that were deleted.
    pub(crate) deleted: u64,
    /// Versions that were replaced and are kept under another name (`--conflict keep-both`).
    pub(crate) kept: Vec<KeptRow>,
    /// Entries that were skipped: symbolic links, empty folders and the like.
    pub(crate) skipped: u64,
    /// The first thousand of them.
    pub(crate) skipped_entries: Vec<SkippedRow>,
    /// Files that were sent without their executable bit, which a context does not keep.
    pub(crate) executable: u64,
    /// Paths of the first thousand of them.
    pub(crate) executable_files: Vec<String>,
    /// Files that could not be dealt with.
    pub(crate) failed: u64,
    /// The first thousand of them.
    pub(crate) failures: Vec<FailureRow>,
}

/// A version that was replaced and is kept.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KeptRow {
    /// Path of the file below the two folders.
    pub(crate) path: String,
    /// Path of the kept version below the folder that was written to.
    pub(crate) kept: String,
}

/// An entry that was skipped.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SkippedRow {
    /// Its path below the two folders.
    pub(crate) path: String,
    /// Why: `symlink`, `special_file`, `empty_folder`, `unfinished_download`, `conflict`, …
    pub(crate) reason: &'static str,
}

/// A file that could not be dealt with.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FailureRow {
    /// Its path below the two folders.
    pub(crate) path: String,
    /// The kind of the error: `conflict`, `local_file`, `unavailable`, …
    pub(crate) kind: &'static str,
    /// What went wrong.
    pub(crate) message: String,
    /// Id of the call, to quote when something about it is to be reported.
    pub(crate) request_id: Option<String>,
}

impl From<&SyncReport> for MovedRow {
    fn from(report: &SyncReport) -> Self {
        let failures = report.failures.iter().map(|failure| FailureRow {
            path: failure.path.clone(),
            kind: failure.error.kind().as_str(),
            message: failure.error.to_string(),
            request_id: failure.error.request_id().map(str::to_owned),
        });
        let skipped = report.skipped_entries.iter().map(|entry| SkippedRow {
            path: entry.path.clone(),
            reason: entry.reason.as_str(),
        });
        let kept = report.kept.iter().map(|copy| KeptRow {
            path: copy.path.clone(),
            kept: copy.kept.clone(),
        });
        Self {
            transferred: report.transferred,
            bytes: report.bytes,
            unchanged: report.unchanged,
            unverified: report.unverified,
            deleted: report.deleted,
            kept: kept.collect(),
            skipped: report.skipped,
            skipped_entries: skipped.collect(),
            executable: report.executable,
            executable_files: report.executable_files.clone(),
            failed: report.failed,
            failures: failures.collect(),
        }
    }
}

/// A presigned URL.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UrlRow {
    /// The URL: whoever has it can use it.
    pub(crate) url: String,
    /// `GET` or `PUT`.
    pub(crate) method: &'static str,
    /// When it ends, in RFC 3339, where that is known.
    pub(crate) expires_at: Option<String>,
}

/// What was done with a context or a file.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DoneRow {
    /// The context's name or the file's address.
    pub(crate) name: String,
    /// The context's id; for a file there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// `deleted`, `cleared`, `clearing`, `renamed`; `available` for one that was waited for and is not being cleared.
    pub(crate) done: &'static str,
}

impl DoneRow {
    /// Of a context.
    pub(crate) fn of(context: &Context, done: &'static str) -> Self {
        Self {
            name: context.name.clone(),
            id: Some(context.id.to_string()),
            done,
        }
    }
}

/// One thing that `agb doctor` has looked at.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CheckRow {
    /// What was looked at: `profile`, `settings`, `endpoint`, `key`, `proxy`, `reach`, `clock`, `access`.
    pub(crate) check: &'static str,
    /// Whether it is as it should be.
    pub(crate) good: bool,
    /// What was found.
    pub(crate) found: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

/// Of every command: whether it prints a line for each item, and what the document or line holds.
pub(crate) fn all() -> Value {
    let mut schemas = SchemaSettings::draft2020_12().into_generator();
    let mut commands = Map::new();
    let mut add = |names: &[&str], lines: bool, schema: Value| {
        for name in names {
            let entry = json!({"lines": lines, "schema": schema});
            commands.insert((*name).to_owned(), entry);
        }
    };
    let of = of::<ContextRow>(&mut schemas);
    add(&["context list"], true, of.clone());
    add(&["context get", "context create"], false, of);
    let done = self::of::<DoneRow>(&mut schemas);
    let ends = [
        "context rename",
        "context delete",
        "context clear",
        "context wait",
    ];
    add(&ends, false, done.clone());
    add(&["rm"], true, done);
    let entry = self::of::<EntryRow>(&mut schemas);
    add(&["ls", "tree"], true, entry.clone());
    add(&["stat"], false, entry);
    add(&["du"], true, self::of::<UsageRow>(&mut schemas));
    add(
        &["get", "put", "sync"],
        false,
        self::of::<MovedRow>(&mut schemas),
    );
    add(
        &["diff", "sync --dry-run", "put --dry-run", "get --dry-run"],
        true,
        self::of::<ChangeRow>(&mut schemas),
    );
    add(
        &["url get", "url put"],
        false,
        self::of::<UrlRow>(&mut schemas),
    );
    add(&["doctor"], true, self::of::<CheckRow>(&mut schemas));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What agb prints with --json",
        "version": VERSION,
        "commands": commands,
        "$defs": schemas.take_definitions(true),
    })
}

fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}
