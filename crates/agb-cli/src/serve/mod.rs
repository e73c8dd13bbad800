//! `agb serve`: the service in the foreground.

mod fsck;
mod keys;
mod log;
mod open_files;
mod settings;

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
    arguments::Ambient,
    exit::{self, Code, Failure},
    output,
    stop::Stop,
};
use fsck::FsckArguments;
use keys::KeysArguments;
use log::LogQueue;
use settings::{ConfigFile, Durability, LogFormat, Settings};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    settings: Settings,

    #[command(flatten)]
    file: ConfigFile,

    #[command(subcommand)]
    command: Option<ServeCommand>,
}

#[derive(Debug, Subcommand)]
enum ServeCommand {
    /// Make, list and revoke the API keys of a key file, and change what signs URLs
    Keys(KeysArguments),
    /// Check a data folder that no service uses
    ///
    /// Compares rows with contents and with their checksums, contents with their checksums, counts with what is there, and
    /// the database with the folder of blobs. Prints its findings and what is in quarantine, a line each. Exit code 0 if
    /// nothing is damaged, or everything is repaired; 1 if something is damaged, or the folder can't be checked. What a
    /// killed service leaves unfinished is no damage.
    Fsck(FsckArguments),
}

pub(crate) async fn run(arguments: ServeArguments, ambient: &Ambient) -> Result<(), Failure> {
    match arguments.command {
        Some(ServeCommand::Keys(arguments)) => keys::run(arguments, ambient),
        Some(ServeCommand::Fsck(arguments)) => fsck::run(arguments, ambient).await,
        None => {
            let settings = arguments.settings.over(&arguments.file, ambient)?;
            serve(settings, arguments.file.config).await
        }
    }
}

/// Where the data is if nothing else is said.
const DATA_DIR: &str = "agb-data";

async fn serve(settings: Settings, config: Option<PathBuf>) -> Result<(), Failure> {
    let notes = Notes::start(
        settings.log.unwrap_or(LevelFilter::WARN),
        settings.log_format.unwrap_or_default(),
    )?;
    if let Some(config) = &config {
        // It was checked when it was read; what there is to warn of goes to the log, which has only now begun.
        let _ = check_permissions(config, Protection::Write);
    }
    let outcome = serve_by(settings, &notes).await;
    let outcome = outcome.map_err(|failure| notes.fail(failure));
    notes.log.flush(LAST_WORDS);
    outcome
}

async fn serve_by(settings: Settings, notes: &Notes) -> Result<(), Failure> {
    // Asked for before the service is ready, so that no signal after the line on stdout is lost.
    let stop = Stop::new()?;
    let data_dir = settings
        .data_dir
        .clone()
        .unwrap_or_else(|| PathBuf::from(DATA_DIR));
    let open = settings.api_keys.is_empty() && settings.keys.is_none();
    let faulty = !settings.faults.is_empty();
    let durability = settings.durability.unwrap_or_default();
    let builder = builder(settings, notes)?
        .data_dir(&data_dir)
        .durability(durability.into());
    let server = builder.start().await.map_err(refused)?;
    match durability {
        Durability::Memory => notes.say("data in memory: it ends with this process"),
        _ => notes.say(format_args!("data in {}", data_dir.display())),
    }
    if let Some(address) = server.metrics_addr() {
        notes.say(format_args!("metrics on http://{address}/metrics"));
    }
    if open {
        notes.warn("no --api-key and no --keys given: every non-empty key is accepted, each with contexts of its own");
    }
    if faulty {
        notes.warn("it fails as it was asked to: --fault");
    }
    announce(server.url());
    let outcome = tokio::select! {
        () = stop.wait() => Ok(()),
        end = server.failed() => Err(Failure::new(end.to_string())),
    };
    notes.say("stopping");
    // A second signal does not wait for what is under way.
    tokio::select! {
        () = server.shutdown() => outcome,
        () = stop.wait() => Err(Failure::interrupted()),
    }
}

