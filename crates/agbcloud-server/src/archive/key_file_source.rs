//! A source with the keys of a key file.

use async_trait::async_trait;

use super::endpoint::{Item, Source};
use super::error::ArchiveError;
use crate::blobs::{BlobError, Chunks};
use crate::key_file::KeyFile;
use crate::metadata::record::{ImportSource, KeyRecord, Record, StoreIdentity};
use crate::signing::Signer;

/// A source without keys of its own, and the keys of a key file.
pub(super) struct KeyFileSource {
    source: Box<dyn Source>,
    /// The records of the keys, and the first batch of the source. In reverse order.
    ready: Vec<Vec<Item>>,
}

impl KeyFileSource {
    /// Fails if the source has keys, before anything is written.
    pub(super) async fn open(
        mut source: Box<dyn Source>,
        keys: &KeyFile,
    ) -> Result<Self, ArchiveError> {
        let signer = Signer::new(&source.identity().secret);
        let mut entries: Vec<_> = keys.keys().iter().collect();
        entries.sort_by(|a, b| a.id().cmp(b.id()));
        let api = entries.into_iter().map(|entry| {
            let issuer = signer.issuer(&entry.hash()).as_str().to_owned();
            let entry = serde_json::to_string(entry).map_err(ArchiveError::failed)?;
            Ok(Record::Key(KeyRecord::Api { issuer, entry }))
        });
        let mut records = api.collect::<Result<Vec<_>, ArchiveError>>()?;
        // As with a key file, also without an API key.
        records.push(Record::Key(KeyRecord::Required));
        let signing = keys.signing_lines().map_err(ArchiveError::failed)?;
        let signing = signing.into_iter();
        records.extend(signing.map(|entry| Record::Key(KeyRecord::Signing { entry })));
        let first = source.next().await?;
        if let Some(Ok(Record::Key(_))) = first.first() {
            return Err(ArchiveError::OtherKeys {
                place: source.describe(),
            });
        }
        Ok(Self {
            source,
            ready: vec![first, records.into_iter().map(Ok).collect()],
        })
    }
}

#[async_trait]
impl Source for KeyFileSource {
    fn describe(&self) -> String {
        self.source.describe()
    }

    fn identity(&self) -> &StoreIdentity {
        self.source.identity()
    }

    fn import_source(&self) -> ImportSource {
        self.source.import_source()
    }

    fn concurrency(&self) -> usize {
        self.source.concurrency()
    }

    async fn next(&mut self) -> Result<Vec<Item>, ArchiveError> {
        match self.ready.pop() {
            Some(items) => Ok(items),
            None => self.source.next().await,
        }
    }

    async fn open_blob(&self, blob: &str) -> Result<Chunks, BlobError> {
        self.source.open_blob(blob).await
    }

    async fn is_current(&self, blob: &str) -> Result<bool, ArchiveError> {
        self.source.is_current(blob).await
    }

    async fn finish(&mut self) -> Result<(), ArchiveError> {
        self.source.finish().await
    }

    async fn abandon(&mut self) {
        self.source.abandon().await;
    }
}
