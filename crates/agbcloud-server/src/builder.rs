//! The settings of a server.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::durability::Durability;
use crate::error::StartError;
use crate::faults::Fault;
use crate::keys::is_api_key;
use crate::limits::Limits;
use crate::server::Server;
use crate::storage::{Engine, Storage};
use crate::system::clock::{Clock, SystemClock};

/// The default login regions. The first is the default region.
const REGIONS: [&str; 12] = [
    "cn-hangzhou",
    "cn-shanghai",
    "cn-beijing",
    "cn-shenzhen",
    "cn-chengdu",
    "cn-hongkong",
    "ap-southeast-1",
    "ap-northeast-1",
    "us-west-1",
    "us-east-1",
    "eu-central-1",
    "eu-west-1",
];
const MAX_TTL: Duration = Duration::from_secs(604_800);

/// Settings of a [`Server`], created by [`Server::builder`].
///
/// The defaults suit tests: the server stores everything in memory and listens on a free local port.
#[must_use = "a builder does nothing before `start`"]
#[derive(Clone)]
pub struct ServerBuilder {
    pub(crate) storage: Storage,
    pub(crate) durability: Durability,
    pub(crate) listen: SocketAddr,
    pub(crate) api_keys: Vec<String>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) public_url: Option<String>,
    pub(crate) metrics_listen: Option<SocketAddr>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    pub(crate) url_ttl: Duration,
    pub(crate) regions: Vec<String>,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clear_delay: Duration,
    pub(crate) faults: Vec<Fault>,
    pub(crate) quarantine: Duration,
    pub(crate) dropped_log_lines: Arc<AtomicU64>,
    pub(crate) direct_downloads: bool,
}

impl Server {
    /// Returns the default settings of a server.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }
}

impl ServerBuilder {
    fn new() -> Self {
        Self {
            storage: Storage::memory(),
            durability: Durability::Strict,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            api_keys: Vec::new(),
            key_file: None,
            public_url: None,
            metrics_listen: None,
            #[cfg(feature = "tls")]
            tls: None,
            url_ttl: Duration::from_secs(3600),
            regions: REGIONS.map(str::to_owned).to_vec(),
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            clear_delay: Duration::ZERO,
            faults: Vec::new(),
            quarantine: Duration::from_secs(7 * 24 * 3600),
            dropped_log_lines: Arc::default(),
            direct_downloads: false,
        }
    }

