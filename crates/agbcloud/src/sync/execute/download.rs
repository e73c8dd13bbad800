//! Downloading one file of a sync.

use std::path::Path;

use super::{
    concurrency_limit::Permit, conflict_copy::ConflictCopy, shared_state::SharedState,
    url_prefetch::UrlTicket,
};
use crate::{
    Downloaded, RemotePath, Result,
    file::{
        DownloadRequest,
        atomic_file::{AtomicFile, ExpectedTarget},
    },
    sync::plan::PlannedChange,
};

impl SharedState {
    pub(super) async fn download(
        &self,
        planned: &PlannedChange,
        relative: &Path,
        (remote, url): (RemotePath, Option<UrlTicket>),
        permit: Permit,
        kept: &mut Option<ConflictCopy>,
    ) -> Result<u64> {
        let options = &self.options;
        let folder = relative.parent().unwrap_or(Path::new(""));
        self.folders.create(folder).await?;
        if options.delete && !planned.replaces {
            self.folders.remove_empty_folder(relative).await?;
        }
        if let Some(staged) = self.staging.take(&planned.path) {
            let downloaded = staged.publish(options, &planned.path).await?;
            let path = options.local.join(relative);
            return self
                .record_download(planned, remote, &path, &downloaded)
                .await;
        }
        let mut expected = match (planned.replaces, planned.compared.local) {
            (true, Some(compared)) => ExpectedTarget::File(compared),
            (true, None) => ExpectedTarget::Any,
            (false, _) => ExpectedTarget::Absent,
        };
        if planned.keeps_both {
            let (name, identity) = options.copy_local(planned).await?;
            *kept = Some(ConflictCopy { name, etag: None });
            expected = ExpectedTarget::File(identity);
        }
        let path = options.local.join(relative);
        let file = AtomicFile::within(options.local.clone(), path, expected);
        let file = file.durable(options.durable);
        let url = match url {
            Some(ticket) => ticket.url().await,
            None => None,
        };
        let request = DownloadRequest::new(options.files.clone(), Ok(remote.clone()));
        let mut request = request.prefetched_url(url);
        if let Some(listener) = self.meter.file(&planned.path) {
            request = request.on_progress(listener);
        }
        let fetched = async {
            let fetched = request.fetch_traced(file, planned.modified).await?;
            let reserved = self.group_sync.reserve(&fetched.file).await;
            // The network is no longer used.
            drop(permit);
            let published = self.group_sync.publish(fetched.file).await?;
            drop(reserved);
            Ok((fetched.downloaded, published))
        };
        match fetched.await {
            Ok((downloaded, published)) => {
                let path = published.path();
                self.record_download(planned, remote, path, &downloaded)
                    .await
            }
            Err(error) => {
                if let Some(copy) = kept.take() {
                    *kept = options.remove_local_copy(&planned.path, copy).await;
                }
                Err(error)
            }
        }
    }

    async fn record_download(
        &self,
        planned: &PlannedChange,
        remote: RemotePath,
        path: &Path,
        downloaded: &Downloaded,
    ) -> Result<u64> {
        let recorder = &self.recorder;
        recorder
            .add(remote, path, downloaded, planned.modified)
            .await?;
        Ok(downloaded.bytes)
    }
}
