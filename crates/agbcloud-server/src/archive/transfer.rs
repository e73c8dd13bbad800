//! The loop of a copy: reads records in batches, copies and verifies their contents, and writes them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::checks::{ContentCheck, RecordCheck};
use super::endpoint::{Sink, Source};
use super::error::ArchiveError;
use super::options::CopyOptions;
use super::report::{CopyPhase, CopyProgress, CopyReport};
use crate::blobs::BlobError;
use crate::crash;
use crate::fsck::{Finding, FindingKind};
use crate::metadata::record::{BlobChecksums, ContentRecord, FileRecord, Record};

/// Number of blobs that are read at once, if source and target permit it.
const MAX_CONCURRENCY: usize = 8;
/// Number of findings after which a dry run ends.
const MAX_FINDINGS: usize = 1000;

/// A copy from a source to a sink. Without a sink it only verifies the source.
pub(super) struct Transfer<'a> {
    source: &'a mut dyn Source,
    sink: Option<&'a mut dyn Sink>,
    options: &'a CopyOptions,
    phase: CopyPhase,
    report: CopyReport,
    bytes: AtomicU64,
}

/// The outcome of copying one content.
enum Copied {
    Content(BlobChecksums),
    /// It was in the target already.
    Skipped(BlobChecksums),
    Damaged(Finding),
    /// A service has deleted it since the start of the copy, which wrote nothing.
    Deleted,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(
        source: &'a mut dyn Source,
        sink: Option<&'a mut dyn Sink>,
        options: &'a CopyOptions,
    ) -> Self {
        Self {
            source,
            report: CopyReport {
                dry_run: sink.is_none(),
                ..CopyReport::default()
            },
            sink,
            options,
            phase: CopyPhase::Copying,
            bytes: AtomicU64::new(0),
        }
    }

    /// Reports progress as the verification of a target.
    pub(super) fn verifying(self) -> Self {
        Self {
            phase: CopyPhase::Verifying,
            ..self
        }
    }

    /// Copies everything. Stops at the first damage, unless nothing is written: then all damage is reported.
    pub(super) async fn run(mut self) -> Result<CopyReport, ArchiveError> {
        let copied = self.copy().await;
        if copied.is_err() {
            self.source.abandon().await;
        }
        copied
    }

    async fn copy(&mut self) -> Result<CopyReport, ArchiveError> {
        let mut check = RecordCheck::default();
        loop {
            let items = self.source.next().await?;
            if items.is_empty() {
                break;
            }
            // With the ids of their contexts.
            let (mut records, mut contexts) = (Vec::with_capacity(items.len()), Vec::new());
            for item in items {
                let checked = item
                    .inspect_err(|finding| check.skip(finding))
                    .and_then(|record| check.check(&record).map(|()| record));
                match checked {
                    Ok(record) => {
                        records.push(record);
                        contexts.push(check.context().to_owned());
                    }
                    Err(finding) => self.report.findings.push(finding),
                }
            }
            let blobs = self.copy_contents(&records, &contexts).await?;
            self.end_if_damaged()?;
            self.report.add(&records);
            let added = self.report.add_checksums(&records);
            added.map_err(ArchiveError::failed)?;
            if let Some(sink) = &mut self.sink {
                sink.write(records, blobs).await?;
                crash::point("copy-after-batch");
            }
            self.options.report(CopyProgress {
                phase: self.phase,
                files: self.report.files,
                bytes: self.bytes.load(Ordering::Relaxed),
            });
        }
        if self.report.findings.is_empty() {
            self.source.finish().await?;
            if let Some(sink) = &mut self.sink {
                crash::point("copy-before-finish");
                sink.finish(&self.report, self.options).await?;
                self.report.key_file = sink.key_file();
            }
            return Ok(std::mem::take(&mut self.report));
        }
        Err(self.damaged())
    }

    fn damaged(&mut self) -> ArchiveError {
        ArchiveError::Damaged {
            place: self.source.describe(),
            report: Box::new(std::mem::take(&mut self.report)),
        }
    }

    fn end_if_damaged(&mut self) -> Result<(), ArchiveError> {
        let max = match self.sink {
            Some(_) => 1,
            None => MAX_FINDINGS,
        };
        match self.report.findings.len() {
            found if found < max => Ok(()),
            _ => Err(self.damaged()),
        }
    }

