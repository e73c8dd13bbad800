//! One connection, and the task that drives it.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::Severity;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Statement};

use super::config::{HostSettings, Settings};
use super::prepared_statements::PreparedStatements;

/// A connection.
pub(super) struct Link {
    pub(super) client: Client,
    driver: JoinHandle<()>,
    prepared: PreparedStatements,
    warned: Arc<AtomicBool>,
}

/// Why no host accepted a connection.
#[derive(Debug, thiserror::Error)]
pub(in crate::metadata::postgres) enum ConnectError {
    #[error("can't resolve the name of {host}: {source}")]
    Resolve { host: ShownHost, source: io::Error },
    #[error("{host} does not respond within {limit:?}")]
    Timeout { host: ShownHost, limit: Duration },
    #[error("{host}: {source}")]
    Postgres { host: ShownHost, source: ShownError },
    #[error("there is no host")]
    NoHost,
}

/// An error of the driver, with its cause.
#[derive(Debug, thiserror::Error)]
pub(in crate::metadata::postgres) struct ShownError(#[source] tokio_postgres::Error);

impl fmt::Display for ShownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::error::Error;
        if let Some(error) = self.0.as_db_error() {
            return write!(f, "{}", error.message());
        }
        write!(f, "{}", self.0)?;
        match self.0.source() {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

/// A host and its port in messages.
#[derive(Debug)]
pub(in crate::metadata::postgres) struct ShownHost(String);

impl From<&HostSettings> for ShownHost {
    fn from(host: &HostSettings) -> Self {
        Self(match &host.host {
            Host::Tcp(name) => format!("{name}:{}", host.port),
            #[cfg(unix)]
            Host::Unix(folder) => format!("{}:{}", folder.display(), host.port),
        })
    }
}

impl fmt::Display for ShownHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Connects to the first host that accepts, starting with the host number `first`. Also returns its number.
pub(super) async fn connect(
    settings: &Settings,
    first: usize,
) -> Result<(Link, usize), ConnectError> {
    let count = settings.hosts.len();
    let mut failed = ConnectError::NoHost;
    for number in (0..count).map(|at| (first + at) % count) {
        match connect_host(settings, &settings.hosts[number]).await {
            Ok(link) => return Ok((link, number)),
            Err(error) => {
                tracing::debug!(%error, "a host of the database does not accept connections");
                failed = error;
            }
        }
    }
    Err(failed)
}

/// Connects to the first address of a host that accepts.
async fn connect_host(settings: &Settings, host: &HostSettings) -> Result<Link, ConnectError> {
    let addresses = match (&host.host, host.address) {
        (Host::Tcp(name), None) => {
            let found = timeout(
                settings.connect_timeout,
                tokio::net::lookup_host((name.as_str(), host.port)),
            );
            let found = found
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut));
            let found = found
                .and_then(|found| found)
                .map_err(|source| ConnectError::Resolve {
                    host: host.into(),
                    source,
                })?;
            found.map(|address| Some(address.ip())).collect()
        }
        (_, address) => vec![address],
    };
    // A socket of Unix is never encrypted, whatever `sslmode` says.
    let tls = match &host.host {
        Host::Tcp(_) => settings.tls.as_ref(),
        #[cfg(unix)]
        Host::Unix(_) => None,
    };
    let mut failed = ConnectError::NoHost;
    for address in addresses {
        let mut config = host.config.clone();
        match &host.host {
            Host::Tcp(name) => config.host(name),
            #[cfg(unix)]
            Host::Unix(folder) => config.host_path(folder).ssl_mode(SslMode::Disable),
        };
        config.port(host.port);
        if let Some(address) = address {
            config.hostaddr(address);
        }
        // Of the driver's own timeout, only the connection of the socket is part.
        let connecting = async {
            match tls {
                Some(tls) => {
                    let (client, connection) = config.connect(tls.clone()).await?;
                    Ok(Link::drive(client, connection))
                }
                None => {
                    let (client, connection) = config.connect(NoTls).await?;
                    Ok(Link::drive(client, connection))
                }
            }
        };
        failed = match timeout(settings.connect_timeout, connecting).await {
            Ok(Ok(link)) => return Ok(link),
            Ok(Err(error)) => ConnectError::Postgres {
                host: host.into(),
                source: ShownError(error),
            },
            Err(_) => ConnectError::Timeout {
                host: host.into(),
                limit: settings.connect_timeout,
            },
        };
    }
    Err(failed)
}

impl Link {
    fn drive<S, T>(client: Client, mut connection: Connection<S, T>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let warned = Arc::new(AtomicBool::new(false));
        let warn = warned.clone();
        let driver = tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    Ok(AsyncMessage::Notice(notice)) => {
                        if notice.parsed_severity() == Some(Severity::Warning) {
                            warn.store(true, Ordering::SeqCst);
                            tracing::debug!(code = notice.code().code(), "PostgreSQL warns");
                        }
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, "a connection to the database ended");
                        return;
                    }
                }
            }
        });
        Self {
            client,
            driver,
            prepared: PreparedStatements::default(),
            warned,
        }
    }

    /// Returns a statement that is prepared once for this connection. `None` if the connection has too many.
    pub(super) async fn prepare(
        &self,
        sql: &str,
        types: impl Iterator<Item = Type>,
    ) -> Result<Option<Statement>, tokio_postgres::Error> {
        self.prepared.get(&self.client, sql, types).await
    }

    /// Whether the server has sent a warning since the last call.
    pub(super) fn take_warned(&self) -> bool {
        self.warned.swap(false, Ordering::SeqCst)
    }

    /// Closes the connection without waiting for the server, which then ends an open transaction.
    pub(super) fn kill(self) {
        self.driver.abort();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
