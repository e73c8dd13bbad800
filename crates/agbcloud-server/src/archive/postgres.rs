//! A PostgreSQL database with its store of blobs, as a source and as a sink.

use std::collections::HashMap;

use async_trait::async_trait;
use futures_util::StreamExt;

use super::endpoint::{BlobWriter, Item, Sink, Source};
use super::error::ArchiveError;
use super::options::CopyOptions;
use super::report::CopyReport;
use super::target_blobs::TargetBlobs;
use super::transfer::Transfer;
use crate::blobs::{BlobError, Blobs, Chunks};
use crate::durability::Durability;
use crate::error::StartError;
use crate::markers::StoreMismatch;
use crate::metadata::UploadId;
use crate::metadata::postgres::{CopyError, Export, Import, StartedImport, UnfinishedImport};
use crate::metadata::record::{BlobChecksums, ImportSource, Record, StoreIdentity};
use crate::open_storage::{open_blobs, open_blobs_for_reading};
use crate::storage::{BlobsUrl, SecretUrl, Storage};

/// A snapshot of a database, which services may be using.
pub(super) struct PostgresSource {
    name: String,
    export: Export,
    blobs: Blobs,
}

impl PostgresSource {
    /// Opens a store for reading. With `keeps_blobs`, the services that use it delete no blob before the end. Otherwise nothing
    /// is written.
    pub(super) async fn open(
        store: &Storage,
        metadata: &SecretUrl,
        blobs: &BlobsUrl,
        keeps_blobs: bool,
    ) -> Result<Self, ArchiveError> {
        let name = store.to_string();
        let blobs = open_blobs_for_reading(blobs)?;
        let marker = blobs.shared_marker().await?;
        let export = Export::open(metadata.expose(), variable, marker.as_ref(), keeps_blobs).await;
        Ok(Self {
            export: export.map_err(|error| copy_error(error, &name))?,
            name,
            blobs,
        })
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn copy_error(error: CopyError, target: &str) -> ArchiveError {
    let target = target.to_owned();
    match error {
        CopyError::NotEmpty => ArchiveError::NotEmpty { target },
        CopyError::OtherImport => ArchiveError::OtherImport { target },
        CopyError::NoStore => ArchiveError::NoStore { place: target },
        CopyError::Mismatch(StoreMismatch::OtherBlobs | StoreMismatch::NoMarker) => {
            ArchiveError::OtherBlobs { place: target }
        }
        CopyError::Mismatch(mismatch) => StartError::StoreMismatch { mismatch }.into(),
        CopyError::Open(error) => ArchiveError::Store(error.into()),
    }
}

#[async_trait]
impl Source for PostgresSource {
    fn describe(&self) -> String {
        self.name.clone()
    }

    fn identity(&self) -> &StoreIdentity {
        self.export.identity()
    }

    fn import_source(&self) -> ImportSource {
        ImportSource {
            store: self.identity().id,
            archive: None,
        }
    }

    fn concurrency(&self) -> usize {
        usize::MAX
    }

    async fn next(&mut self) -> Result<Vec<Item>, ArchiveError> {
        let records = self.export.next().await?;
        Ok(records.into_iter().map(Ok).collect())
    }

    async fn open_blob(&self, blob: &str) -> Result<Chunks, BlobError> {
        self.blobs.read_unchecked(blob).await
    }

    async fn is_current(&self, blob: &str) -> Result<bool, ArchiveError> {
        Ok(self.export.is_referenced(blob).await?)
    }

    async fn finish(&mut self) -> Result<(), ArchiveError> {
        Ok(self.export.finish().await?)
    }

    async fn abandon(&mut self) {
        if let Err(error) = self.export.finish().await {
            tracing::warn!(%error, "failed to end the lease of the backup: it expires in two minutes");
        }
    }
}

/// An empty database and store of blobs that are being filled.
pub(super) struct PostgresSink {
    name: String,
    import: Import,
    target: TargetBlobs,
}

impl PostgresSink {
    /// Checks that a database and a store of blobs can be the target, and changes nothing.
    pub(super) async fn check(
        store: &Storage,
        metadata: &SecretUrl,
        blobs: &BlobsUrl,
        source: &ImportSource,
    ) -> Result<(), ArchiveError> {
        let name = store.to_string();
        let checked = Import::check(metadata.expose(), variable, source).await;
        let unfinished = checked.map_err(|error| copy_error(error, &name))?;
        check_blobs(&open_blobs_for_reading(blobs)?, unfinished, &name).await
    }

    /// Starts or continues the import of a store.
    pub(super) async fn open(
        store: &Storage,
        metadata: &SecretUrl,
        blobs: &BlobsUrl,
        source: &ImportSource,
        identity: &StoreIdentity,
    ) -> Result<Self, ArchiveError> {
        let name = store.to_string();
        Self::check(store, metadata, blobs, source).await?;
        let blobs = open_blobs(blobs, Durability::Strict).await?;
        let started = Import::start(metadata.expose(), variable, source, identity).await;
        let StartedImport {
            import,
            marker,
            resumed,
        } = started.map_err(|error| copy_error(error, &name))?;
        blobs.write_shared_marker(marker).await?;
        import.confirm_marker().await?;
        let target = TargetBlobs { blobs, resumed };
        let sink = Self {
            name,
            import,
            target,
        };
        if resumed {
            sink.discard_parts().await?;
        }
        Ok(sink)
    }

    /// Discards the parts of uploads that an earlier attempt did not finish.
    async fn discard_parts(&self) -> Result<(), ArchiveError> {
        let mut after = String::new();
        loop {
            let uploads = self.import.registered(&after).await?;
            let Some(last) = uploads.last() else {
                return Ok(());
            };
            after.clone_from(&last.blob);
            for upload in uploads {
                let multipart = upload.multipart.as_deref();
                self.target
                    .blobs
                    .discard_upload(&upload.blob, multipart)
                    .await?;
            }
        }
    }
}

/// Fails if a store of blobs contains anything, except for that of the import that is continued.
async fn check_blobs(
    blobs: &Blobs,
    unfinished: Option<UnfinishedImport>,
    name: &str,
) -> Result<(), ArchiveError> {
    let target = name.to_owned();
    let found = match blobs.shared_marker().await {
        Ok(found) => found,
        // It is that of a data folder.
        Err(BlobError::Damaged(_)) => return Err(ArchiveError::NotEmpty { target }),
        Err(error) => return Err(error.into()),
    };
    match (found, unfinished) {
        (Some(found), Some(import)) if found == import.marker => Ok(()),
        // The blobs of the source, for example, which have the same id.
        (Some(_), _) => Err(ArchiveError::NotEmpty { target }),
        (None, Some(import)) if import.confirmed => Err(ArchiveError::OtherImport { target }),
        (None, Some(_)) => Ok(()),
        (None, None) => match blobs.list().next().await.transpose()? {
            Some(_) => Err(ArchiveError::NotEmpty { target }),
            None => Ok(()),
        },
    }
}

#[async_trait]
impl Sink for PostgresSink {
    fn concurrency(&self) -> usize {
        usize::MAX
    }

    async fn open_existing(&self, blob: &str) -> Result<Option<Chunks>, ArchiveError> {
        self.target.open_existing(blob).await
    }

    async fn create_blob(
        &self,
        blob: &str,
        size: u64,
    ) -> Result<Box<dyn BlobWriter>, ArchiveError> {
        let upload = self.target.create(blob, size).await?;
        let registered = UploadId {
            blob: blob.to_owned(),
            multipart: upload.multipart().map(str::to_owned),
        };
        self.import.register(&registered).await?;
        Ok(Box::new(upload))
    }

    async fn write(
        &mut self,
        records: Vec<Record>,
        blobs: HashMap<String, BlobChecksums>,
    ) -> Result<(), ArchiveError> {
        Ok(self.import.write(&records, &blobs).await?)
    }

    async fn finish(
        &mut self,
        report: &CopyReport,
        options: &CopyOptions,
    ) -> Result<(), ArchiveError> {
        self.import.complete().await?;
        let export = self.import.read_back().await;
        let mut source = PostgresSource {
            name: self.name.clone(),
            export: export.map_err(|error| copy_error(error, &self.name))?,
            blobs: self.target.blobs.clone(),
        };
        let read = Transfer::new(&mut source, None, options).verifying();
        let read = read.run().await?;
        if !read.has_same_records(report) {
            return Err(ArchiveError::failed(
                "the target differs from what was written",
            ));
        }
        Ok(self.import.publish().await?)
    }
}
