//! A bucket of an S3-compatible store.

mod direct;
mod http_service;
mod probe;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, Certificate, ClientConfigKey, ClientOptions, Error, RetryConfig,
};

use self::http_service::{ClockOffset, Connector};
use self::settings::BucketSettings;
use super::error::StoreFailure;
use super::metrics::BlobMetrics;
use super::store_report::{BlobStoreError, BlobStoreReport, InvalidBucketUrl};

/// Maximum number of retries of a request. Their total time is about twice the parameter `timeout`.
const MAX_RETRIES: usize = 4;
const MAX_CONNECT_TIME: Duration = Duration::from_secs(3);
/// Short, because a firewall may drop idle connections without notice.
const POOL_IDLE_TIME: Duration = Duration::from_secs(20);

/// An open bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) store: Arc<AmazonS3>,
    /// In front of all keys.
    pub(super) prefix: Key,
    pub(super) report: BlobStoreReport,
    /// Whether the store refuses to abort an upload that has ended, instead of reporting that there is none.
    pub(super) denies_ended_upload: bool,
    connector: Connector,
    client_options: ClientOptions,
}

impl Bucket {
    /// Opens a bucket and checks what the store guarantees.
    pub(super) async fn open(url: &str, metrics: BlobMetrics) -> Result<Self, BlobStoreError> {
        Self::open_with(AmazonS3Builder::from_env(), url, metrics).await
    }

    /// Opens a bucket without a request to its store.
    #[cfg(feature = "postgres")]
    pub(super) fn unprobed(url: &str, metrics: BlobMetrics) -> Result<Self, BlobStoreError> {
        Self::unchecked(AmazonS3Builder::from_env(), url, metrics)
    }

    /// Opens a bucket with the credentials and defaults of `environment`.
    async fn open_with(
        environment: AmazonS3Builder,
        url: &str,
        metrics: BlobMetrics,
    ) -> Result<Self, BlobStoreError> {
        let mut bucket = Self::unchecked(environment, url, metrics)?;
        bucket.probe().await?;
        tracing::info!("{}", bucket.report);
        if let Some(seconds) = bucket.report.clock_offset.filter(|offset| offset.abs() > 5) {
            tracing::warn!(
                seconds,
                "the clock of the blob store differs from the local clock: requests fail from 15 minutes on"
            );
        }
        Ok(bucket)
    }

    /// As [`unprobed`](Self::unprobed), with the credentials and defaults of `environment`.
    fn unchecked(
        environment: AmazonS3Builder,
        url: &str,
        metrics: BlobMetrics,
    ) -> Result<Self, BlobStoreError> {
        let settings = BucketSettings::new(url, &environment)?;
        let connector = Connector {
            timeout: settings.timeout,
            metrics,
            clock: ClockOffset::default(),
        };
        let client_options = client_options(&environment, &settings)?;
        let store = build(environment, &settings, &connector, client_options.clone())?;
        Ok(Self {
            store: Arc::new(store),
            prefix: settings.prefix.clone(),
            report: BlobStoreReport::new(settings.to_string()),
            denies_ended_upload: false,
            connector,
            client_options,
        })
    }

    /// A key of this bucket.
    pub(super) fn key(&self, name: &str) -> Key {
        match self.prefix.as_ref() {
            "" => Key::from(name),
            prefix => Key::from(format!("{prefix}/{name}")),
        }
    }

    /// Whether an error of aborting an upload means that the upload has ended.
    pub(super) fn is_ended_upload(&self, error: &Error) -> bool {
        match error {
            Error::NotFound { .. } => true,
            _ if self.denies_ended_upload => StoreFailure::of(error)
                .is_some_and(|failure| matches!(failure, StoreFailure::Status { status: 403, .. })),
            _ => false,
        }
    }
}

fn build(
    environment: AmazonS3Builder,
    settings: &BucketSettings,
    connector: &Connector,
    client_options: ClientOptions,
) -> Result<AmazonS3, BlobStoreError> {
    let mut builder = environment
        .with_bucket_name(&settings.bucket)
        .with_unsigned_payload(settings.unsigned_payload)
        .with_disable_bulk_delete(!settings.bulk_delete)
        .with_virtual_hosted_style_request(!settings.path_style)
        .with_client_options(client_options)
        .with_http_connector(connector.clone())
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: MAX_RETRIES,
            // One retry after a timeout, for a connection that broke without notice.
            retry_timeout: settings.timeout * 3 / 2,
        });
    if let Some(endpoint) = settings.client_endpoint() {
        // This key takes precedence over the other one in the environment.
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(checksum) = settings.checksum {
        builder = builder.with_checksum_algorithm(checksum);
    }
    builder.build().map_err(|error| BlobStoreError::Unusable {
        store: settings.to_string(),
        reason: error.to_string(),
    })
}

/// The proxy of the environment, the timeouts, and the certificates. The system's certificates are trusted, too.
fn client_options(
    environment: &AmazonS3Builder,
    settings: &BucketSettings,
) -> Result<ClientOptions, BlobStoreError> {
    let mut options = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(settings.timeout.min(MAX_CONNECT_TIME))
        .with_pool_idle_timeout(POOL_IDLE_TIME)
        .with_allow_http(settings.allow_http);
    for key in [
        ClientConfigKey::ProxyUrl,
        ClientConfigKey::ProxyCaCertificate,
        ClientConfigKey::ProxyExcludes,
    ] {
        if let Some(value) = environment.get_config_value(&AmazonS3ConfigKey::Client(key)) {
            options = options.with_config(key, value);
        }
    }
    let Some(path) = &settings.ca_file else {
        return Ok(options);
    };
    let invalid = |reason: String| {
        BlobStoreError::InvalidUrl(InvalidBucketUrl::CaFile {
            path: path.clone(),
            reason,
        })
    };
    let pem = std::fs::read(path).map_err(|error| invalid(error.to_string()))?;
    let certificates =
        Certificate::from_pem_bundle(&pem).map_err(|error| invalid(error.to_string()))?;
    if certificates.is_empty() {
        return Err(invalid("it contains no certificate in PEM".to_owned()));
    }
    Ok(certificates
        .into_iter()
        .fold(options, ClientOptions::with_root_certificate))
}
