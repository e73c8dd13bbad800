//! Downloading a large file to a local path in concurrent parts.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    Downloaded,
    byte_range::ByteRange,
    fetch::{
        AttemptFailure, FetchedRange, ObjectResponse, ObjectVersion, RangeFetch, checksum_mismatch,
        rejects_ranges,
    },
};
use crate::{
    Operation, PresignedUrl, RemotePath, Result,
    file::{
        atomic_file::{AtomicFile, Writing},
        files::Files,
        transfer_url::TransferUrl,
    },
    retry::Attempts,
    transfer::{ProgressListener, ProgressMeter, StoreChecksums, combine_crc64},
};

/// Size of a part in bytes. A smaller file is downloaded with one request.
const PART_SIZE: u64 = 16 * 1024 * 1024;

const MAX_CONCURRENT_PARTS: usize = 4;

/// Downloads a whole file.
pub(super) async fn fetch(
    files: &Files,
    path: &RemotePath,
    url: Option<PresignedUrl>,
    listener: ProgressListener,
    file: &mut AtomicFile<Writing>,
) -> Result<Downloaded> {
    let mut attempts = Attempts::new(files.client.retry_context(), None);
    let mut url = TransferUrl::new(files, path, Operation::Download, url);
    loop {
        let time = files.client.time().clone();
        let meter = ProgressMeter::new(listener.clone(), None, time);
        let attempt = ParallelAttempt {
            files,
            file: &*file,
            meter: &meter,
        };
        let AttemptFailure {
            error,
            retry,
            changed,
        } = match attempt.run(&mut url).await {
            Ok(downloaded) => {
                meter.finish();
                attempts.succeeded();
                return Ok(downloaded);
            }
            Err(failure) => failure,
        };
        // A range retries by itself, unless the file has changed under a part.
        if error.stopped_by().is_some() && retry != Some(true) {
            return Err(error);
        }
        let retry = changed || url.can_retry(&error);
        attempts.failed(error, retry).await?;
        file.restart();
    }
}

/// One attempt to download a whole file. An interrupted part resumes; a changed file ends the attempt.
struct ParallelAttempt<'a> {
    files: &'a Files,
    file: &'a AtomicFile<Writing>,
    meter: &'a ProgressMeter,
}

impl ParallelAttempt<'_> {
    async fn run(&self, url: &mut TransferUrl<'_>) -> Result<Downloaded, AttemptFailure> {
        let mut whole = RangeFetch::new(self.files, url, ByteRange::WHOLE, self.meter);
        let mut sink = self.file.part(0);
        let start = ByteRange {
            first: 0,
            end: Some(PART_SIZE),
        };
        let first = match whole.open(start, &mut sink).await {
            // The file is empty, or the store does not support ranges.
            Err(failure) if rejects_ranges(&failure.error) => None,
            opened => Some(opened?),
        };
        let first = match first {
            Some(first) if is_whole(&first) => Some(first),
            Some(first) => match (first.version.clone(), first.total) {
                (Some(version), Some(total)) => {
                    return self.fetch_parts(url, first, &version, total).await;
                }
                // Parts of an unknown version may be those of different files.
                _ => None,
            },
            None => None,
        };
        Ok(whole.run(&mut sink, first).await?.into())
    }

    async fn fetch_parts(
        &self,
        url: &TransferUrl<'_>,
        first: ObjectResponse,
        version: &ObjectVersion,
        total: u64,
    ) -> Result<Downloaded, AttemptFailure> {
        self.meter.set_total(Some(total));
        let reported = first.checksums.clone();
        let mut first = Some(first);
        let parts = parts(total).map(|range| (range, first.take()));
        let parts = parts.map(|(range, first)| self.fetch_part(url.clone(), range, version, first));
        let fetched: Vec<FetchedRange> = stream::iter(parts)
            .buffered(MAX_CONCURRENT_PARTS)
            .try_collect()
            .await
            .map_err(|failure| AttemptFailure {
                retry: failure.changed.then_some(true),
                ..failure
            })?;
        let crc64 = fetched.iter().fold(0, |crc64, part| {
            combine_crc64(crc64, part.hasher.crc64(), part.bytes)
        });
        self.verify(&reported, crc64).await?;
        let (etag, request_id) = fetched
            .into_iter()
            .next()
            .map_or((None, None), |part| (part.etag, part.request_id));
        Ok(Downloaded {
            bytes: total,
            crc64,
            etag,
            request_id,
        })
    }

    async fn fetch_part(
        &self,
        mut url: TransferUrl<'_>,
        range: ByteRange,
        version: &ObjectVersion,
        first: Option<ObjectResponse>,
    ) -> Result<FetchedRange, AttemptFailure> {
        let fetch = RangeFetch::new(self.files, &mut url, range, self.meter);
        let mut sink = self.file.part(range.first);
        fetch.pinned(version.clone()).run(&mut sink, first).await
    }

    /// Compares the whole content with the reported checksums.
    async fn verify(&self, reported: &StoreChecksums, computed: u64) -> Result<()> {
        let matches = match reported.crc64() {
            Some(crc64) => computed == crc64,
            None if reported.is_empty() => true,
            None => reported.match_content(&self.file.hash(reported.hasher()).await?),
        };
        match matches {
            true => Ok(()),
            false => Err(checksum_mismatch()),
        }
    }
}

fn is_whole(response: &ObjectResponse) -> bool {
    !response.partial || response.total.is_some_and(|total| total <= PART_SIZE)
}

fn parts(total: u64) -> impl Iterator<Item = ByteRange> {
    (0..total.div_ceil(PART_SIZE)).map(move |part| ByteRange {
        first: part * PART_SIZE,
        end: Some(total.min((part + 1) * PART_SIZE)),
    })
}
