//! How a server is to be: the settings, checked when it starts.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::durability::Durability;
use crate::error::StartError;
use crate::faults::Fault;
use crate::http::is_key;
use crate::limits::Limits;
use crate::server::Server;

/// Login regions that are known unless others are given; the first is the default.
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

/// Settings of a [`Server`]; made by [`Server::builder`].
///
/// Each has a default that is good for a test: everything in memory, on a free port of this machine.
#[must_use = "a builder does nothing before `start`"]
#[derive(Clone)]
pub struct ServerBuilder {
    pub(crate) data_dir: Option<PathBuf>,
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
}

impl ServerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            data_dir: None,
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
        }
    }

    /// Keeps everything in this folder, which is made if it is missing. One server at a time owns it.
    pub fn data_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(folder.into());
        self
    }

    /// Keeps nothing: all is gone with the server. This is the default.
    pub fn memory(mut self) -> Self {
        self.data_dir = None;
        self
    }

    /// What an acknowledged write survives. The default is [`Durability::Strict`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Where to listen; port 0 takes a free one. The default is `127.0.0.1:0`.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Allows an API key; each key is a tenant of its own, which sees its own contexts alone.
    ///
    /// Without any, every non-empty key is allowed, and the server listens on loopback addresses only.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_keys.push(key.into());
        self
    }

    /// Allows the API keys of a [`KeyFile`](crate::KeyFile), beside those given by [`api_key`](Self::api_key); its
    /// signing keys sign presigned URLs. The file may change while the server runs: what was written before a request
    /// came counts for it. One that can't be read any more leaves in force what it said before.
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_file = Some(path.into());
        self
    }

    /// Speaks TLS alone, by a chain of certificates and its private key, both in PEM. They may be replaced while the
    /// server runs: each connection is taken in by what is there when it comes.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some((certificate.into(), key.into()));
        self
    }

    /// Where those who watch may ask, in plain HTTP and without a key: `/metrics` for Prometheus, `/health` (the process
    /// is up) and `/ready` (the store answers). Nothing secret is told, and no tenant named. Not by default.
    pub fn metrics_listen(mut self, address: SocketAddr) -> Self {
        self.metrics_listen = Some(address);
        self
    }

    /// What presigned URLs begin with, if clients reach the server by another name than the address that it
    /// listens on. A path in it has to be taken off again by whatever stands in front of the server.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// How long presigned URLs live, from one second to seven days. The default is an hour.
    pub fn url_ttl(mut self, ttl: Duration) -> Self {
        self.url_ttl = ttl;
        self
    }

    /// The login regions that are known instead of the usual ones; the first is the default region.
    pub fn regions(mut self, regions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.regions = regions.into_iter().map(Into::into).collect();
        self
    }

    /// What it takes on at once, and how long it waits for a client.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The largest file, in bytes. The default is 5 GiB. The same as [`Limits::object_bytes`].
    pub fn max_object_size(mut self, bytes: u64) -> Self {
        self.limits.object_bytes = bytes;
        self
    }

    /// Where the time comes from. Tests give a [`ManualClock`](crate::ManualClock).
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Makes every clear take at least this long in real time, so that tests of pollers see `clearing`.
    pub fn clear_delay(mut self, delay: Duration) -> Self {
        // Longer than a year is no test, and would be more than the clock can count.
        self.clear_delay = delay.min(Duration::from_secs(365 * 24 * 3600));
        self
    }

    /// Lets something go wrong, for clients under test; give more for more. Each fault is decided by itself, in the
    /// order in which they were given. With any, the server listens on loopback addresses only.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// How long contents that no file names stay in the folder `quarantine` before they are deleted. Defaults to 7 days.
    pub fn quarantine(mut self, time: Duration) -> Self {
        self.quarantine = time;
        self
    }

    /// A counter that the program keeps of the lines that its log has dropped. The metrics report it.
    pub fn dropped_log_lines(mut self, counter: Arc<AtomicU64>) -> Self {
        self.dropped_log_lines = counter;
        self
    }

    /// Starts the server. When this returns, it answers.
    pub async fn start(self) -> Result<Server, StartError> {
        self.check()?;
        Box::pin(Server::start(self)).await
    }

    fn check(&self) -> Result<(), StartError> {
        let open = self.api_keys.is_empty() && self.key_file.is_none();
        if open && !self.listen.ip().is_loopback() {
            return Err(StartError::KeysRequired {
                address: self.listen,
            });
        }
        if !self.faults.is_empty() && !self.listen.ip().is_loopback() {
            return Err(StartError::FaultsBeyondLoopback {
                address: self.listen,
            });
        }
        if !self.api_keys.iter().all(|key| is_key(key)) {
            return Err(StartError::InvalidApiKey);
        }
        self.limits.check()?;
        if !(Duration::from_secs(1)..=MAX_TTL).contains(&self.url_ttl) {
            return Err(StartError::InvalidUrlTtl { ttl: self.url_ttl });
        }
        let good_region = |region: &String| is_key(region) && region.len() <= 64;
        if self.regions.is_empty() || !self.regions.iter().all(good_region) {
            return Err(StartError::InvalidRegion);
        }
        match &self.public_url {
            Some(url) if !is_base_url(url) => Err(StartError::InvalidPublicUrl),
            _ => Ok(()),
        }
    }
}

/// Shows no key.
impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("data_dir", &self.data_dir)
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
    let good_authority = uri.authority().is_some_and(|authority| {
        // Of a port, or a colon where one should be, the parser believes anything.
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
        && good_authority
        && url.is_ascii()
        && uri.query().is_none()
        && !url.contains('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_plain() {
        for good in [
            "http://127.0.0.1:8780",
            "https://agb.example.com/",
            "https://example.com/agb",
            "http://[::1]:1",
            "http://[::1]",
            "https://example.com:65535/a%20b",
        ] {
            assert!(is_base_url(good), "{good}");
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
    fn debug_shows_no_key() {
        let shown = format!("{:?}", ServerBuilder::new().api_key("akm-secret"));
        assert!(
            !shown.contains("akm-secret") && shown.contains("api_keys: 1"),
            "{shown}"
        );
    }
}
