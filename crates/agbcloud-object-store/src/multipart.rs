//! Uploads in parts. A presigned URL accepts one request with a known length, so that the parts are collected before.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use object_store::{
    MultipartUpload, PutMode, PutPayload, PutResult, Result, UploadPart, path::Path,
};

use crate::{
    error::generic,
    spool::{Spool, SpooledContent},
    store::ContextStore,
};

/// An upload whose parts are spooled until [`complete`](MultipartUpload::complete). Nothing is visible before, and nothing
/// is left if it is aborted or dropped.
#[derive(Debug)]
pub(crate) struct SpooledUpload {
    store: ContextStore,
    location: Path,
    /// `None` after it was completed or aborted.
    spool: Option<Arc<Mutex<Option<Spool>>>>,
    /// Position of the next part.
    end: u64,
    parts: usize,
    written: Arc<AtomicUsize>,
}

impl SpooledUpload {
    pub(crate) fn new(store: ContextStore, location: Path) -> Self {
        let spool = Spool::new(store.memory_limit());
        Self {
            store,
            location,
            spool: Some(Arc::new(Mutex::new(Some(spool)))),
            end: 0,
            parts: 0,
            written: Arc::default(),
        }
    }
}

fn ended() -> object_store::Error {
    generic("the upload was already completed or aborted")
}

#[async_trait]
impl MultipartUpload for SpooledUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let Some(spool) = self.spool.clone() else {
            return Box::pin(std::future::ready(Err(ended())));
        };
        let position = self.end;
        self.end = position.saturating_add(data.content_length() as u64);
        self.parts += 1;
        let written = self.written.clone();
        Box::pin(async move {
            let write = move || {
                let mut spool = spool.lock().unwrap_or_else(PoisonError::into_inner);
                let spool = spool.as_mut().ok_or_else(ended)?;
                spool.write_at(position, &data).map_err(generic)
            };
            tokio::task::spawn_blocking(write)
                .await
                .map_err(generic)??;
            written.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let spool = self.spool.take().ok_or_else(ended)?;
        let spool = spool.lock().unwrap_or_else(PoisonError::into_inner).take();
        let spool = spool.ok_or_else(ended)?;
        let written = self.written.load(Ordering::Relaxed);
        if written != self.parts {
            let message = format!("{written} of {} parts were written", self.parts);
            return Err(generic(message));
        }
        let SpooledContent { source, file } = spool.into_content();
        let upload = self
            .store
            .upload(&self.location, source, PutMode::Overwrite);
        let result = upload.await;
        drop(file);
        result
    }

    async fn abort(&mut self) -> Result<()> {
        let spool = self.spool.take().ok_or_else(ended)?;
        // Later parts fail, and the temporary file is deleted.
        spool.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }
}
