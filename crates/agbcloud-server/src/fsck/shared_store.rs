//! Checks and repairs a PostgreSQL database and its store of blobs, while services may use them.
//!
//! The rows are read from one snapshot. What services change meanwhile is no damage: before a missing content or an unknown blob
//! is reported, the current rows are read.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::contents::{compare, damaged, missing};
use super::report::{Finding, FindingKind, FsckReport};
use super::{FsckMode, QUARANTINE_TIME};
use crate::blobs::{BlobError, Blobs, BlockChecksums};
use crate::checksums::{Checksums, Hasher};
use crate::durability::Durability;
use crate::error::StartError;
use crate::markers::{SharedMarker, new_id};
use crate::metadata::check::{Problem, ProblemKind};
use crate::metadata::postgres::check::{CheckedFile, Damage, MarkerState, OrphanContent, Snapshot};
use crate::metadata::postgres::{OpenError, Postgres};
use crate::metadata::{Content, Metadata, StoreError, UploadId};
use crate::open_storage::{open_blobs, open_blobs_for_reading};
use crate::storage::{BlobsUrl, SecretUrl};
use crate::system::clock::{Clock, Micros, SystemClock};

/// Number of contents that are read at the same time.
const READS: usize = 8;
/// Blobs that are looked up with one query.
const BLOBS_PER_QUERY: usize = 500;
/// A younger blob may belong to an upload that is not registered yet.
const MIN_ORPHAN_AGE: Duration = Duration::from_secs(24 * 3600);

/// A database and its store of blobs.
struct SharedStore {
    database: Postgres,
    blobs: Blobs,
    mode: FsckMode,
}

/// How the markers of the database and of the store of blobs do not belong together.
struct MarkerDamage {
    problem: Problem,
    database: Option<SharedMarker>,
    blobs: Option<SharedMarker>,
}

pub(super) async fn check(
    metadata: &SecretUrl,
    blobs: &BlobsUrl,
    mode: FsckMode,
) -> Result<FsckReport, StartError> {
    let variable = |name: &str| std::env::var(name).ok();
    let repair = mode != FsckMode::Check;
    let database = Postgres::open_for_check(metadata.expose(), variable, repair).await?;
    if let BlobsUrl::Folder(path) = blobs
        && !path.is_dir()
    {
        return Err(StartError::Folder {
            path: path.clone(),
            source: io::ErrorKind::NotFound.into(),
        });
    }
    let store = SharedStore {
        database,
        blobs: match mode {
            // Changes nothing.
            FsckMode::Check => open_blobs_for_reading(blobs)?,
            FsckMode::Repair | FsckMode::Accept => open_blobs(blobs, Durability::Strict).await?,
        },
        mode,
    };
    store.check().await
}

impl SharedStore {
    async fn check(&self) -> Result<FsckReport, StartError> {
        let mut report = FsckReport::default();
        self.check_markers(&mut report).await?;
        let mut snapshot = self.database.snapshot().await.map_err(database_failed)?;
        report.contexts = snapshot.count_contexts().await.map_err(database_failed)?;
        let damage = snapshot.check_rows().await.map_err(database_failed)?;
        let orphans = snapshot.orphan_contents().await.map_err(database_failed)?;
        self.check_contents(&mut snapshot, &mut report).await?;
        drop(snapshot);
        self.repair(damage, &mut report).await?;
        // While rows are damaged or lost, unreferenced contents may be what is missing.
        let queues = self.repairs() && !report.is_damaged();
        for orphan in orphans {
            if queues {
                self.queue_content(orphan).await?;
            }
            let problem = Problem::from(ProblemKind::OrphanContent(orphan.bytes));
            report.add(vec![problem.repaired(queues)]);
        }
        self.check_blobs(queues, &mut report).await?;
        Ok(report)
    }

    fn repairs(&self) -> bool {
        self.mode != FsckMode::Check
    }

    /// Compares the markers. Replaces both if they do not belong together and that is accepted.
    async fn check_markers(&self, report: &mut FsckReport) -> Result<(), StartError> {
        let mut found = self.compare_markers().await?;
        if found.is_some() {
            // A service may have written one of them in between.
            found = self.compare_markers().await?;
        }
        let Some(MarkerDamage {
            problem,
            database,
            blobs,
        }) = found
        else {
            return Ok(());
        };
        let accept = self.mode == FsckMode::Accept;
        if accept {
            let store = match database.or(blobs) {
                Some(marker) => marker.store,
                None => new_id().map_err(|_| StartError::NoRandom)?,
            };
            let sequence = [database, blobs].into_iter().flatten();
            let sequence = sequence.map(|marker| marker.sequence).max().unwrap_or(0) + 1;
            let marker = SharedMarker { store, sequence };
            self.database
                .replace_marker(marker)
                .await
                .map_err(database_failed)?;
            self.blobs
                .write_shared_marker(marker)
                .await
                .map_err(blobs_failed)?;
            self.database
                .confirm_marker()
                .await
                .map_err(database_failed)?;
        }
        report.add(vec![problem.repaired(accept)]);
        Ok(())
    }

