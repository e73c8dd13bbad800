//! The running replicas, and connections to any of them.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::distributed::failover::{now, pause};
use crate::http_client::{Connection, Response};

/// Maximum time for which a client connects to one replica after the other.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Pause after no replica accepted a connection.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);

/// Maximum time for which a connection is kept for another request: less than a service keeps an idle one.
const MAX_IDLE: Duration = Duration::from_secs(3);

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
pub(crate) struct Balancer {
    endpoints: RwLock<Vec<String>>,
    /// Limit on the time of a request.
    timeout: Duration,
    /// Open connections, each with the time since which it is idle. `None` uses a connection for one request.
    idle: Option<Mutex<Vec<(Connection, Instant)>>>,
}

impl fmt::Debug for Balancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balancer")
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

impl Balancer {
    pub(crate) fn new(timeout: Duration, endpoints: &[&str]) -> Self {
        let balancer = Self {
            endpoints: RwLock::default(),
            timeout,
            idle: None,
        };
        balancer.set(endpoints);
        balancer
    }

    /// Uses a connection for several requests, one after the other.
    pub(crate) fn reuse_connections(mut self) -> Self {
        self.idle = Some(Mutex::default());
        self
    }

    /// Replaces the endpoints, and closes idle connections.
    pub(crate) fn set(&self, endpoints: &[&str]) {
        let endpoints = endpoints.iter().map(|endpoint| (*endpoint).to_owned());
        *self
            .endpoints
            .write()
            .unwrap_or_else(PoisonError::into_inner) = endpoints.collect();
        if let Some(idle) = &self.idle {
            idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
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

    /// Sends a request to any replica. `headers` contains no `host`.
    pub(crate) fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response, Problem> {
        let mut connection = match self.idle_connection() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let mut all = vec![("host", "agb.test")];
        if self.idle.is_none() {
            all.push(("connection", "close"));
        }
        all.extend(headers);
        let response = connection.request(method, target, &all, body);
        let response = response.map_err(|error| match error.kind() {
            ErrorKind::TimedOut => Problem::TimedOut,
            _ => Problem::Broken,
        })?;
        // A service that responds before it has read the whole body closes the connection.
        let is_complete = body.is_empty() || response.status < 300;
        if let Some(idle) = &self.idle
            && is_complete
            && response.header("connection") != Some("close")
        {
            let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push((connection, now()));
        }
        Ok(response)
    }

    /// A connection that was used before.
    fn idle_connection(&self) -> Option<Connection> {
        let mut idle = self
            .idle
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < MAX_IDLE);
        idle.pop().map(|(connection, _)| connection)
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
