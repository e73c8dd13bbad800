//! The lease of an upload in a store that several processes share.
//!
//! The lease is renewed while the upload is in progress. If the process stalls for longer than the lease, another one deletes the
//! bytes, and this upload fails.

#![expect(
    clippy::disallowed_methods,
    reason = "a lease is a duration of real time"
)]

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::metadata::{Metadata, Result, StoreError, UploadId};

/// Renews the lease of an upload until it is dropped.
pub(super) struct UploadLease {
    metadata: Arc<dyn Metadata>,
    /// `None` if one process owns the store.
    renewal: Option<Renewal>,
}

struct Renewal {
    blob: String,
    task: JoinHandle<()>,
    /// Receives a value when the lease is lost.
    lost: oneshot::Receiver<()>,
    /// Counts leases.
    held: Gauge,
}

impl UploadLease {
    /// Registers an upload before its first byte is stored, and starts to renew its lease.
    pub(super) async fn begin(
        metadata: Arc<dyn Metadata>,
        upload: UploadId,
        held: &Gauge,
    ) -> Result<Self> {
        let Some(lease) = metadata.upload_lease() else {
            return Ok(Self {
                metadata,
                renewal: None,
            });
        };
        metadata.register_upload(&upload).await?;
        held.inc();
        let (report_lost, lost) = oneshot::channel();
        let (renewing, blob) = (metadata.clone(), upload.blob.clone());
        let task = tokio::spawn(async move {
            renew(&*renewing, &upload, lease / 3).await;
            // Fails if the upload has ended.
            let _ = report_lost.send(());
        });
        Ok(Self {
            metadata,
            renewal: Some(Renewal {
                blob,
                task,
                lost,
                held: held.clone(),
            }),
        })
    }

    /// Waits until the lease is lost. Otherwise never returns.
    pub(super) async fn lost(&mut self) -> StoreError {
        let lost = match &mut self.renewal {
            Some(renewal) => (&mut renewal.lost).await.is_ok(),
            None => false,
        };
        if !lost {
            std::future::pending::<()>().await;
        }
        StoreError::UploadExpired
    }

    /// Ends the lease of an upload whose bytes are deleted. Logs a failure: the lease expires then.
    pub(super) async fn forget(&self) {
        if let Some(renewal) = &self.renewal
            && let Err(error) = self.metadata.forget_upload(&renewal.blob).await
        {
            tracing::warn!(%error, "failed to remove a rejected upload from the database; its lease expires");
        }
    }
}

impl Drop for UploadLease {
    fn drop(&mut self) {
        if let Some(renewal) = &self.renewal {
            renewal.task.abort();
            renewal.held.dec();
        }
    }
}

/// Renews a lease until it is lost. Retries after other failures: the transaction that publishes the upload checks the lease.
async fn renew(metadata: &dyn Metadata, upload: &UploadId, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        match metadata.renew_upload(upload).await {
            Ok(()) => {}
            Err(StoreError::UploadExpired) => return,
            Err(error) => {
                tracing::warn!(%error, "failed to renew the lease of an upload; retrying")
            }
        }
    }
}
