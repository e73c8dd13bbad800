//! The settings of a bucket: the parameters of its URL, and the environment as other clients of S3 use it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use object_store::ClientConfigKey;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::path::Path as Key;
use object_store::signer::Url;

use crate::blobs::store_report::InvalidBucketUrl;

/// Default of the parameter `timeout`.
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_TIMEOUT_SECONDS: u64 = 300;
/// The parameters, for the message about an unknown one.
const PARAMETERS: &str = "endpoint, region, path_style, allow_http, unsigned_payload, checksum, bulk_delete, ca_file and timeout";
/// Environment variable with a file of certificates, as the AWS CLI uses it.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// The settings of a bucket. Contain no credentials.
#[derive(Debug)]
pub(super) struct BucketSettings {
    pub(super) bucket: String,
    /// In front of all keys. Empty if there is none.
    pub(super) prefix: Key,
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
    pub(super) path_style: bool,
    pub(super) allow_http: bool,
    pub(super) unsigned_payload: bool,
    pub(super) checksum: Option<Checksum>,
    pub(super) bulk_delete: bool,
    pub(super) ca_file: Option<PathBuf>,
    /// Maximum time without a response, or without a byte of it.
    pub(super) timeout: Duration,
}

impl BucketSettings {
    /// Reads the URL. `environment` has the defaults.
    pub(super) fn new(url: &str, environment: &AmazonS3Builder) -> Result<Self, InvalidBucketUrl> {
        let variable = |key: AmazonS3ConfigKey| environment.get_config_value(&key);
        let mut settings = Self::parse(
            url,
            variable(AmazonS3ConfigKey::S3Endpoint)
                .or_else(|| variable(AmazonS3ConfigKey::Endpoint)),
            variable(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp))
                .is_some_and(|value| value == "true"),
        )?;
        if settings.ca_file.is_none() {
            settings.ca_file = std::env::var_os(CA_BUNDLE).map(PathBuf::from);
        }
        Ok(settings)
    }

    fn parse(
        url: &str,
        default_endpoint: Option<String>,
        default_allow_http: bool,
    ) -> Result<Self, InvalidBucketUrl> {
        let url = Url::parse(url).map_err(|_| InvalidBucketUrl::Form)?;
        let has_other_parts = !url.username().is_empty()
            || url.password().is_some()
            || url.port().is_some()
            || url.fragment().is_some();
        let bucket = url.host_str().unwrap_or_default();
        let prefix = Key::from_url_path(url.path().trim_matches('/'));
        let prefix = prefix.map_err(|_| InvalidBucketUrl::Form)?;
        if has_other_parts || bucket.is_empty() {
            return Err(InvalidBucketUrl::Form);
        }
        let mut settings = Self {
            bucket: bucket.to_owned(),
            prefix,
            endpoint: default_endpoint,
            region: None,
            path_style: false,
            allow_http: default_allow_http,
            unsigned_payload: false,
            checksum: None,
            bulk_delete: true,
            ca_file: None,
            timeout: TIMEOUT,
        };
        let (mut path_style, mut checksum) = (None, None);
        for (name, value) in url.query_pairs() {
            match &*name {
                "endpoint" => settings.endpoint = Some(value.into_owned()),
                "region" if !value.is_empty() => settings.region = Some(value.into_owned()),
                "region" => return Err(invalid("region", "a name")),
                "path_style" => path_style = Some(boolean("path_style", &value)?),
                "allow_http" => settings.allow_http = boolean("allow_http", &value)?,
                "unsigned_payload" => {
                    settings.unsigned_payload = boolean("unsigned_payload", &value)?;
                }
                "checksum" => {
                    checksum = Some(match &*value {
                        "sha256" => Some(Checksum::SHA256),
                        "crc64nvme" => Some(Checksum::CRC64NVME),
                        "none" => None,
                        _ => return Err(invalid("checksum", "sha256, crc64nvme or none")),
                    });
                }
                "bulk_delete" => settings.bulk_delete = boolean("bulk_delete", &value)?,
                "ca_file" => settings.ca_file = Some(PathBuf::from(&*value)),
                "timeout" => settings.timeout = timeout(&value)?,
                _ => {
                    return Err(InvalidBucketUrl::UnknownParameter {
                        name: name.chars().take(64).collect(),
                        known: PARAMETERS,
                    });
                }
            }
        }
        settings.path_style = path_style.unwrap_or(settings.endpoint.is_some());
        // The hash that signs a payload is already computed.
        settings.checksum = checksum.unwrap_or(Some(match settings.unsigned_payload {
            false => Checksum::SHA256,
            true => Checksum::CRC64NVME,
        }));
        settings.check_endpoint()?;
        Ok(settings)
    }

    /// Checks the endpoint. Plain HTTP is allowed on loopback addresses.
    fn check_endpoint(&mut self) -> Result<(), InvalidBucketUrl> {
        const EXPECTED: &str = "http://HOST:PORT or https://HOST, without user and query";
        let Some(endpoint) = &self.endpoint else {
            return Ok(());
        };
        let url = Url::parse(endpoint).map_err(|_| invalid("endpoint", EXPECTED))?;
        let valid = matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !valid {
            return Err(invalid("endpoint", EXPECTED));
        }
        if url.scheme() == "http" {
            let host = url.host_str().unwrap_or_default();
            let address = host.trim_start_matches('[').trim_end_matches(']');
            let is_local =
                host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
            if !is_local && !self.allow_http {
                return Err(InvalidBucketUrl::InsecureEndpoint);
            }
            self.allow_http = true;
        }
        Ok(())
    }

    /// The endpoint for the client, which contains the bucket unless the bucket is a part of the path.
    pub(super) fn client_endpoint(&self) -> Option<String> {
        let endpoint = self.endpoint.as_ref()?;
        match (self.path_style, endpoint.split_once("://")) {
            (false, Some((scheme, host))) => Some(format!("{scheme}://{}.{host}", self.bucket)),
            _ => Some(endpoint.clone()),
        }
    }
}

