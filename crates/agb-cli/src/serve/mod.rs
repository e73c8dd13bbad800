//! `agb serve`: runs the service in the foreground.

mod backup;
#[cfg(feature = "console")]
mod console;
mod copy;
mod fsck;
mod keys;
mod log;
mod migrate;
mod open_files;
mod restore;
mod settings;
mod store_arguments;

use std::{
    fmt::Display,
    io::Write,
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    sync::mpsc,
    thread,
    time::Duration,
};

use agbcloud_server::{Limits, Protection, Server, ServerBuilder, StartError, check_permissions};
use clap::{Args, Subcommand};
use tracing_subscriber::filter::LevelFilter;

use crate::{
    environment::EnvironmentArguments,
    failure::{Code, Failure},
    output,
    signals::Interrupt,
    stderr,
};
use backup::BackupArguments;
#[cfg(feature = "console")]
use console::ServeConsole;
use fsck::FsckArguments;
use keys::KeysArguments;
use log::LogQueue;
use migrate::MigrateArguments;
use restore::RestoreArguments;
use settings::{ConfigFile, DurabilityMode, LogFormat, Settings};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    settings: Settings,

    #[command(flatten)]
    file: ConfigFile,

    /// Also run a web console, and print its link. Listens on a loopback address, by default on a free port. Uses the first
    /// --api-key, or else the key in AGB_API_KEY
    #[cfg(feature = "console")]
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true, default_missing_value = crate::console::DEFAULT_LISTEN)]
    console: Option<SocketAddr>,

    #[command(subcommand)]
    command: Option<ServeCommand>,
}

#[derive(Debug, Subcommand)]
enum ServeCommand {
    /// Manage the API keys and the signing key of a key file or a database
    Keys(KeysArguments),
    /// Check a data folder, or a PostgreSQL database and its contents
    ///
    /// Checks rows, contents, checksums and counts, and that metadata and contents belong together. Services may use a PostgreSQL
    /// database meanwhile. Prints one line for each finding and each content in quarantine. Exits with 0 if nothing is damaged or everything is repaired, and with
    /// 1 if something is damaged or the check fails. Leftovers of a killed service are not damage.
    #[command(
        after_long_help = "Examples:\n  agb serve fsck --data-dir agb-data\n  agb serve fsck --repair\n  agb serve fsck --metadata postgres://agb@db/agb --blobs s3://bucket/agb"
    )]
    Fsck(FsckArguments),
    /// Copy a store to an archive, also while the service runs
    ///
    /// The archive is a folder, or one file if its name ends with .tar. It contains everything that was acknowledged before the
    /// backup started, and is read back after it is written. It contains the secret of the store, and API keys only if they are
    /// in the database or in the file of --keys: keep it as safe as the store. An existing archive is never overwritten.
    #[command(
        after_long_help = "Examples:\n  agb serve backup agb-backup.tar\n  agb serve backup --data-dir /srv/agb /backups/monday\n  agb serve backup --metadata postgres://agb@db/agb --blobs s3://bucket/agb agb-backup.tar\n  agb serve backup --dry-run agb-backup.tar"
    )]
    Backup(BackupArguments),
    /// Copy an archive of 'backup' to a new store
    ///
    /// The store is a new data folder, or an empty PostgreSQL database and an empty folder or prefix. The service does not start
    /// on it before everything is restored and verified. To continue an interrupted restore, repeat it: it skips existing
    /// contents.
    #[command(
        after_long_help = "Examples:\n  agb serve restore agb-backup.tar --data-dir restored\n  agb serve restore agb-backup.tar --metadata postgres://agb@db/agb --blobs s3://bucket/agb\n  agb serve restore --dry-run agb-backup.tar --data-dir restored"
    )]
    Restore(RestoreArguments),
    /// Copy a store to a new one, also between engines
    ///
    /// Stop the service of the source first: later changes are not copied. The files and rows of the source are not changed. Ids,
    /// times and page tokens stay valid, and so do presigned URLs and API keys if the keys of a key file are copied with --keys.
    /// The service does not start on the target before everything is copied and verified. To continue an interrupted migration,
    /// repeat it.
    #[command(
        after_long_help = "Examples:\n  agb serve migrate --from sqlite:agb-data --to sqlite:/srv/agb\n  agb serve migrate --dry-run --from sqlite:agb-data --to postgres://agb@db/agb --to-blobs s3://bucket/agb --keys /etc/agb/keys"
    )]
    Migrate(MigrateArguments),
}

/// A build without the console never has one.
#[cfg(not(feature = "console"))]
enum ServeConsole {}