    /// Reads the marker of the store of blobs first: services write it last.
    async fn compare_markers(&self) -> Result<Option<MarkerDamage>, StartError> {
        let mut problem = None;
        let blobs = match self.blobs.shared_marker().await {
            Ok(found) => found,
            Err(BlobError::Damaged(_)) => {
                let damaged = "the marker in the store of blobs is damaged".to_owned();
                problem = Some(ProblemKind::Unreadable(damaged).into());
                None
            }
            Err(error) => return Err(blobs_failed(error)),
        };
        let database = match self.database.read_marker().await.map_err(database_failed)? {
            MarkerState::Found(marker, confirmed) => {
                if problem.is_none()
                    && let Err(mismatch) = marker.check(blobs.as_ref(), confirmed)
                {
                    problem = Some(ProblemKind::StoreMismatch(mismatch).into());
                }
                Some(marker)
            }
            MarkerState::Unreadable(unreadable) => {
                problem = Some(unreadable);
                None
            }
        };
        Ok(problem.map(|problem| MarkerDamage {
            problem,
            database,
            blobs,
        }))
    }

    /// Reads the contents of all files of the snapshot.
    async fn check_contents(
        &self,
        snapshot: &mut Snapshot,
        report: &mut FsckReport,
    ) -> Result<(), StartError> {
        snapshot.open_files().await.map_err(database_failed)?;
        loop {
            let files = snapshot.next_files().await.map_err(database_failed)?;
            if files.is_empty() {
                return Ok(());
            }
            let mut checks = stream::iter(files)
                .map(|file| self.check_file(file))
                .buffered(READS);
            while let Some(checked) = checks.try_next().await? {
                report.files += 1;
                report.bytes += checked.bytes;
                report.findings.extend(checked.findings);
            }
        }
    }

    async fn check_file(&self, checked: CheckedFile) -> Result<FileCheck, StartError> {
        let mut check = FileCheck::default();
        let file = &checked.file;
        if checked.is_misnamed {
            check
                .findings
                .push(Problem::from(ProblemKind::InvalidPath).into());
        }
        match &file.content {
            None => {
                let problem = Problem::from(ProblemKind::MissingContent);
                check.findings.push(problem.into());
            }
            Some(Content::Inline(bytes)) => {
                let mut hasher = Hasher::new();
                hasher.update(bytes);
                let found = hasher.finish();
                check.bytes = found.size;
                check.findings.extend(compare(file, &found));
            }
            Some(Content::Blob(blob)) => match self.read(blob).await {
                Ok((found, blocks)) => {
                    check.bytes = found.size;
                    match compare(file, &found) {
                        Some(finding) => check.findings.push(finding),
                        None => {
                            let blocks = self.check_blocks(&checked, blob, &found, blocks).await?;
                            check.findings.extend(blocks);
                        }
                    }
                }
                Err(error) => check.findings.extend(self.unread(blob, error).await?),
            },
        }
        for finding in &mut check.findings {
            finding.context = Some(file.context.clone());
            finding.path = Some(file.path.clone());
        }
        Ok(check)
    }

    async fn read(&self, blob: &str) -> Result<(Checksums, BlockChecksums), BlobError> {
        let read = self
            .blobs
            .compute_checksums(blob, Hasher::new(), Hasher::update);
        let (hasher, blocks) = read.await?;
        Ok((hasher.finish(), blocks))
    }

    /// Compares the checksums of the blocks of an undamaged blob, and replaces wrong ones.
    async fn check_blocks(
        &self,
        checked: &CheckedFile,
        blob: &str,
        found: &Checksums,
        blocks: BlockChecksums,
    ) -> Result<Option<Finding>, StartError> {
        let Some(stored) = &checked.blocks else {
            return Ok(None);
        };
        if stored.match_blob(found.crc64, &blocks) {
            return Ok(None);
        }
        if self.repairs() {
            self.database
                .store_block_checksums(blob.to_owned(), found.crc64, blocks)
                .await
                .map_err(database_failed)?;
        }
        let problem = Problem::from(ProblemKind::BlockChecksums);
        Ok(Some(problem.repaired(self.repairs()).into()))
    }

