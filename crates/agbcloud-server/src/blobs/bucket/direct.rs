//! Downloads straight from the store, with URLs that the store signs and checks.

#![expect(
    clippy::disallowed_methods,
    reason = "waits until a URL expires by the clock of the store"
)]

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, Method};
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpRequestBody};
use object_store::path::Path as Key;
use object_store::signer::{SignedUrlOptions, Signer, Url};
use object_store::{ObjectStoreExt, PutPayload};

use super::Bucket;
use crate::blobs::DownloadHeaders;
use crate::blobs::error::{BlobError, StoreFailure};
use crate::blobs::store_report::{BlobStoreError, DirectDownloadError};
use crate::system::random;

/// Maximum time for which the probe waits until a URL of one second expires. The clock of the store may be behind.
const EXPIRY_ATTEMPTS: usize = 20;

impl Bucket {
    /// Returns a URL at which the store serves an object.
    pub(crate) async fn download_url(
        &self,
        key: &Key,
        headers: DownloadHeaders<'_>,
        expires_in: Duration,
    ) -> Result<Url, BlobError> {
        let options = SignedUrlOptions::new().with_query([
            ("response-cache-control", headers.cache_control),
            ("response-content-disposition", headers.disposition),
            ("response-content-type", headers.content_type),
        ]);
        let signed = self
            .store
            .signed_url_opts(Method::GET, key, expires_in, &options);
        Ok(signed.await?)
    }

    /// Checks that the store enforces its URLs. Takes a few seconds.
    pub(crate) async fn probe_direct_downloads(&self) -> Result<(), BlobStoreError> {
        let random: [u8; 16] = random::bytes()?;
        let key = self.key(&format!(
            "probe/{}/direct",
            data_encoding::HEXLOWER.encode(&random)
        ));
        let probed = self.probe_urls(&key).await;
        if let Err(error) = self.store.delete(&key).await {
            let error = BlobError::from(error);
            tracing::warn!(%error, "failed to delete an object of the probe");
        }
        probed
    }

    async fn probe_urls(&self, key: &Key) -> Result<(), BlobStoreError> {
        let content = b"direct download";
        let headers = DownloadHeaders {
            disposition: "attachment; filename=\"a b.txt\"",
            content_type: "application/octet-stream",
            cache_control: "private, no-store",
        };
        let failed = |error: BlobError| BlobStoreError::Unusable {
            store: self.report.store.clone(),
            reason: error.to_string(),
        };
        let refuse = |reason| Err(BlobStoreError::DirectDownloads(reason));
        let put = self.store.put(key, PutPayload::from_static(content)).await;
        put.map_err(|error| failed(error.into()))?;
        let client = self
            .connector
            .connect(&self.client_options)
            .map_err(|error| failed(error.into()))?;

        let short = self
            .download_url(key, headers, Duration::from_secs(1))
            .await
            .map_err(failed)?;
        let url = self
            .download_url(key, headers, Duration::from_secs(60))
            .await
            .map_err(failed)?;
        let fetch = async |method, url: &Url| fetch(&client, method, url).await.map_err(failed);
        let Some((found, body)) = fetch(Method::GET, &url).await? else {
            return refuse(DirectDownloadError::Refused);
        };
        let is = |name, expected: &str| found.get(name).is_some_and(|value| value == expected);
        if body != content[..]
            || !is(CONTENT_DISPOSITION, headers.disposition)
            || !is(CONTENT_TYPE, headers.content_type)
            || !is(CACHE_CONTROL, headers.cache_control)
        {
            return refuse(DirectDownloadError::Headers);
        }
        let replaced = fetch(Method::PUT, &url).await?.is_some();
        let stored = self
            .store
            .head(key)
            .await
            .map_err(|error| failed(error.into()))?;
        if replaced || stored.size != content.len() as u64 {
            return refuse(DirectDownloadError::Method);
        }
        for (name, value) in [
            ("X-Amz-Expires", "3600"),
            ("response-content-type", "text/html"),
        ] {
            if fetch(Method::GET, &altered(&url, name, value))
                .await?
                .is_some()
            {
                return refuse(DirectDownloadError::Signature);
            }
        }
        for _ in 0..EXPIRY_ATTEMPTS {
            if fetch(Method::GET, &short).await?.is_none() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        refuse(DirectDownloadError::Expiry)
    }
}

/// Replaces the value of a parameter.
fn altered(url: &Url, name: &str, value: &str) -> Url {
    let pairs: Vec<_> = url
        .query_pairs()
        .map(|(key, old)| match key == name {
            true => (key.into_owned(), value.to_owned()),
            false => (key.into_owned(), old.into_owned()),
        })
        .collect();
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(pairs);
    url
}

/// Returns the headers and the body of a response, or `None` if the store refuses the request.
async fn fetch(
    client: &HttpClient,
    method: Method,
    url: &Url,
) -> Result<Option<(HeaderMap, Bytes)>, BlobError> {
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.method_mut() = method;
    *request.uri_mut() = url.as_str().parse().map_err(io::Error::other)?;
    let failure = match client.execute(request).await {
        Ok(response) if response.status().is_success() => {
            let (parts, body) = response.into_parts();
            let body = body
                .bytes()
                .await
                .map_err(|error| StoreFailure::of_http(&error));
            return match body {
                Ok(body) => Ok(Some((parts.headers, body))),
                Err(failure) => Err(BlobError::Unavailable(failure)),
            };
        }
        Ok(_) => return Ok(None),
        Err(error) => StoreFailure::of_http(&error),
    };
    match failure {
        StoreFailure::Status {
            status: 400..=499, ..
        } => Ok(None),
        failure => Err(BlobError::Unavailable(failure)),
    }
}
