//! The definition of a fault, parsed from text.

use std::str::FromStr;
use std::time::Duration;

use crate::limits::time;
use crate::operations::{DOWNLOAD, UPLOAD, operations};

/// An injected fault. Parsed from a text such as `status=503,op=GetContext,rate=0.1,seed=7`; `docs/faults.md` describes
/// all faults.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use agbcloud_server::Server;
///
/// let server = Server::builder().fault("status=503,times=1,retry-after=0".parse()?).start().await?;
/// let list = || reqwest::Client::new().get(format!("{}/sdk/ListContexts", server.url())).bearer_auth("any-key").send();
/// assert_eq!(list().await?.status(), 503);
/// assert_eq!(list().await?.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub(super) kind: FaultKind,
    /// The operations that the fault applies to. Empty means all that the kind supports.
    pub(super) operations: Vec<&'static str>,
    /// The share of the requests, from 0 to 1.
    pub(super) rate: f64,
    pub(super) seed: u64,
    /// Maximum number of requests.
    pub(super) times: Option<u64>,
    /// Seconds in the header `Retry-After`.
    pub(crate) retry_after: Option<u32>,
}

/// The effect of a fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FaultKind {
    /// Delays the request before anything else.
    Latency(Duration),
    /// Responds with this status without executing the request.
    Status(u16),
    /// Responds with 502 and an HTML page, like a gateway, without executing the request.
    Html,
    /// Executes the request, and ends the response after this number of bytes of the body.
    Cut(u64),
    /// Rejects a valid presigned URL as expired.
    ExpiredUrls,
    /// Omits newer entries from listings.
    Lag(Duration),
    /// Reports a context as clearing for this time, by the clock of the server.
    SlowClear(Duration),
    /// Reports a context as clearing forever.
    StuckClear,
    /// Returns the page token that a listing was called with.
    RepeatToken,
}

/// Why a text is not a valid fault. The message names the invalid part and the valid ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidFault(String);

const KINDS: &str = "latency=TIME, status=429 (or 500, 503), html, cut=BYTES, expired-urls, lag=TIME, slow-clear=TIME, stuck-clear or repeat-token";
const OPTIONS: &str =
    "op=NAME (or NAME+NAME), rate=0.5, seed=NUMBER, times=NUMBER or retry-after=SECONDS";

impl Fault {
    /// Whether the fault may apply to this operation.
    pub(super) fn includes(&self, operation: &str) -> bool {
        self.operations.is_empty() || self.operations.contains(&operation)
    }
}

impl FromStr for Fault {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        let mut parts = text.split(',').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let kind = FaultKind::parse(kind).ok_or_else(|| {
            InvalidFault(format!(
                "invalid fault `{kind}`: a fault begins with {KINDS}"
            ))
        })?;
        let mut fault = Self {
            kind,
            operations: Vec::new(),
            rate: 1.0,
            seed: 0,
            times: None,
            retry_after: None,
        };
        for part in parts {
            fault.set(part).ok_or_else(|| {
                InvalidFault(format!(
                    "invalid option `{part}` of fault `{}`: the options are {OPTIONS}; the operations are {}",
                    kind.name(),
                    kind.operations().join(", ")
                ))
            })?;
        }
        Ok(fault)
    }
}

impl Fault {
    fn set(&mut self, part: &str) -> Option<()> {
        let (name, value) = part.split_once('=')?;
        match name {
            "op" => {
                let known = self.kind.operations();
                let find = |name| known.iter().find(|known| **known == name).copied();
                self.operations = value.split('+').map(find).collect::<Option<_>>()?;
            }
            "rate" => {
                self.rate = value
                    .parse()
                    .ok()
                    .filter(|rate| (0.0..=1.0).contains(rate))?;
            }
            "seed" => self.seed = value.parse().ok()?,
            "times" => self.times = Some(value.parse().ok()?),
            "retry-after" if matches!(self.kind, FaultKind::Status(_) | FaultKind::Html) => {
                self.retry_after = Some(value.parse().ok()?);
            }
            _ => return None,
        }
        Some(())
    }
}

impl FaultKind {
    fn parse(text: &str) -> Option<Self> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        Some(match (name, value) {
            ("latency", Some(value)) => Self::Latency(time(value)?),
            ("status", Some("429")) => Self::Status(429),
            ("status", Some("500")) => Self::Status(500),
            ("status", Some("503")) => Self::Status(503),
            ("html", None) => Self::Html,
            ("cut", Some(value)) => Self::Cut(value.parse().ok()?),
            ("expired-urls", None) => Self::ExpiredUrls,
            ("lag", Some(value)) => Self::Lag(time(value)?),
            ("slow-clear", Some(value)) => Self::SlowClear(time(value)?),
            ("stuck-clear", None) => Self::StuckClear,
            ("repeat-token", None) => Self::RepeatToken,
            _ => return None,
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Status(_) => "status",
            Self::Html => "html",
            Self::Cut(_) => "cut",
            Self::ExpiredUrls => "expired-urls",
            Self::Lag(_) => "lag",
            Self::SlowClear(_) => "slow-clear",
            Self::StuckClear => "stuck-clear",
            Self::RepeatToken => "repeat-token",
        }
    }

    /// Returns the operations that the fault can apply to.
    fn operations(&self) -> Vec<&'static str> {
        match self {
            Self::Latency(_) | Self::Status(_) | Self::Html | Self::Cut(_) => {
                let control = operations().iter().map(|operation| operation.name);
                control.chain([UPLOAD, DOWNLOAD]).collect()
            }
            Self::ExpiredUrls => vec![UPLOAD, DOWNLOAD],
            Self::Lag(_) => vec!["ListContexts", "DescribeContextFiles"],
            Self::SlowClear(_) | Self::StuckClear => vec!["ClearContext"],
            Self::RepeatToken => vec!["ListContexts"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_faults_are_parsed() {
        let fault: Fault =
            "status=503, op=GetContext+upload, rate=0.25, seed=7, times=3, retry-after=2"
                .parse()
                .unwrap();
        assert_eq!(
            fault,
            Fault {
                kind: FaultKind::Status(503),
                operations: vec!["GetContext", "upload"],
                rate: 0.25,
                seed: 7,
                times: Some(3),
                retry_after: Some(2),
            }
        );
        for text in [
            "latency=250ms",
            "status=429",
            "html",
            "cut=0",
            "expired-urls,op=download",
            "lag=60",
            "slow-clear=5m",
            "stuck-clear,times=1",
            "repeat-token",
        ] {
            text.parse::<Fault>()
                .unwrap_or_else(|error| panic!("{error}"));
        }
    }

    #[test]
    fn errors_name_the_invalid_part() {
        for (text, part) in [
            ("", "``"),
            ("status=404", "`status=404`"),
            ("latency", "`latency`"),
            ("latency=soon", "`latency=soon`"),
            ("html=1", "`html=1`"),
            ("html,rate=2", "`rate=2`"),
            ("html,rate=NaN", "`rate=NaN`"),
            ("html,op=Nothing", "`op=Nothing`"),
            ("html,op=", "`op=`"),
            ("lag=1,op=GetContext", "`op=GetContext`"),
            ("lag=1,retry-after=1", "`retry-after=1`"),
            ("html,colour=red", "`colour=red`"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
