//! Requesting the URLs of many files, by one call for many where the service has the extension `file-urls`.

use std::ops::Range;

use futures_util::{StreamExt, stream};

use super::files::Files;
use crate::{
    Error, ErrorDetail, ErrorKind, Operation, PresignedUrl, RemotePath, Result, client::call,
    model::checked, retry::is_retryable,
};

/// Maximum number of paths in a call.
const MAX_PATHS: usize = 256;

/// Maximum number of bytes of the paths in a call. With escapes, they fit into the 64 KiB of `agb serve`.
const MAX_BYTES: usize = 24 * 1024;

/// Maximum number of concurrent calls for one file.
const MAX_CONCURRENT_CALLS: usize = 16;

impl Files {
    /// Requests URLs that grant anyone read access to files until they expire: one result for each path, in the same order.
    ///
    /// `agb serve` returns the URLs of up to 256 files by one call. With a service that does not have this extension, such as
    /// the cloud, each file takes a call, 16 of them at a time. See [`download_url`](Self::download_url).
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// # files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// let urls = files.download_urls(["/data/a.txt", "/data/missing.txt"]).await;
    /// assert!(urls[0].as_ref().unwrap().expires_at().is_some());
    /// assert!(urls[1].as_ref().unwrap_err().is_not_found());
    /// # Ok(()) });
    /// ```
    pub async fn download_urls<P>(
        &self,
        paths: impl IntoIterator<Item = P>,
    ) -> Vec<Result<PresignedUrl>>
    where
        P: TryInto<RemotePath, Error: Into<Error>>,
    {
        let paths = paths.into_iter().map(checked).collect();
        self.urls(Operation::GetContextFileDownloadUrl, paths).await
    }

    /// Requests URLs that grant anyone write access to files until they expire: one result for each path, in the same order.
    /// See [`download_urls`](Self::download_urls) and [`upload_url`](Self::upload_url).
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// for url in files.upload_urls((1..=3).map(|n| format!("/results/{n}.json"))).await {
    ///     println!("curl --upload-file result.json -H 'Content-Type:' '{}'", url?.as_str());
    /// }
    /// # Ok(()) });
    /// ```
    pub async fn upload_urls<P>(
        &self,
        paths: impl IntoIterator<Item = P>,
    ) -> Vec<Result<PresignedUrl>>
    where
        P: TryInto<RemotePath, Error: Into<Error>>,
    {
        let paths = paths.into_iter().map(checked).collect();
        self.urls(Operation::GetContextFileUploadUrl, paths).await
    }

    async fn urls(
        &self,
        operation: Operation,
        paths: Vec<Result<RemotePath>>,
    ) -> Vec<Result<PresignedUrl>> {
        let mut urls = Vec::with_capacity(paths.len());
        let mut paths = paths.into_iter();
        // The first response of the service announces the extension.
        if !self.client.file_urls().is_available()
            && let Some(first) = paths.next()
        {
            urls.push(self.url(operation, first).await);
        }
        let paths: Vec<_> = paths.collect();
        let valid: Vec<_> = paths
            .iter()
            .filter_map(|path| path.as_ref().ok().cloned())
            .collect();
        let mut batched = Vec::with_capacity(valid.len());
        for range in batches(&valid) {
            let batch = valid.get(range).unwrap_or_default().to_vec();
            batched.extend(self.batch_urls(operation, batch).await);
        }
        let mut batched = batched.into_iter();
        let complete = paths.into_iter().map(|path| {
            let url = path.is_ok().then(|| batched.next()).flatten().flatten();
            async move {
                match url {
                    Some(url) => url,
                    None => self.url(operation, path).await,
                }
            }
        });
        let complete = stream::iter(complete).buffered(MAX_CONCURRENT_CALLS);
        urls.extend(complete.collect::<Vec<_>>().await);
        urls
    }

    async fn url(&self, operation: Operation, path: Result<RemotePath>) -> Result<PresignedUrl> {
        let request = self.url_request(operation, path);
        request.await
    }

    /// Requests the URLs of a batch by one call. The operation is that of a call for one file.
    ///
    /// Returns `None` for each file whose URL must be requested by a call of its own: if the service is not known to have the
    /// extension, or if the call or its retries failed. So a failure of the call is not a failure of the files.
    pub(crate) async fn batch_urls(
        &self,
        operation: Operation,
        paths: Vec<RemotePath>,
    ) -> Vec<Option<Result<PresignedUrl>>> {
        let urls = match &self.context {
            Ok(_) if self.client.file_urls().is_available() => {
                self.request_batch(operation, &paths).await
            }
            _ => None,
        };
        let Some(urls) = urls else {
            return paths.iter().map(|_| None).collect();
        };
        let urls = urls.into_iter();
        urls.map(|url| match url {
            Err(error) if is_retryable(&error) => None,
            url => Some(url),
        })
        .collect()
    }

    async fn request_batch(
        &self,
        operation: Operation,
        paths: &[RemotePath],
    ) -> Option<Vec<Result<PresignedUrl>>> {
        let (client, context) = (&self.client, self.context.as_ref().ok()?);
        let batch = (Operation::GetContextFileUrls, context);
        let response = call(client, batch, |api| {
            let (context, paths) = (context.clone(), paths.to_vec());
            match operation {
                Operation::GetContextFileUploadUrl => api.upload_urls(context, paths),
                _ => api.download_urls(context, paths),
            }
        });
        match response.await {
            Ok(response) => {
                let (urls, request_id) = response.into_parts();
                let checked = paths.iter().zip(urls).map(|(path, url)| {
                    let url = url.and_then(|url| client.check_url(&url).map(|()| url));
                    url.map_err(|error| {
                        let error = error.with_operation(operation);
                        let error = error.with_context(context.as_str());
                        let error = error.with_path(path.as_str());
                        error.with_request_id(request_id.clone())
                    })
                });
                Some(checked.collect())
            }
            Err(error) => {
                if !is_from_extension(&error) {
                    client.file_urls().rejected(client.time().now());
                }
                tracing::debug!(%error, "requesting the URL of each file");
                None
            }
        }
    }
}

/// Whether a service with the extension may have failed like this. Otherwise its announcement came from another replica.
fn is_from_extension(error: &Error) -> bool {
    is_retryable(error)
        || matches!(
            error.kind(),
            ErrorKind::Unauthorized | ErrorKind::ProxyAuthentication
        )
        || matches!(
            error.detail(),
            Some(ErrorDetail::ContextNotFound | ErrorDetail::ContextClearing)
        )
}

/// Divides paths into batches, each for one call.
pub(crate) fn batches(paths: &[RemotePath]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |path: &&RemotePath| {
            bytes += path.as_str().len();
            bytes <= MAX_BYTES
        };
        let rest = paths.get(start..).unwrap_or_default().iter();
        let count = rest.take(MAX_PATHS).take_while(fits).count();
        let batch = start..start + count;
        start = batch.end;
        (count > 0).then_some(batch)
    })
}

#[cfg(test)]
mod tests;