    /// Returns what an unsuccessful read means: nothing if no row refers to the blob any more.
    async fn unread(&self, blob: &str, error: BlobError) -> Result<Option<Finding>, StartError> {
        let referenced = self.database.is_referenced(blob).await;
        if !referenced.map_err(database_failed)? {
            return Ok(None);
        }
        match error {
            BlobError::Missing => Ok(Some(missing(format!(
                "the content of the file, blob {blob}, is missing"
            )))),
            // Says nothing about this blob.
            error @ BlobError::Unavailable(_) => Err(blobs_failed(error)),
            error => Ok(Some(damaged(format!(
                "failed to read the content of the file, blob {blob}: {error}"
            )))),
        }
    }

    /// Reports the damage of rows, after repairs.
    async fn repair(&self, damage: Vec<Damage>, report: &mut FsckReport) -> Result<(), StartError> {
        let mut last = None;
        for Damage { problem, repair } in damage {
            let repaired = self.repairs() && repair.is_some();
            // Several counts of one row are repaired together.
            if let Some(repair) = repair.filter(|_| repaired)
                && last.as_ref() != Some(&repair)
            {
                self.database
                    .repair(&repair)
                    .await
                    .map_err(database_failed)?;
                last = Some(repair);
            }
            report.add(vec![problem.repaired(repaired)]);
        }
        Ok(())
    }

    /// Moves a content of the database to a blob that is deleted after some time.
    async fn queue_content(&self, orphan: OrphanContent) -> Result<(), StartError> {
        let bytes = self.database.read_orphan(orphan).await;
        let Some(bytes) = bytes.map_err(database_failed)? else {
            return Ok(());
        };
        let upload = self.blobs.upload(bytes.len() as u64).await;
        let mut upload = upload.map_err(blobs_failed)?;
        let registered = UploadId {
            blob: upload.key().to_owned(),
            multipart: upload.multipart().map(str::to_owned),
        };
        self.database
            .register_upload(&registered)
            .await
            .map_err(database_failed)?;
        upload
            .write(Bytes::from(bytes))
            .await
            .map_err(blobs_failed)?;
        let blob = upload.finish().await.map_err(blobs_failed)?;
        self.database
            .replace_orphan(orphan, &blob, QUARANTINE_TIME)
            .await
            .map_err(database_failed)
    }

    /// Reports blobs that no row knows, and queues them for deletion after some time.
    async fn check_blobs(&self, queues: bool, report: &mut FsckReport) -> Result<(), StartError> {
        let now = Micros::of(SystemClock.now());
        let min_age = i64::try_from(MIN_ORPHAN_AGE.as_micros()).unwrap_or(i64::MAX);
        let mut lists = self
            .blobs
            .list()
            .try_filter(|found| std::future::ready(found.modified.0 <= now.0 - min_age))
            .map_ok(|found| found.blob)
            .try_chunks(BLOBS_PER_QUERY);
        loop {
            let blobs = match lists.try_next().await {
                Ok(Some(blobs)) => blobs,
                Ok(None) => return Ok(()),
                Err(error) => return Err(blobs_failed(error.1)),
            };
            let orphans = self.unknown(blobs).await?;
            if queues && !orphans.is_empty() {
                self.database
                    .queue_orphans(&orphans, QUARANTINE_TIME)
                    .await
                    .map_err(database_failed)?;
            }
            for orphan in orphans {
                let detail = format!("no file references the blob {orphan}");
                report.findings.push(Finding {
                    repaired: queues,
                    ..Finding::new(FindingKind::OrphanBlob, detail)
                });
            }
        }
    }

    /// Returns those of the listed blobs that no row knows and that still exist.
    async fn unknown(&self, listed: Vec<String>) -> Result<Vec<String>, StartError> {
        let unreferenced = self.database.unreferenced_blobs(listed).await;
        let mut unknown = Vec::new();
        for blob in unreferenced.map_err(database_failed)? {
            // The row of a queued blob is removed after the blob.
            if self
                .blobs
                .size(&blob)
                .await
                .map_err(blobs_failed)?
                .is_some()
            {
                unknown.push(blob);
            }
        }
        Ok(unknown)
    }
}

/// The result of reading a content.
#[derive(Default)]
struct FileCheck {
    bytes: u64,
    findings: Vec<Finding>,
}

fn database_failed(error: StoreError) -> StartError {
    OpenError::from(error).into()
}

fn blobs_failed(error: BlobError) -> StartError {
    StartError::Blobs {
        reason: error.to_string(),
    }
}

#[cfg(test)]
#[cfg(feature = "test-store")]
mod tests;
