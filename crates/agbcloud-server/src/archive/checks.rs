//! Checks of records and contents.

use crate::blobs::BlockHasher;
use crate::checksums::Hasher;
use crate::fsck::{Finding, FindingKind};
use crate::metadata::record::{
    BlobChecksums, ContextRecord, FileRecord, Record, is_blob_key, join,
};
use crate::system::clock::Micros;

/// Compares a content with the row of its file.
pub(super) struct ContentCheck<'a> {
    file: &'a FileRecord,
    context: &'a str,
    hasher: Hasher,
    blocks: BlockHasher,
}

impl<'a> ContentCheck<'a> {
    pub(super) fn new(file: &'a FileRecord, context: &'a str) -> Self {
        Self {
            file,
            context,
            hasher: Hasher::with_sha256(file.sha256.is_some()),
            blocks: BlockHasher::default(),
        }
    }

    /// Whether these bytes do not exceed the size of the file.
    pub(super) fn fits(&self, bytes: &[u8]) -> bool {
        self.hasher.size() + bytes.len() as u64 <= self.file.size
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.blocks.update(bytes);
    }

    pub(super) fn finish(self) -> Result<BlobChecksums, Finding> {
        let found = self.hasher.finish();
        match self.file.find_difference(&found) {
            None => Ok(BlobChecksums {
                crc64: found.crc64,
                blocks: self.blocks.finish(),
            }),
            Some(detail) => Err(finding(
                FindingKind::DamagedContent,
                self.context,
                &self.file.display_path(),
                detail,
            )),
        }
    }

    pub(super) fn finding(&self, kind: FindingKind, detail: String) -> Finding {
        finding(kind, self.context, &self.file.display_path(), detail)
    }
}

fn finding(kind: FindingKind, context: &str, path: &str, detail: String) -> Finding {
    Finding {
        context: Some(context.to_owned()),
        path: Some(path.to_owned()),
        ..Finding::new(kind, detail)
    }
}

/// Checks that records are valid and in order, on which sinks rely.
#[derive(Default)]
pub(super) struct RecordCheck {
    /// The id of the last context.
    id: String,
    /// The last context: tenant, creation time and id.
    context: Option<(String, Micros, String)>,
    /// The last entry of the context: parent, name, and whether it is a folder.
    entry: Option<(String, String, bool)>,
}

impl RecordCheck {
    /// Returns the id of the context that the last record belongs to.
    pub(super) fn context(&self) -> &str {
        &self.id
    }

    /// Skips a row that can't be copied.
    pub(super) fn skip(&mut self, finding: &Finding) {
        match (&finding.context, &finding.path) {
            (Some(context), None) => {
                self.id.clone_from(context);
                self.entry = None;
            }
            // It may be the root.
            _ => drop(self.entry.get_or_insert_with(Default::default)),
        }
    }

    pub(super) fn check(&mut self, record: &Record) -> Result<(), Finding> {
        let (parent, name, is_folder, is_valid) = match record {
            Record::Context(context) => return self.check_context(context),
            Record::Key(_) if self.context.is_none() => return Ok(()),
            Record::Key(_) => {
                let detail = "the row of a key is not in order".to_owned();
                return Err(Finding::new(FindingKind::Database, detail));
            }
            Record::Folder(folder) => {
                let is_valid = folder.path().is_some() && folder.entries >= 0;
                (&folder.parent, &folder.name, true, is_valid)
            }
            Record::File(file) => {
                let is_valid = file.path().is_some() && file.blob().is_none_or(is_blob_key);
                (&file.parent, &file.name, false, is_valid)
            }
        };
        let key = (parent.clone(), name.clone(), is_folder);
        let in_order = match &self.entry {
            // The root folder comes first.
            None => self.context.is_some() && is_folder && parent.is_empty() && name.is_empty(),
            Some(last) => *last < key,
        };
        self.entry = Some(key);
        match in_order && is_valid {
            true => Ok(()),
            false => Err(finding(
                FindingKind::Database,
                &self.id,
                &join(parent, name),
                "the row is invalid or not in order".to_owned(),
            )),
        }
    }

    fn check_context(&mut self, context: &ContextRecord) -> Result<(), Finding> {
        let (tenant, time, id) = context.key();
        let key = (tenant.to_owned(), time, id.to_owned());
        let in_order = self.context.as_ref().is_none_or(|last| *last < key);
        self.id.clone_from(&context.id);
        self.context = Some(key);
        self.entry = None;
        match in_order && context.generation >= 1 {
            true => Ok(()),
            false => Err(Finding {
                context: Some(context.id.clone()),
                ..Finding::new(
                    FindingKind::Database,
                    "the row of the context is invalid or not in order".to_owned(),
                )
            }),
        }
    }
}
