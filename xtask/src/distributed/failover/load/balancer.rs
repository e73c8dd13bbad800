//! The running replicas, and connections to any of them.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use crate::distributed::failover::{now, pause};
use crate::http_client::{Connection, Response};

/// Maximum time for which a client connects to one replica after the other.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Pause after no replica accepted a connection.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);

/// Why a request has no answer, or another one than expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Problem {
    /// No replica accepted a connection, so that nothing was sent.
    Refused,
    /// The response is an error.
    Status { status: u16, retry_after: bool },
    /// The response is not complete within the limit.
    TimedOut,
    /// The connection ended before the whole response arrived.
    Broken,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Status {
                status,
                retry_after: true,
            } => write!(f, "{status} with Retry-After"),
            Self::Status { status, .. } => write!(f, "{status}"),
            Self::TimedOut => f.write_str("no response in time"),
            Self::Broken => f.write_str("connection broken"),
        }
    }
}

/// The problem of a response that is an error.
pub(crate) fn status_problem(response: &Response) -> Problem {
    Problem::Status {
        status: response.status,
        retry_after: response.header("retry-after").is_some(),
    }
}

/// The endpoints of the running replicas.
#[derive(Debug)]
pub(crate) struct Balancer {
    endpoints: RwLock<Vec<String>>,
    /// Limit on the time of a request.
    timeout: Duration,
}

impl Balancer {
    pub(crate) fn new(timeout: Duration, endpoints: &[&str]) -> Self {
        let balancer = Self {
            endpoints: RwLock::default(),
            timeout,
        };
        balancer.set(endpoints);
        balancer
    }

    /// Replaces the endpoints.
    pub(crate) fn set(&self, endpoints: &[&str]) {
        let endpoints = endpoints.iter().map(|endpoint| (*endpoint).to_owned());
        *self
            .endpoints
            .write()
            .unwrap_or_else(PoisonError::into_inner) = endpoints.collect();
    }

    pub(crate) fn endpoints(&self) -> Vec<String> {
        self.endpoints
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Limit on the time of a request.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a request on a connection of its own to any replica. `headers` contains no `host`.
    pub(crate) fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response, Problem> {
        let mut connection = self.connect()?;
        let mut all = vec![("host", "agb.test"), ("connection", "close")];
        all.extend(headers);
        let response = connection.request(method, target, &all, body);
        response.map_err(|error| match error.kind() {
            ErrorKind::TimedOut => Problem::TimedOut,
            _ => Problem::Broken,
        })
    }

    /// Connects to a replica, and to the next one after a refusal.
    fn connect(&self) -> Result<Connection, Problem> {
        let start = now();
        loop {
            let mut endpoints = self.endpoints();
            fastrand::shuffle(&mut endpoints);
            for endpoint in &endpoints {
                match Connection::open_with_timeout(endpoint, "", self.timeout) {
                    Ok(connection) => return Ok(connection),
                    Err(error) if is_refused(&error) => {}
                    Err(_) => return Err(Problem::Refused),
                }
            }
            if start.elapsed() > CONNECT_TIME {
                return Err(Problem::Refused);
            }
            pause(CONNECT_PAUSE);
        }
    }
}

/// Whether no process listens, or it closed its socket before it accepted the connection.
fn is_refused(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}