/// The bucket and its endpoint.
impl fmt::Display for BucketSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.as_ref().is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        match &self.endpoint {
            Some(endpoint) => write!(f, " at {endpoint}"),
            None => Ok(()),
        }
    }
}

fn invalid(name: &'static str, expected: &'static str) -> InvalidBucketUrl {
    InvalidBucketUrl::InvalidParameter { name, expected }
}

fn boolean(name: &'static str, value: &str) -> Result<bool, InvalidBucketUrl> {
    value.parse().map_err(|_| invalid(name, "true or false"))
}

fn timeout(value: &str) -> Result<Duration, InvalidBucketUrl> {
    match value.parse() {
        Ok(seconds @ 1..=MAX_TIMEOUT_SECONDS) => Ok(Duration::from_secs(seconds)),
        _ => Err(invalid("timeout", "1 to 300 seconds")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<BucketSettings, InvalidBucketUrl> {
        BucketSettings::parse(url, None, false)
    }

    #[test]
    fn a_url_selects_bucket_prefix_and_endpoint() {
        let aws = parse("s3://my.bucket").unwrap();
        assert_eq!(
            (aws.bucket.as_str(), aws.prefix.as_ref()),
            ("my.bucket", "")
        );
        assert!(!aws.path_style && !aws.allow_http && aws.bulk_delete);
        assert_eq!(aws.client_endpoint(), None);
        assert_eq!(aws.checksum, Some(Checksum::SHA256));

        let url = "s3://b/a%20b/c/?endpoint=http%3A%2F%2F127.0.0.1:9000&region=garage&unsigned_payload=true&timeout=3";
        let own = parse(url).unwrap();
        assert_eq!(own.prefix.as_ref(), "a b/c");
        assert!(own.path_style && own.allow_http && own.unsigned_payload);
        assert_eq!(
            own.client_endpoint().as_deref(),
            Some("http://127.0.0.1:9000")
        );
        assert_eq!(own.region.as_deref(), Some("garage"));
        assert_eq!(own.checksum, Some(Checksum::CRC64NVME));
        assert_eq!(own.timeout, Duration::from_secs(3));
        assert_eq!(own.to_string(), "s3://b/a b/c at http://127.0.0.1:9000");

        let hosted = parse("s3://b?endpoint=https://s3.example.com&path_style=false&checksum=none");
        let hosted = hosted.unwrap();
        let endpoint = hosted.client_endpoint();
        assert_eq!(endpoint.as_deref(), Some("https://b.s3.example.com"));
        assert_eq!(hosted.checksum, None);
    }

    #[test]
    fn other_parameters_and_values_are_refused_by_name() {
        for (query, named) in [
            ("secret_key=hidden", "\"secret_key\""),
            ("endpoint=hidden", "endpoint"),
            ("endpoint=ftp://hidden", "endpoint"),
            ("endpoint=https://hidden:hidden@host", "endpoint"),
            ("endpoint=https://host/?a=hidden", "endpoint"),
            ("endpoint=http://hidden.example.com", "allow_http"),
            ("path_style=hidden", "path_style"),
            ("checksum=hidden", "checksum"),
            ("timeout=0", "timeout"),
            ("timeout=hidden", "timeout"),
            ("region=", "region"),
        ] {
            let message = parse(&format!("s3://bucket?{query}"))
                .unwrap_err()
                .to_string();
            assert!(
                message.contains(named) && !message.contains("hidden"),
                "{query}: {message}"
            );
        }
        for url in [
            "s3://",
            "s3://key:hidden@bucket",
            "s3://bucket:1",
            "s3://b/a//b",
            "s3://b#c",
        ] {
            assert_eq!(parse(url).unwrap_err(), InvalidBucketUrl::Form, "{url}");
        }
        let allowed = parse("s3://b?endpoint=http://minio:9000&allow_http=true");
        assert!(allowed.unwrap().allow_http);
    }
}
