//! Sending one file.

mod body;
mod source;

use std::{future::IntoFuture, sync::Arc};

use futures_core::future::BoxFuture;

pub use source::UploadSource;

use body::{Seen, SizedBody};
use source::{Opened, Origin};

use super::{
    Files, PresignedUrl, Progress,
    address::Address,
    checksum::Told,
    local::LocalIdentity,
    progress::{Listener, Meter},
    store::etag_of,
};
use crate::{
    Error, ErrorKind, Operation, RemotePath, Result, error::request_id, retry::Attempts, trace,
};

/// An upload that has not been sent: await it. From [`Files::upload`].
///
/// It is tried again as calls are (see [`RetryPolicy`](crate::RetryPolicy), of which the deadline does not count here),
/// with a new presigned URL where the one that it had expired or was refused, which a connection that broke may not have
/// told. Each try sends the file from its start.
///
/// Dropping it while it runs breaks it off; the service then keeps what it had before.
#[derive(Debug)]
#[must_use = "an upload does nothing until it is awaited"]
pub struct Upload {
    files: Files,
    path: Result<RemotePath>,
    source: UploadSource,
    url: Option<PresignedUrl>,
    listener: Listener,
    condition: Condition,
    tolerates_change: bool,
}

/// What the remote file has to be for an upload to replace it, where the store honours conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Condition {
    #[default]
    None,
    /// It has this ETag.
    Matches(String),
    /// There is none.
    Absent,
}

/// An upload that was acknowledged, and whose checksum is right where the store told one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uploaded {
    /// Bytes sent.
    pub bytes: u64,
    /// Their CRC-64 (ECMA-182, as in `x-oss-hash-crc64ecma`).
    pub crc64: u64,
    /// The store's ETag, as it came: quoted.
    pub etag: Option<String>,
    /// Id of the store's answer.
    pub request_id: Option<String>,
    /// The local file that was sent, as it was when it was opened.
    pub(super) source: Option<LocalIdentity>,
    /// The local file was written to while it was sent: what was stored may be a mix.
    pub(super) source_changed: bool,
}

impl Upload {
    pub(super) fn new(files: Files, path: Result<RemotePath>, source: UploadSource) -> Self {
        Self {
            files,
            path,
            source,
            url: None,
            listener: Listener::default(),
            condition: Condition::None,
            tolerates_change: false,
        }
    }

    /// Replaces nothing else than this. A store that ignores conditions replaces whatever is there.
    pub(super) fn only_if(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// That the local file changes while it is sent is no error: the caller looks at
    /// [`source_changed`](Uploaded::source_changed).
    pub(super) fn tolerates_change(mut self) -> Self {
        self.tolerates_change = true;
        self
    }

    /// Uses this presigned URL instead of asking for one.
    pub fn presigned_url(mut self, url: PresignedUrl) -> Self {
        self.url = Some(url);
        self
    }

    /// Calls back as bytes move: at most twenty times a second, and at the end. When the upload is tried again it starts
    /// from nothing.
    pub fn on_progress(mut self, listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.listener = Listener::new(listener);
        self
    }

    async fn run(self) -> Result<Uploaded> {
        let Self {
            files,
            path,
            mut source,
            url,
            listener,
            condition,
            tolerates_change,
        } = self;
        let path = path?;
        source.check().await?;
        let mut address = Address::new(&files, &path, Operation::Upload, url);
        let mut tries = Attempts::new(files.client.retry_context(), None);
        loop {
            let url = address.url().await?;
            let opened = source.open().await?;
            let origin = opened.origin.clone();
            match send(&files, &url, opened, listener.clone(), &condition).await {
                Ok(uploaded) => {
                    // Between the last check and the store's answer it counts as older than what was stored.
                    if uploaded.source_changed && !tolerates_change {
                        origin.map_or(Ok(()), |origin| origin.is_unchanged())?;
                    }
                    tries.succeeded();
                    return Ok(uploaded);
                }
                Err(error) => {
                    let again = source.is_left() && address.may_help(&error);
                    tries.failed(error, again).await?;
                }
            }
        }
    }
}

impl IntoFuture for Upload {
    type Output = Result<Uploaded>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let context = self.files.context.clone();
        trace::transfer(Operation::Upload, context, self.run())
    }
}

async fn send(
    files: &Files,
    url: &PresignedUrl,
    source: Opened,
    listener: Listener,
    condition: &Condition,
) -> Result<Uploaded> {
    let (length, time) = (source.length, files.client.time());
    let pulse = files.store().pulse();
    let meter = Arc::new(Meter::new(listener, Some(length), time.clone()));
    let origin = source.origin.clone();
    let (body, seen) = SizedBody::new(source, meter.clone(), pulse.clone());
    let body = reqwest::Body::wrap(body);
    let answer = files
        .store()
        .put(url, length, body, condition, &pulse)
        .await;
    seen.go_on_panicking();
    let response = match answer {
        Ok(response) => response,
        // A request that failed because its source did is the source's failure.
        Err(error) => return Err(seen.take_fault().unwrap_or(error)),
    };
    let headers = response.headers();
    let id = request_id(headers);
    verify(&seen, length, &Told::by(headers)).map_err(|error| error.with_request_id(id.clone()))?;
    let changed = |origin: &Origin| origin.is_unchanged().is_err();
    let source_changed = origin.as_ref().is_some_and(changed);
    meter.finish();
    Ok(Uploaded {
        bytes: length,
        crc64: seen.crc64(),
        etag: etag_of(headers),
        request_id: id,
        source: origin.map(|origin| origin.identity()),
        source_changed,
    })
}

fn verify(seen: &Seen, length: u64, told: &Told) -> Result<()> {
    let sent = seen.bytes();
    if sent != length {
        let message = format!("the store acknowledged the upload after {sent} of {length} bytes");
        return Err(Error::new(ErrorKind::Corrupted, message));
    }
    if seen.agree_with(told) {
        Ok(())
    } else {
        let message = "the store's checksum is not that of what was sent: upload it again";
        Err(Error::new(ErrorKind::Corrupted, message))
    }
}

impl trace::Traced for Uploaded {
    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}
