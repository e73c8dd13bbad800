//! What a fault is called, and where and how often it strikes.

use std::str::FromStr;
use std::time::Duration;

use crate::http::{DOWNLOAD, UPLOAD, operations};
use crate::limits::time;

/// A failure on request. Made from a text such as `status=503,op=GetContext,rate=0.1,seed=7`; what there is stands in
/// `docs/faults.md`.
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
    pub(super) kind: Kind,
    /// The operations that it strikes; all that it can strike, if there is none.
    pub(super) operations: Vec<&'static str>,
    /// What part of the requests.
    pub(super) rate: f64,
    pub(super) seed: u64,
    /// How often altogether.
    pub(super) times: Option<u64>,
    /// Seconds, for answers that tell them.
    pub(crate) retry_after: Option<u32>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// The request waits before anything else is done.
    Latency(Duration),
    /// The request is answered with this status, and nothing is done.
    Status(u16),
    /// The request is answered with 502 and a page of HTML, as a gateway does, and nothing is done.
    Html,
    /// The request is carried out, and its answer ends after so many bytes of the body.
    Cut(u64),
    /// A presigned URL that is good is said to have expired.
    ExpiredUrls,
    /// What is younger is missing in listings.
    Lag(Duration),
    /// A context is said to be clearing for this time, by the clock of the server.
    SlowClear(Duration),
    /// A context is said to be clearing for ever.
    StuckClear,
    /// A listing gives the page token again that it was called with.
    RepeatToken,
}

/// Why a text is no fault. The message says which part, and what could stand there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidFault(String);

const KINDS: &str = "latency=TIME, status=429 (or 500, 503), html, cut=BYTES, expired-urls, lag=TIME, slow-clear=TIME, stuck-clear or repeat-token";
const OPTIONS: &str =
    "op=NAME (or NAME+NAME), rate=0.5, seed=NUMBER, times=NUMBER or retry-after=SECONDS";

impl Fault {
    /// Whether it may strike a request of this operation.
    pub(super) fn concerns(&self, operation: &str) -> bool {
        self.operations.is_empty() || self.operations.contains(&operation)
    }
}

impl FromStr for Fault {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        let mut parts = text.split(',').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let kind = Kind::parse(kind).ok_or_else(|| {
            InvalidFault(format!("`{kind}` is no fault: a fault begins with {KINDS}"))
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
                    "`{part}` can't follow `{}`: what follows is {OPTIONS}, each operation one that this can strike: {}",
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
            "retry-after" if matches!(self.kind, Kind::Status(_) | Kind::Html) => {
                self.retry_after = Some(value.parse().ok()?);
            }
            _ => return None,
        }
        Some(())
    }
}

impl Kind {
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

    /// The operations that it can strike.
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
    fn what_was_asked_for_is_what_it_is() {
        let fault: Fault =
            "status=503, op=GetContext+upload, rate=0.25, seed=7, times=3, retry-after=2"
                .parse()
                .unwrap();
        assert_eq!(
            fault,
            Fault {
                kind: Kind::Status(503),
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
    fn what_is_no_fault_is_told_with_what_could_be_one() {
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
