//! Downloading a large file to a local path in concurrent parts.

use std::path::PathBuf;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    Downloaded,
    byte_range::ByteRange,
    fetch::{
        AttemptFailure, ObjectResponse, ObjectVersion, RangeFetch, checksum_mismatch,
        rejects_ranges,
    },
    partial::{Header, KeptParts, discard_earlier},
};
use crate::{
    Operation, RemotePath, Result,
    file::{
        atomic_file::{AtomicFile, Writing},
        files::Files,
        local::blocking,
        transfer_url::{FirstUrl, TransferUrl},
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
    url: Option<FirstUrl>,
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
            path,
            file: &*file,
            meter: &meter,
        };
        let failure = match attempt.run(&mut url).await {
            Ok(downloaded) => {
                meter.finish();
                attempts.succeeded();
                return Ok(downloaded);
            }
            Err(failure) => failure,
        };
        // A range retries by itself, unless the file has changed under a part.
        if failure.error.stopped_by().is_some() && failure.retry != Some(true) {
            return Err(failure.error);
        }
        let retry = failure.changed || url.can_retry(&failure.error);
        attempts.failed(failure.error, retry).await?;
        file.restart();
    }
}

/// One attempt to download a whole file. An interrupted part resumes; a changed file ends the attempt.
struct ParallelAttempt<'a> {
    files: &'a Files,
    path: &'a RemotePath,
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
        let downloaded = whole.run(&mut sink, first).await?;
        // The file may have been larger when an earlier download was interrupted.
        if let Some((folder, header)) = self.record(("", 0)) {
            discard_earlier(&folder, &header);
        }
        Ok(downloaded.into())
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
        let kept = self.kept_parts(version, total).await;
        let mut first = Some(first);
        let parts = parts(total).zip(0..).map(|(range, number)| {
            let first = first.take();
            let received = kept.as_ref().and_then(|kept| kept.received(number));
            let (kept, url) = (kept.as_ref(), url.clone());
            async move {
                if let Some(crc64) = received {
                    return Ok(self.received_before(range, crc64));
                }
                let part = self.fetch_part(url, range, version, first).await?;
                if let Some(kept) = kept {
                    kept.add(number, part.crc64);
                }
                Ok(part)
            }
        });
        let fetched: Vec<FetchedPart> = stream::iter(parts)
            .buffered(MAX_CONCURRENT_PARTS)
            .try_collect()
            .await
            .map_err(|failure: AttemptFailure| AttemptFailure {
                retry: failure.changed.then_some(true),
                ..failure
            })?;
        let crc64 = fetched.iter().fold(0, |crc64, part| {
            combine_crc64(crc64, part.crc64, part.bytes)
        });
        if let Err(error) = self.verify(&reported, crc64).await {
            if let Some(kept) = kept {
                kept.discard();
            }
            return Err(error.into());
        }
        Ok(Downloaded {
            bytes: total,
            crc64,
            etag: Some(version.etag().to_owned()),
            request_id: fetched.into_iter().find_map(|part| part.request_id),
        })
    }

    /// The parts that are kept, if the client keeps any. A download that can't be recorded is not continued.
    async fn kept_parts(&self, version: &ObjectVersion, total: u64) -> Option<KeptParts> {
        let (folder, header) = self.record((version.etag(), total))?;
        let files = self.file.kept_files();
        let opened = blocking(move || Ok(KeptParts::open(&folder, &header, &files))).await;
        let (kept, parts) = opened.ok()?.ok()??;
        self.file.use_kept(kept).then_some(parts)
    }

    /// The folder of records, and the header of the record of a version.
    fn record(&self, (etag, total): (&str, u64)) -> Option<(PathBuf, Header)> {
        let folder = self.files.client.partial_downloads()?.to_owned();
        let source = (
            self.files.client.endpoint(),
            self.files.context_id().ok()?,
            self.path,
        );
        let header = Header::new(source, self.file.target(), (etag, total, PART_SIZE));
        Some((folder, header.ok()?))
    }

    fn received_before(&self, range: ByteRange, crc64: u64) -> FetchedPart {
        let bytes = range.end.unwrap_or(range.first) - range.first;
        self.meter.add(usize::try_from(bytes).unwrap_or(usize::MAX));
        FetchedPart {
            bytes,
            crc64,
            request_id: None,
        }
    }

    async fn fetch_part(
        &self,
        mut url: TransferUrl<'_>,
        range: ByteRange,
        version: &ObjectVersion,
        first: Option<ObjectResponse>,
    ) -> Result<FetchedPart, AttemptFailure> {
        let fetch = RangeFetch::new(self.files, &mut url, range, self.meter);
        let mut sink = self.file.part(range.first);
        let part = fetch.pinned(version.clone()).run(&mut sink, first).await?;
        Ok(FetchedPart {
            bytes: part.bytes,
            crc64: part.hasher.crc64(),
            request_id: part.request_id,
        })
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

/// A part that is in the file.
struct FetchedPart {
    bytes: u64,
    crc64: u64,
    /// `None` if an earlier process has received it.
    request_id: Option<String>,
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