pub(crate) async fn run(
    arguments: ServeArguments,
    environment: &EnvironmentArguments,
) -> Result<(), Failure> {
    match arguments.command {
        Some(ServeCommand::Keys(arguments)) => keys::run(arguments, environment).await,
        Some(ServeCommand::Fsck(arguments)) => fsck::run(arguments, environment).await,
        Some(ServeCommand::Backup(arguments)) => backup::run(arguments, environment).await,
        Some(ServeCommand::Restore(arguments)) => restore::run(arguments, environment).await,
        Some(ServeCommand::Migrate(arguments)) => migrate::run(arguments).await,
        None => {
            let settings = arguments
                .settings
                .with_config_file(&arguments.file, environment)?;
            #[cfg(feature = "console")]
            let console = arguments
                .console
                .map(|listen| console::ServeConsole::new(listen, &settings));
            #[cfg(not(feature = "console"))]
            let console = None;
            serve(settings, arguments.file.config, console).await
        }
    }
}

async fn serve(
    settings: Settings,
    config: Option<PathBuf>,
    console: Option<ServeConsole>,
) -> Result<(), Failure> {
    let reporter = Reporter::start(
        settings.log.unwrap_or(LevelFilter::WARN),
        settings.log_format.unwrap_or_default(),
    )?;
    if let Some(config) = &config {
        // Repeats the check of the config file, whose warnings go to the log, which did not exist before.
        let _ = check_permissions(config, Protection::Write);
    }
    let result = run_service(settings, console, &reporter).await;
    let result = result.map_err(|failure| reporter.report_failure(failure));
    reporter.log.flush(WRITE_TIMEOUT);
    result
}

#[cfg_attr(
    not(feature = "console"),
    expect(unused_variables, reason = "there is no console")
)]
async fn run_service(
    settings: Settings,
    console: Option<ServeConsole>,
    reporter: &Reporter,
) -> Result<(), Failure> {
    // Before the line on stdout, after which the caller may send a signal.
    let interrupt = Interrupt::new()?;
    let storage = settings.storage()?;
    let injects_faults = !settings.faults.is_empty();
    let durability = settings.durability.unwrap_or_default();
    let builder = builder(settings, reporter)?;
    #[cfg(feature = "console")]
    let builder = match &console {
        Some(console) => console.configure(builder)?,
        None => builder,
    };
    let builder = builder
        .storage(storage.clone())
        .durability(durability.into());
    let server = builder.start().await.map_err(start_failure)?;
    match durability {
        DurabilityMode::Memory => reporter.info("data in memory, lost when the process ends"),
        _ => reporter.info(format_args!("data in {storage}")),
    }
    if let Some(report) = server.blob_store() {
        reporter.info(report);
    }
    if let Some(address) = server.metrics_addr() {
        reporter.info(format_args!("metrics on http://{address}/metrics"));
    }
    if server.accepts_any_key() {
        reporter.warn("warning: without --api-key and --keys, every non-empty key is accepted, each with its own contexts");
    }
    if injects_faults {
        reporter.warn("warning: faults are injected (--fault)");
    }
    #[cfg(feature = "console")]
    let console = match console {
        Some(console) => Some(console.bind(&server).await?),
        None => None,
    };
    announce(server.url());
    #[cfg(feature = "console")]
    let console = match console {
        Some(console) => console::run(console)?,
        None => console::Running::default(),
    };
    let result = tokio::select! {
        () = interrupt.wait() => Ok(()),
        end = server.failed() => Err(Failure::new(end.to_string())),
    };
    #[cfg(feature = "console")]
    console.stop().await;
    reporter.info("stopping");
    // A second signal does not wait for open requests.
    tokio::select! {
        () = server.shutdown() => result,
        () = interrupt.wait() => Err(Failure::interrupted()),
    }
}

fn builder(settings: Settings, reporter: &Reporter) -> Result<ServerBuilder, Failure> {
    let listen = address(
        "listen",
        settings.listen.as_deref().unwrap_or("127.0.0.1:8780"),
    )?;
    if listen.ip().is_unspecified() && settings.public_url.is_none() {
        reporter.warn(
            "warning: presigned URLs start with an unspecified address, which works only locally: pass --public-url",
        );
    }
    let has_tls =
        settings.tls_cert.is_some() || settings.public_url.as_deref().is_some_and(is_https);
    if !has_tls && !listen.ip().to_canonical().is_loopback() {
        reporter.warn(format_args!(
            "warning: {listen} does not use TLS, so API keys and presigned URLs are readable on the network: pass --tls-cert and --tls-key, or --public-url https://… behind a proxy with TLS"
        ));
    }
    let limits = limits(settings.limits.as_deref().unwrap_or_default())?;
    open_files::raise(limits.connections);
    let mut builder = Server::builder()
        .listen(listen)
        .limits(limits)
        .dropped_log_lines(reporter.log.dropped());
    for fault in settings.faults {
        let fault = fault
            .parse()
            .map_err(|error| Failure::usage(format!("--fault: {error}")))?;
        builder = builder.fault(fault);
    }
    if let Some(days) = settings.quarantine_days {
        // The range of the flag does not apply to the config file.
        if days == 0 {
            return Err(Failure::usage(
                "quarantine-days: expected a number of days from 1",
            ));
        }
        builder = builder.quarantine(Duration::from_secs(u64::from(days) * 24 * 3600));
    }
    builder = builder.direct_downloads(settings.direct_downloads.unwrap_or_default());
    if let Some(url) = settings.public_url {
        builder = builder.public_url(url);
    }
    for key in settings.api_keys {
        builder = builder.api_key(key);
    }
    if let Some(path) = settings.keys {
        builder = builder.key_file(path);
    }
    if let Some(text) = settings.metrics_listen {
        builder = builder.metrics_listen(address("metrics-listen", &text)?);
    }
    match (settings.tls_cert, settings.tls_key) {
        (Some(certificate), Some(key)) => Ok(builder.tls(certificate, key)),
        (None, None) => Ok(builder),
        _ => Err(Failure::usage("TLS requires both --tls-cert and --tls-key")),
    }
}