    /// Copies the contents of the files of a batch.
    async fn copy_contents(
        &mut self,
        records: &[Record],
        contexts: &[String],
    ) -> Result<HashMap<String, BlobChecksums>, ArchiveError> {
        let concurrency = self.source.concurrency().min(MAX_CONCURRENCY);
        let concurrency = match &self.sink {
            Some(sink) => concurrency.min(sink.concurrency()),
            None => concurrency,
        };
        let this = &*self;
        // Boxed, since the compiler can't prove that closures which borrow from the batch are `Send`.
        let mut copies: Vec<BoxFuture<'_, _>> = Vec::new();
        for (record, context) in records.iter().zip(contexts) {
            if let Record::File(file) = record {
                copies.push(Box::pin(async move {
                    let copied = this.copy_content(file, context).await?;
                    Ok::<_, ArchiveError>((file.blob(), copied))
                }));
            }
        }
        let copied: Vec<_> = stream::iter(copies)
            .buffered(concurrency)
            .try_collect()
            .await?;
        let mut blobs = HashMap::new();
        for (blob, copied) in copied {
            let checksums = match copied {
                Copied::Content(checksums) => checksums,
                Copied::Skipped(checksums) => {
                    self.report.skipped_files += 1;
                    checksums
                }
                Copied::Damaged(finding) => {
                    self.report.findings.push(finding);
                    continue;
                }
                Copied::Deleted => continue,
            };
            if let Some(blob) = blob {
                blobs.insert(blob.to_owned(), checksums);
            }
        }
        Ok(blobs)
    }

    async fn copy_content(&self, file: &FileRecord, context: &str) -> Result<Copied, ArchiveError> {
        let mut check = ContentCheck::new(file, context);
        let blob = match &file.content {
            ContentRecord::Inline(bytes) => {
                check.update(bytes);
                self.count(bytes.len());
                return Ok(match check.finish() {
                    Ok(checksums) => Copied::Content(checksums),
                    Err(finding) => Copied::Damaged(finding),
                });
            }
            ContentRecord::Blob(blob) => blob,
        };
        if let Some(checksums) = self.find_existing(file, blob, context).await? {
            self.count(usize::try_from(file.size).unwrap_or(usize::MAX));
            return Ok(Copied::Skipped(checksums));
        }
        let mut chunks = match self.source.open_blob(blob).await {
            Ok(chunks) => chunks,
            Err(BlobError::Missing) if !self.is_current(blob).await? => {
                return Ok(Copied::Deleted);
            }
            Err(BlobError::Missing) => {
                let detail = format!("the content of the file, blob {blob}, is missing");
                return Ok(Copied::Damaged(
                    check.finding(FindingKind::MissingContent, detail),
                ));
            }
            Err(error) => return Err(error.into()),
        };
        let mut writer = match &self.sink {
            Some(sink) => Some(sink.create_blob(blob, file.size).await?),
            None => None,
        };
        crash::point("copy-before-blob");
        let found = loop {
            match chunks.try_next().await {
                // The rest can't be right.
                Ok(Some(bytes)) if !check.fits(&bytes) => {
                    check.update(&bytes);
                    break check.finish();
                }
                Ok(Some(bytes)) => {
                    check.update(&bytes);
                    self.count(bytes.len());
                    if let Some(writer) = &mut writer {
                        writer.write(bytes).await?;
                    }
                }
                Ok(None) => break check.finish(),
                Err(error @ (BlobError::Missing | BlobError::Damaged(_) | BlobError::Io(_))) => {
                    let detail =
                        format!("failed to read the content of the file, blob {blob}: {error}");
                    break Err(check.finding(FindingKind::DamagedContent, detail));
                }
                // A store that does not respond is not damaged.
                Err(error) => return Err(error.into()),
            }
        };
        match (found, writer) {
            (Ok(checksums), Some(writer)) => {
                writer.finish().await?;
                crash::point("copy-after-blob");
                Ok(Copied::Content(checksums))
            }
            (Ok(checksums), None) => Ok(Copied::Content(checksums)),
            (Err(_), None) if !self.is_current(blob).await? => Ok(Copied::Deleted),
            (Err(finding), writer) => {
                if let Some(writer) = writer {
                    writer.abort().await;
                }
                Ok(Copied::Damaged(finding))
            }
        }
    }

    /// Whether a blob of the source is still in use. Always, unless nothing is written: then the source keeps no deleted blobs.
    async fn is_current(&self, blob: &str) -> Result<bool, ArchiveError> {
        match self.sink {
            Some(_) => Ok(true),
            None => self.source.is_current(blob).await,
        }
    }

    /// Returns the checksums of a blob that is in the target already, if they match the row.
    async fn find_existing(
        &self,
        file: &FileRecord,
        blob: &str,
        context: &str,
    ) -> Result<Option<BlobChecksums>, ArchiveError> {
        let Some(sink) = &self.sink else {
            return Ok(None);
        };
        let Some(mut chunks) = sink.open_existing(blob).await? else {
            return Ok(None);
        };
        let mut check = ContentCheck::new(file, context);
        while let Ok(Some(bytes)) = chunks.try_next().await {
            if !check.fits(&bytes) {
                return Ok(None);
            }
            check.update(&bytes);
        }
        Ok(check.finish().ok())
    }

    fn count(&self, bytes: usize) {
        let bytes = bytes as u64;
        let total = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if bytes >= 64 * 1024 {
            self.options.report(CopyProgress {
                phase: self.phase,
                files: self.report.files,
                bytes: total,
            });
        }
    }
}