    /// Stores everything in this folder. Creates the folder if it is missing. Only one server at a time can use it.
    pub fn data_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.storage = Storage::folder(folder);
        self
    }

    /// Stores everything in memory, until the server is dropped. This is the default.
    pub fn memory(mut self) -> Self {
        self.storage = Storage::memory();
        self
    }

    /// Stores everything in these engines, such as PostgreSQL and an S3-compatible store.
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// Sets what an acknowledged write survives. Defaults to [`Durability::Strict`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets the address to listen on. Port 0 selects a free port. Defaults to `127.0.0.1:0`.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Accepts an API key. Each key is a separate tenant, which sees only its own contexts.
    ///
    /// Without API keys and without a [key file](Self::key_file), every non-empty key is accepted, and the server only
    /// listens on loopback addresses.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_keys.push(key.into());
        self
    }

    /// Accepts the API keys of a [`KeyFile`](crate::KeyFile) in addition to those of [`api_key`](Self::api_key), and signs
    /// presigned URLs with its signing keys. The file may change while the server runs: each request sees the latest
    /// version. If the file can't be read any more, the previous version stays in use.
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_file = Some(path.into());
        self
    }

    /// Accepts only TLS connections, with a certificate chain and its private key in PEM. The files may be replaced while
    /// the server runs: each new connection uses the latest version.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some((certificate.into(), key.into()));
        self
    }

    /// Serves monitoring endpoints on another address, in plain HTTP and without a key: `/metrics` for Prometheus, `/health`
    /// (the process is up) and `/ready` (the store responds). They contain no secrets and no tenant names. Disabled by
    /// default.
    pub fn metrics_listen(mut self, address: SocketAddr) -> Self {
        self.metrics_listen = Some(address);
        self
    }

    /// Sets the prefix of presigned URLs, for clients that reach the server under another name than its address. A reverse
    /// proxy must remove the path of this URL from requests. Defaults to [`Server::url`].
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Sets the lifetime of presigned URLs, from one second to seven days. Defaults to one hour.
    pub fn url_ttl(mut self, ttl: Duration) -> Self {
        self.url_ttl = ttl;
        self
    }

    /// Sets the login regions. The first is the default region. Defaults to the regions of the cloud.
    pub fn regions(mut self, regions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.regions = regions.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the limits of connections, requests, sizes and timeouts.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the maximum size of a file in bytes, like [`Limits::object_bytes`]. Defaults to 5 GiB.
    pub fn max_object_size(mut self, bytes: u64) -> Self {
        self.limits.object_bytes = bytes;
        self
    }

    /// Sets the source of the time. Tests use a [`ManualClock`](crate::ManualClock). Defaults to
    /// [`SystemClock`](crate::SystemClock).
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Makes every clear take at least this long in real time, so that tests of polling clients observe `clearing`.
    pub fn clear_delay(mut self, delay: Duration) -> Self {
        // Longer times could overflow the clock.
        self.clear_delay = delay.min(Duration::from_secs(365 * 24 * 3600));
        self
    }

    /// Injects a fault, for testing clients. May be called several times: the faults are independent of each other and
    /// apply in the order of the calls. With faults, the server only listens on loopback addresses.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Sets how long contents that no file references stay in the folder `quarantine` before they are deleted. Defaults to
    /// 7 days.
    pub fn quarantine(mut self, time: Duration) -> Self {
        self.quarantine = time;
        self
    }

    /// Sets the counter in which the embedding program counts dropped log lines. The metrics report it.
    pub fn dropped_log_lines(mut self, counter: Arc<AtomicU64>) -> Self {
        self.dropped_log_lines = counter;
        self
    }

    /// Returns download URLs of the bucket itself for contents of more than 32 KiB, so that their bytes do not pass through the
    /// server. Requires contents in a bucket whose store enforces method, expiry and headers of presigned URLs: the start checks
    /// that, and fails otherwise. Uploads and small contents stay with the server. Disabled by default.
    ///
    /// What such a URL lacks, compared with a URL of the server:
    ///
    /// - The server does not verify the content while it is sent. The ETag is that of the store, which is no MD5 of a large file, and
    ///   there is no CRC-64.
    /// - A URL stays valid until it expires, although its API key is revoked, or the file is deleted or replaced, or its context
    ///   cleared. Afterwards it returns the previous content, or 404 once that is deleted. So it expires after at most five
    ///   minutes, or after [`url_ttl`](Self::url_ttl) if that is shorter.
    /// - It works for `GET` only, not for `HEAD`.
    /// - Limits, faults and metrics of the server do not apply to it.
    pub fn direct_downloads(mut self, enabled: bool) -> Self {
        self.direct_downloads = enabled;
        self
    }

    /// Checks all settings.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        // A database may contain keys, which are checked once it is open.
        let has_key_table = matches!(self.storage.0, Engine::Postgres { .. });
        let accepts_any_key = self.api_keys.is_empty() && self.key_file.is_none() && !has_key_table;
        if accepts_any_key && !self.listen.ip().is_loopback() {
            return Err(StartError::KeysRequired {
                address: self.listen,
            });
        }
        if !self.faults.is_empty() && !self.listen.ip().is_loopback() {
            return Err(StartError::FaultsBeyondLoopback {
                address: self.listen,
            });
        }
        if !self.api_keys.iter().all(|key| is_api_key(key)) {
            return Err(StartError::InvalidApiKey);
        }
        self.limits.check()?;
        if !(Duration::from_secs(1)..=MAX_TTL).contains(&self.url_ttl) {
            return Err(StartError::InvalidUrlTtl { ttl: self.url_ttl });
        }
        let is_region = |region: &String| is_api_key(region) && region.len() <= 64;
        if self.regions.is_empty() || !self.regions.iter().all(is_region) {
            return Err(StartError::InvalidRegion);
        }
        match &self.public_url {
            Some(url) if !is_base_url(url) => Err(StartError::InvalidPublicUrl),
            _ => Ok(()),
        }
    }
}

/// Contains no key.
impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("storage", &self.storage)
            .field("durability", &self.durability)
            .field("listen", &self.listen)
            .field("api_keys", &self.api_keys.len())
            .field("key_file", &self.key_file)
            .field("public_url", &self.public_url)
            .field("url_ttl", &self.url_ttl)
            .finish_non_exhaustive()
    }
}

fn is_base_url(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else {
        return false;
    };
    let valid_authority = uri.authority().is_some_and(|authority| {
        // The parser accepts any text as a port.
        let port = authority
            .as_str()
            .strip_prefix(authority.host())
            .and_then(|rest| rest.strip_prefix(':'))
            .map(|port| port.parse::<NonZeroU16>());
        !authority.host().is_empty()
            && !authority.as_str().contains('@')
            && port.is_none_or(|port| port.is_ok())
    });
    matches!(uri.scheme_str(), Some("http" | "https"))
        && valid_authority
        && url.is_ascii()
        && uri.query().is_none()
        && !url.contains('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_have_no_user_query_or_fragment() {
        for valid in [
            "http://127.0.0.1:8780",
            "https://agb.example.com/",
            "https://example.com/agb",
            "http://[::1]:1",
            "http://[::1]",
            "https://example.com:65535/a%20b",
        ] {
            assert!(is_base_url(valid), "{valid}");
        }
        for bad in [
            "",
            "example.com",
            "/objects",
            "ftp://example.com",
            "https://",
            "https://u:p@example.com",
            "https://e.com?x=1",
            "https://e.com/#a",
            "https://e .com",
            "https://e.com:65536",
            "https://e.com:0",
            "https://e.com:",
            "https://e.com:http",
            "http://[::1]:",
            "https://e.com/ä",
        ] {
            assert!(!is_base_url(bad), "{bad}");
        }
    }

    #[test]
    fn debug_output_contains_no_key() {
        let shown = format!("{:?}", ServerBuilder::new().api_key("akm-secret"));
        assert!(
            !shown.contains("akm-secret") && shown.contains("api_keys: 1"),
            "{shown}"
        );
    }
}
