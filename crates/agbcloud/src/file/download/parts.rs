//! A large file into a local one: parts of it at the same time.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    Downloaded, done,
    fetch::{Fetch, Fetched, Opened, Stopped, Version, takes_no_range},
    span::Span,
};
use crate::{
    Error, ErrorDetail, ErrorKind, Operation, RemotePath, Result,
    file::{
        Files, PresignedUrl,
        address::Address,
        checksum::{Told, joined},
        local::NewFile,
        progress::{Listener, Meter},
    },
    retry::Attempts,
};

/// Bytes of a part. A file that is not larger comes in one.
const PART: u64 = 16 * 1024 * 1024;

/// Parts at the same time.
const AT_ONCE: usize = 4;

/// Fetches a file into a new local one.
pub(super) async fn fetch(
    files: &Files,
    path: &RemotePath,
    url: Option<PresignedUrl>,
    listener: Listener,
    file: &mut NewFile,
) -> Result<Downloaded> {
    let mut tries = Attempts::new(files.client.retry_context(), None);
    let mut address = Address::new(files, path, Operation::Download, url);
    loop {
        let time = files.client.time().clone();
        let meter = Meter::new(listener.clone(), None, time);
        let once = Once {
            files,
            file: &*file,
            meter: &meter,
        };
        match once.run(&mut address).await {
            Ok(downloaded) => {
                meter.finish();
                tries.succeeded();
                return Ok(downloaded);
            }
            // It has had its tries.
            Err(stopped) if stopped.error.stopped_by().is_some() => return Err(stopped.error),
            Err(stopped) => {
                let again = stopped.changed || address.may_help(&stopped.error);
                tries.failed(stopped.error, again).await?;
                file.renew();
            }
        }
    }
}

/// One way through the whole file. What breaks off is gone on with; what changed under it ends it.
struct Once<'a> {
    files: &'a Files,
    file: &'a NewFile,
    meter: &'a Meter,
}

impl Once<'_> {
    async fn run(&self, address: &mut Address<'_>) -> Result<Downloaded, Stopped> {
        let mut whole = Fetch::new(self.files, address, Span::WHOLE, self.meter);
        let mut sink = self.file.part(0);
        let start = Span {
            first: 0,
            end: Some(PART),
        };
        let opened = match whole.open(start, &mut sink).await {
            // An empty file has no start, and a store may know no ranges.
            Err(stopped) if takes_no_range(&stopped.error) => None,
            opened => Some(opened?),
        };
        let first = match opened {
            Some(opened) if is_whole(&opened) => Some(opened),
            Some(opened) => match large(&opened) {
                Some(large) => return self.in_parts(address, opened, large).await,
                None => None,
            },
            None => None,
        };
        whole.run(&mut sink, first).await.map(done)
    }

    async fn in_parts(
        &self,
        address: &Address<'_>,
        opened: Opened,
        large: Large,
    ) -> Result<Downloaded, Stopped> {
        let Large { version, total } = large;
        self.meter.set_total(Some(total));
        let told = opened.told.clone();
        let mut first = Some(opened);
        let parts = spans(total).map(|span| (span, first.take()));
        let parts = parts.map(|(span, opened)| self.part(address.clone(), span, &version, opened));
        let fetched: Vec<Fetched> = stream::iter(parts)
            .buffered(AT_ONCE)
            .try_collect()
            .await
            .map_err(anew)?;
        let crc64 = fetched
            .iter()
            .fold(0, |sum, part| joined(sum, part.sums.crc64(), part.bytes));
        self.check(&told, crc64).await?;
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

    async fn part(
        &self,
        mut address: Address<'_>,
        span: Span,
        version: &Version,
        opened: Option<Opened>,
    ) -> Result<Fetched, Stopped> {
        let fetch = Fetch::new(self.files, &mut address, span, self.meter);
        let mut sink = self.file.part(span.first);
        fetch.pinned(version.clone()).run(&mut sink, opened).await
    }

    /// Holds the whole against what the store told of it.
    async fn check(&self, told: &Told, ours: u64) -> Result<()> {
        let agrees = match told.crc64() {
            Some(crc64) => ours == crc64,
            None if told.is_nothing() => true,
            None => told.agrees(&self.file.sums(told.sums()).await?),
        };
        if agrees {
            return Ok(());
        }
        let message = "what arrived does not have the store's checksum: download it again";
        Err(Error::new(ErrorKind::Corrupted, message))
    }
}

struct Large {
    version: Version,
    total: u64,
}

/// What comes in parts: there must be a way to know that they are parts of the same.
fn large(opened: &Opened) -> Option<Large> {
    Some(Large {
        version: opened.version.clone()?,
        total: opened.total?,
    })
}

fn is_whole(opened: &Opened) -> bool {
    !opened.partial || opened.total.is_some_and(|total| total <= PART)
}

fn spans(total: u64) -> impl Iterator<Item = Span> {
    (0..total.div_ceil(PART)).map(move |part| Span {
        first: part * PART,
        end: Some(total.min((part + 1) * PART)),
    })
}

/// A part can't start over by itself; the whole can.
fn anew(mut stopped: Stopped) -> Stopped {
    if stopped.changed {
        let error = Error::new(ErrorKind::Conflict, stopped.error.message());
        stopped.error = error.with_detail(ErrorDetail::Changed);
    }
    stopped
}
