//! Settings of the connection: the URL, and the environment of libpq for what the URL lacks.

use std::net::IpAddr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::own_parameters::{InvalidParameter, OwnParameters};
use super::password_file::{self, Target};
use super::tls::{Roots, Tls, TlsError, TlsMode};

/// Default time for connecting to one address, the handshake and the login included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// After this time without an acknowledgement of sent bytes, the kernel ends a connection.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_PORT: u16 = 5432;
const DEFAULT_SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// How the service uses a database.
#[derive(Debug, Clone)]
pub(in crate::metadata::postgres) struct Settings {
    /// Each host with its own settings, in the order of the URL.
    pub(super) hosts: Vec<HostSettings>,
    pub(super) tls: Option<Tls>,
    pub(super) connect_timeout: Duration,
    /// Whether the statements of requests are prepared once for each connection.
    pub(super) prepared_statements: bool,
    /// Maximum number of connections.
    pub(in crate::metadata::postgres) pool_size: usize,
    /// Maximum time for which an operation waits for a connection.
    pub(super) pool_timeout: Duration,
    /// Maximum time of an operation, retries included. An operation whose commit is in doubt may take twice as long.
    pub(in crate::metadata::postgres) operation_timeout: Duration,
    /// Maximum time of a statement.
    pub(in crate::metadata::postgres) statement_timeout: Duration,
    /// Maximum time for which a statement waits for a lock.
    pub(in crate::metadata::postgres) lock_timeout: Duration,
    /// How long an upload is protected without a renewal, and how long a replica may take to delete what it has claimed.
    pub(in crate::metadata::postgres) lease: Duration,
}

/// A host and everything that is needed to log in. `Debug` of the driver's type hides the password.
#[derive(Debug, Clone)]
pub(super) struct HostSettings {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) address: Option<IpAddr>,
    /// Without a host.
    pub(super) config: Config,
}