/// Maximum duration of a write to a blocked stdout or stderr.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// Reports the state of the service on stderr, without blocking.
struct Reporter {
    level: LevelFilter,
    format: LogFormat,
    log: LogQueue,
}

impl Reporter {
    fn start(level: LevelFilter, format: LogFormat) -> Result<Self, Failure> {
        let log = LogQueue::default();
        log.write_to(std::io::stderr(), move |dropped| {
            log::report(format, dropped)
        })
        .map_err(|error| Failure::with_cause("can't start the log thread", error))?;
        // Fails only if the process has a subscriber.
        let _ = tracing::dispatcher::set_global_default(log::dispatch(level, format, log.clone()));
        // The default hook may block on stderr.
        std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
        Ok(Self { level, format, log })
    }

    /// Reports a line, or an event if the log is JSON.
    fn info(&self, text: impl Display) {
        match self.format {
            LogFormat::Text => self.line(text),
            LogFormat::Json => tracing::info!("{text}"),
        }
    }

    fn warn(&self, text: impl Display) {
        match self.format {
            LogFormat::Text => self.line(text),
            LogFormat::Json => tracing::warn!("{text}"),
        }
    }

    fn line(&self, text: impl Display) {
        let text = text.to_string();
        self.log
            .push(format!("{}\n", output::escape(&text)).into_bytes());
    }

    /// Reports why the service ends, as an event if the log is JSON.
    fn report_failure(&self, failure: Failure) -> Failure {
        let silent = Failure::silent(failure.code);
        match self.format {
            LogFormat::Json if self.level >= LevelFilter::ERROR => {
                tracing::error!("{failure}");
                silent
            }
            _ if self.log.flush(WRITE_TIMEOUT) => {
                with_timeout(move || stderr::failure(&failure));
                silent
            }
            _ => silent,
        }
    }
}

/// Does work that may block in a thread, and waits for it up to [`WRITE_TIMEOUT`].
fn with_timeout(work: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let started = thread::Builder::new().spawn(move || {
        work();
        let _ = done.send(());
    });
    if started.is_ok() {
        let _ = is_done.recv_timeout(WRITE_TIMEOUT);
    }
}

/// Prints the only line on stdout, for which the caller waits. The service runs even if this fails.
fn announce(url: &str) {
    let line = format!("listening on {url}\n");
    with_timeout(move || {
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(line.as_bytes());
        if let Err(error) = written.and_then(|()| stdout.flush()) {
            tracing::warn!(%error, "can't write to stdout");
        }
    });
}

fn is_https(url: &str) -> bool {
    url.get(..8)
        .is_some_and(|start| start.eq_ignore_ascii_case("https://"))
}

fn limits(text: &str) -> Result<Limits, Failure> {
    let mut limits = Limits::default();
    for limit in text.split(',').filter(|limit| !limit.trim().is_empty()) {
        let (name, value) = limit.split_once('=').ok_or_else(|| {
            Failure::usage(format!(
                "--limits {limit}: expected NAME=VALUE, such as connections=100"
            ))
        })?;
        limits
            .set(name.trim(), value.trim())
            .map_err(|error| Failure::usage(format!("--limits: {error}")))?;
    }
    Ok(limits)
}

fn address(flag: &str, text: &str) -> Result<SocketAddr, Failure> {
    let unusable = || {
        Failure::usage(format!(
            "--{flag} {text}: expected an address and a port, such as 127.0.0.1:8780"
        ))
    };
    text.to_socket_addrs()
        .map_err(|_| unusable())?
        .next()
        .ok_or_else(unusable)
}

fn start_failure(error: StartError) -> Failure {
    match error {
        StartError::KeysRequired { .. }
        | StartError::FaultsBeyondLoopback { .. }
        | StartError::InvalidApiKey
        | StartError::InvalidPublicUrl => Failure::usage(error.to_string()),
        StartError::InsecurePermissions(exposed) => {
            Failure::with_code(Code::NotAllowed, exposed.to_string())
        }
        error => match std::error::Error::source(&error) {
            Some(source) => Failure::with_cause(error.to_string(), source),
            None => Failure::new(error.to_string()),
        },
    }
}