fn builder(settings: Settings, notes: &Notes) -> Result<ServerBuilder, Failure> {
    let listen = address(
        "listen",
        settings.listen.as_deref().unwrap_or("127.0.0.1:8780"),
    )?;
    if listen.ip().is_unspecified() && settings.public_url.is_none() {
        notes.warn(
            "presigned URLs will start with this address, which only this machine understands: give --public-url",
        );
    }
    let has_tls =
        settings.tls_cert.is_some() || settings.public_url.as_deref().is_some_and(is_https);
    if !has_tls && !listen.ip().to_canonical().is_loopback() {
        notes.warn(format_args!(
            "{listen} is without TLS, so API keys and presigned URLs can be read on the network: give --tls-cert and --tls-key, or --public-url https://… if a proxy in front has TLS"
        ));
    }
    let limits = limits(settings.limits.as_deref().unwrap_or_default())?;
    open_files::raise(limits.connections);
    let mut builder = Server::builder()
        .listen(listen)
        .limits(limits)
        .dropped_log_lines(notes.log.dropped());
    for fault in settings.faults {
        let fault = fault
            .parse()
            .map_err(|error| Failure::usage(format!("--fault: {error}")))?;
        builder = builder.fault(fault);
    }
    if let Some(days) = settings.quarantine_days {
        // The config file is not held to the range of the flag.
        if days == 0 {
            return Err(Failure::usage(
                "quarantine-days: give a number of days from 1",
            ));
        }
        builder = builder.quarantine(Duration::from_secs(u64::from(days) * 24 * 3600));
    }
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
        _ => Err(Failure::usage(
            "TLS takes both --tls-cert and --tls-key: give the other one as well",
        )),
    }
}

/// How long the process waits at its end for a stderr that takes nothing.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the service reports on stderr: stdout is for the one line. Nothing here waits for stderr.
struct Notes {
    level: LevelFilter,
    format: LogFormat,
    log: LogQueue,
}

impl Notes {
    fn start(level: LevelFilter, format: LogFormat) -> Result<Self, Failure> {
        let log = LogQueue::default();
        log.write_to(std::io::stderr(), move |dropped| {
            log::report(format, dropped)
        })
        .map_err(|error| Failure::other("can't start the thread of the log", error))?;
        // There is no other subscriber: this is the only one of the process.
        let _ = tracing::dispatcher::set_global_default(log::dispatch(level, format, log.clone()));
        // The hook of the standard library would wait for stderr.
        std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
        Ok(Self { level, format, log })
    }

    /// Reports it as a line of its own, or as an event where a program reads the log.
    fn say(&self, text: impl Display) {
        match self.format {
            LogFormat::Text => self.line(text),
            LogFormat::Json => tracing::info!("{text}"),
        }
    }

    /// Reports what an operator should know.
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

    /// Reports why the service ends: where a program reads the log, every line is an event.
    fn fail(&self, failure: Failure) -> Failure {
        let silent = Failure::silent(failure.code());
        match self.format {
            LogFormat::Json if self.level >= LevelFilter::ERROR => {
                tracing::error!("{failure}");
                silent
            }
            _ if self.log.flush(LAST_WORDS) => {
                aside(move || exit::tell_failure(&failure));
                silent
            }
            _ => silent,
        }
    }
}

/// Does something that may block in a thread of its own, and waits for it, but not for long.
fn aside(work: impl FnOnce() + Send + 'static) {
    let (done, waiting) = mpsc::channel();
    let started = thread::Builder::new().spawn(move || {
        work();
        // Nobody may wait any more.
        let _ = done.send(());
    });
    if started.is_ok() {
        let _ = waiting.recv_timeout(LAST_WORDS);
    }
}

/// The one line on stdout: whoever started the program waits for it. A stdout that takes nothing stops no service.
fn announce(url: &str) {
    let line = format!("listening on {url}\n");
    aside(move || {
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(line.as_bytes());
        if let Err(error) = written.and_then(|()| stdout.flush()) {
            tracing::warn!(%error, "can't write to stdout");
        }
    });
}

fn is_https(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
}

fn limits(text: &str) -> Result<Limits, Failure> {
    let mut limits = Limits::default();
    for limit in text.split(',').filter(|limit| !limit.trim().is_empty()) {
        let (name, value) = limit.split_once('=').ok_or_else(|| {
            Failure::usage(format!(
                "--limits {limit}: give NAME=VALUE, like connections=100"
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
            "--{flag} {text}: give an address and a port, like 127.0.0.1:8780"
        ))
    };
    text.to_socket_addrs()
        .map_err(|_| unusable())?
        .next()
        .ok_or_else(unusable)
}

fn refused(error: StartError) -> Failure {
    match error {
        StartError::KeysRequired { .. }
        | StartError::FaultsBeyondLoopback { .. }
        | StartError::InvalidApiKey
        | StartError::InvalidPublicUrl => Failure::usage(error.to_string()),
        StartError::InsecurePermissions(exposed) => {
            Failure::of(Code::NotAllowed, exposed.to_string())
        }
        error => match std::error::Error::source(&error) {
            Some(source) => Failure::new(format!("{error}: {source}")),
            None => Failure::new(error.to_string()),
        },
    }
}