/// Why the settings are invalid. The message contains no password.
#[derive(Debug, thiserror::Error)]
pub(in crate::metadata::postgres) enum InvalidConfig {
    #[error("invalid URL: {0}")]
    Url(#[source] tokio_postgres::Error),
    #[error("invalid value of {0:?} in the URL or the environment")]
    Value(String),
    #[error("the URL has {hosts} hosts and {others} {what}")]
    Count {
        hosts: usize,
        others: usize,
        what: &'static str,
    },
    #[error("the URL has no user: write postgres://USER@HOST/DATABASE, or set PGUSER")]
    NoUser,
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl From<InvalidParameter> for InvalidConfig {
    fn from(InvalidParameter(name): InvalidParameter) -> Self {
        Self::Value(name)
    }
}

impl Settings {
    /// Parses a URL. `variable` returns the value of an environment variable.
    pub(in crate::metadata::postgres) fn parse(
        url: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, InvalidConfig> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let (url, own) = OwnParameters::split(url);
        let mut config: Config = url.parse().map_err(InvalidConfig::Url)?;
        fill_from_environment(&mut config, &variable)?;
        let roots = own.text("sslrootcert").map(str::to_owned);
        let roots = roots.or_else(|| variable("PGSSLROOTCERT"));
        let roots = roots.as_deref().map(Roots::parse);
        let mode = own.text("sslmode").map(str::to_owned);
        let mode = mode.or_else(|| variable("PGSSLMODE"));
        let mode = match mode.as_deref() {
            None if roots == Some(Roots::System) => TlsMode::VerifyFull,
            None => TlsMode::Prefer,
            Some(text) => {
                TlsMode::parse(text).ok_or_else(|| InvalidConfig::Value("sslmode".to_owned()))?
            }
        };
        // A standby has an older state, and rejects writes.
        match config.get_target_session_attrs() {
            TargetSessionAttrs::Any | TargetSessionAttrs::ReadWrite => {
                config.target_session_attrs(TargetSessionAttrs::ReadWrite);
            }
            _ => return Err(InvalidConfig::Value("target_session_attrs".to_owned())),
        }
        config.ssl_mode(match mode {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
        let pool_size = match own.text("pool_size") {
            None => 16,
            Some(text) => text
                .parse()
                .ok()
                .filter(|size| (2..=1000).contains(size))
                .ok_or_else(|| InvalidConfig::Value("pool_size".to_owned()))?,
        };
        let seconds = Duration::from_secs;
        Ok(Self {
            tls: Tls::new(mode, roots.as_ref())?,
            connect_timeout: config
                .get_connect_timeout()
                .copied()
                .unwrap_or(CONNECT_TIMEOUT),
            prepared_statements: own.switch("prepared_statements")?,
            pool_size,
            pool_timeout: own.seconds("pool_timeout", seconds(3))?,
            operation_timeout: own.seconds("operation_timeout", seconds(10))?,
            statement_timeout: own.seconds("statement_timeout", seconds(8))?,
            lock_timeout: own.seconds("lock_timeout", seconds(5))?,
            lease: own.seconds("lease", seconds(60))?,
            hosts: hosts(&config, &variable)?,
        })
    }
}

fn fill_from_environment(
    config: &mut Config,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<(), InvalidConfig> {
    if config.get_user().is_none_or(str::is_empty) {
        let user = variable("PGUSER").or_else(|| variable("USER"));
        config.user(user.ok_or(InvalidConfig::NoUser)?);
    }
    if config.get_dbname().is_none()
        && let Some(database) = variable("PGDATABASE")
    {
        config.dbname(database);
    }
    if config.get_password().is_none()
        && let Some(password) = variable("PGPASSWORD")
    {
        config.password(password);
    }
    if config.get_application_name().is_none() {
        config.application_name(variable("PGAPPNAME").unwrap_or_else(|| "agb".to_owned()));
    }
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        match variable("PGHOST") {
            Some(hosts) => hosts.split(',').for_each(|host| {
                config.host(host);
            }),
            None => {
                let folder = DEFAULT_SOCKET_FOLDERS.iter().find(|folder| {
                    let socket = format!("{folder}/.s.PGSQL.{DEFAULT_PORT}");
                    std::path::Path::new(&socket).exists()
                });
                config.host(folder.copied().unwrap_or("localhost"));
            }
        }
    }
    if config.get_ports().is_empty()
        && let Some(ports) = variable("PGPORT")
    {
        for port in ports.split(',') {
            let port = port.parse();
            config.port(port.map_err(|_| InvalidConfig::Value("PGPORT".to_owned()))?);
        }
    }
    // Through the parser of the driver, which knows the values.
    for (name, option) in [
        ("PGTARGETSESSIONATTRS", "target_session_attrs"),
        ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ] {
        let Some(value) = variable(name) else {
            continue;
        };
        let invalid = |_| InvalidConfig::Value(name.to_owned());
        if value.contains(['\'', '\\', ' ']) {
            return Err(InvalidConfig::Value(name.to_owned()));
        }
        let parsed: Config = format!("{option}={value}").parse().map_err(invalid)?;
        if option == "connect_timeout" {
            if let (None, Some(timeout)) =
                (config.get_connect_timeout(), parsed.get_connect_timeout())
            {
                config.connect_timeout(*timeout);
            }
        } else if config.get_target_session_attrs() == Config::new().get_target_session_attrs() {
            config.target_session_attrs(parsed.get_target_session_attrs());
        }
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
    }
    if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
        config.keepalives_idle(Duration::from_secs(30));
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(Duration::from_secs(5));
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(3);
    }
    Ok(())
}

/// Returns the settings for each host. A password of the password file may differ between hosts.
fn hosts(
    config: &Config,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Vec<HostSettings>, InvalidConfig> {
    let (names, addresses, ports) = (
        config.get_hosts(),
        config.get_hostaddrs(),
        config.get_ports(),
    );
    let count = names.len().max(addresses.len());
    for (what, others) in [
        ("names of hosts", names.len()),
        ("addresses of hosts", addresses.len()),
    ] {
        if others != 0 && others != count {
            return Err(InvalidConfig::Count {
                hosts: count,
                others,
                what,
            });
        }
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(InvalidConfig::Count {
            hosts: count,
            others: ports.len(),
            what: "ports",
        });
    }
    let file = password_file::path(variable);
    let user = config.get_user().unwrap_or_default();
    let hosts = (0..count).map(|number| {
        let address = addresses.get(number).copied();
        let host = names.get(number).cloned();
        let host = host.unwrap_or_else(|| {
            Host::Tcp(
                address
                    .map(|address| address.to_string())
                    .unwrap_or_default(),
            )
        });
        let port = ports.get(number).or(ports.first()).copied();
        let port = port.unwrap_or(DEFAULT_PORT);
        let mut config = without_hosts(config);
        if config.get_password().is_none()
            && let Some(file) = &file
        {
            let name = match &host {
                Host::Tcp(name) => name.as_str(),
                #[cfg(unix)]
                Host::Unix(_) => "localhost",
            };
            let target = Target {
                host: name,
                port,
                database: config.get_dbname().unwrap_or(user),
                user,
            };
            if let Some(password) = password_file::password(file, &target) {
                config.password(password);
            }
        }
        HostSettings {
            host,
            port,
            address,
            config,
        }
    });
    Ok(hosts.collect())
}

/// Copies everything except hosts and ports.
fn without_hosts(config: &Config) -> Config {
    let mut copy = Config::new();
    copy.user(config.get_user().unwrap_or_default())
        .application_name(config.get_application_name().unwrap_or_default())
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .target_session_attrs(config.get_target_session_attrs())
        .channel_binding(config.get_channel_binding());
    if let Some(password) = config.get_password() {
        copy.password(password);
    }
    if let Some(database) = config.get_dbname() {
        copy.dbname(database);
    }
    if let Some(options) = config.get_options() {
        copy.options(options);
    }
    if let Some(timeout) = config.get_tcp_user_timeout() {
        copy.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        copy.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        copy.keepalives_retries(retries);
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, variables: &[(&str, &str)]) -> Result<Settings, InvalidConfig> {
        Settings::parse(url, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_url_has_several_hosts_and_own_parameters() {
        let settings = parse(
            "postgres://agb:hidden@db1:1111,db2/agb?target_session_attrs=read-write&pool_size=7&sslmode=disable&pool_timeout=0.5",
            &[("PGPORT", "9"), ("PGUSER", "other")],
        )
        .unwrap();
        let hosts: Vec<_> = settings
            .hosts
            .iter()
            .map(|host| (host.host.clone(), host.port))
            .collect();
        let tcp = |name: &str| Host::Tcp(name.to_owned());
        assert_eq!(hosts, [(tcp("db1"), 1111), (tcp("db2"), 5432)]);
        let config = &settings.hosts[1].config;
        assert_eq!(
            (config.get_user(), config.get_password()),
            (Some("agb"), Some(&b"hidden"[..]))
        );
        assert_eq!(
            config.get_target_session_attrs(),
            TargetSessionAttrs::ReadWrite
        );
        assert_eq!(settings.pool_size, 7);
        assert_eq!(settings.pool_timeout, Duration::from_millis(500));
        assert!(settings.tls.is_none());
        assert!(!format!("{settings:?}").contains("hidden"));
    }

    #[test]
    fn the_environment_fills_what_the_url_lacks() {
        let variables = [
            ("PGHOST", "a,b"),
            ("PGPORT", "1,2"),
            ("PGUSER", "me"),
            ("PGDATABASE", "agb"),
            ("PGPASSWORD", "hidden"),
            ("PGSSLMODE", "disable"),
            ("PGAPPNAME", "test"),
            ("PGCONNECT_TIMEOUT", "7"),
            ("PGTARGETSESSIONATTRS", "read-write"),
        ];
        let settings = parse("postgres://", &variables).unwrap();
        assert_eq!(settings.hosts.len(), 2);
        assert_eq!(settings.hosts[1].port, 2);
        let config = &settings.hosts[0].config;
        assert_eq!(config.get_user(), Some("me"));
        assert_eq!(config.get_dbname(), Some("agb"));
        assert_eq!(config.get_password(), Some(&b"hidden"[..]));
        assert_eq!(config.get_application_name(), Some("test"));
        assert_eq!(
            config.get_target_session_attrs(),
            TargetSessionAttrs::ReadWrite
        );
        assert_eq!(settings.connect_timeout, Duration::from_secs(7));
    }

    #[test]
    fn a_password_file_has_a_password_for_each_host() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a:*:agb:me:one\nb:*:agb:me:two\n").unwrap();
        let variables = [
            ("PGPASSFILE", file.path().to_str().unwrap()),
            ("PGSSLMODE", "disable"),
        ];
        let settings = parse("postgres://me@a,b/agb", &variables).unwrap();
        let passwords: Vec<_> = settings
            .hosts
            .iter()
            .map(|host| host.config.get_password().unwrap())
            .collect();
        assert_eq!(passwords, [b"one", b"two"]);
    }

    #[test]
    fn invalid_settings_are_rejected_without_the_password() {
        for (url, variables) in [
            ("postgres://me:hidden@a:b:c/agb", &[][..]),
            ("postgres://me:hidden@a/agb?unknown=1", &[]),
            ("postgres://me:hidden@a/agb?sslmode=maybe", &[]),
            ("postgres://me:hidden@a/agb?pool_size=0", &[]),
            ("postgres://me:hidden@a/agb?pool_timeout=-1", &[]),
            (
                "postgres://me:hidden@a/agb?sslmode=require&sslrootcert=/missing",
                &[],
            ),
            ("postgres://me:hidden@a/agb?sslmode=verify-ca", &[]),
            (
                "postgres://me:hidden@a/agb?sslmode=require",
                &[("PGSSLROOTCERT", "system")],
            ),
            ("postgres://:hidden@a/agb", &[]),
            (
                "postgres://me:hidden@a/agb?target_session_attrs=read-only",
                &[],
            ),
            (
                "postgres://me:hidden@/agb",
                &[("PGHOST", "a,b,c"), ("PGPORT", "1,2")],
            ),
            (
                "postgres://me:hidden@a/agb",
                &[("PGTARGETSESSIONATTRS", "x y")],
            ),
        ] {
            let error = parse(url, variables).unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("hidden"),
                "{error:?}"
            );
        }
    }
}
