//! `agb serve`: the service in the foreground.

mod fsck;
mod keys;
mod open_files;
mod settings;

use std::{
    fmt::Display,
    io::Write,
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    time::Duration,
};

use agbcloud_server::{Limits, Server, ServerBuilder, StartError};
use clap::{Args, Subcommand};
use tracing_subscriber::filter::LevelFilter;

use crate::{arguments::Ambient, exit::Failure, say, stop::Stop};
use fsck::FsckArguments;
use keys::KeysArguments;
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
        None => serve(arguments.settings.over(&arguments.file, ambient)?).await,
    }
}

/// Where the data is if nothing else is said.
const DATA_DIR: &str = "agb-data";

async fn serve(settings: Settings) -> Result<(), Failure> {
    let notes = Notes::start(
        settings.log.unwrap_or(LevelFilter::WARN),
        settings.log_format.unwrap_or_default(),
    );
    serve_by(settings, &notes)
        .await
        .map_err(|failure| notes.fail(failure))
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
    announce(server.url())?;
    stop.wait().await;
    notes.say("stopping");
    // A second signal does not wait for what is under way.
    tokio::select! {
        () = server.shutdown() => Ok(()),
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
    let limits = limits(settings.limits.as_deref().unwrap_or_default())?;
    if let Err(few) = open_files::allow(limits.connections) {
        notes.warn(few);
    }
    let mut builder = Server::builder().listen(listen).limits(limits);
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

/// What the service has to tell, on stderr: stdout is for the one line.
struct Notes {
    level: LevelFilter,
    format: LogFormat,
}

impl Notes {
    fn start(level: LevelFilter, format: LogFormat) -> Self {
        let log = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(std::io::stderr)
            .with_ansi(false);
        match format {
            LogFormat::Text => log.init(),
            LogFormat::Json => log.json().flatten_event(true).init(),
        }
        Self { level, format }
    }

    /// Says it as it is, or as an event of the log where a program reads that.
    fn say(&self, text: impl Display) {
        match self.format {
            LogFormat::Text => say::note(text),
            LogFormat::Json => tracing::info!("{text}"),
        }
    }

    /// Says what whoever runs the service should know.
    fn warn(&self, text: impl Display) {
        match self.format {
            LogFormat::Text => say::note(text),
            LogFormat::Json => tracing::warn!("{text}"),
        }
    }

    /// Says why it ends: where a program reads the log, no line of it is anything else than an event.
    fn fail(&self, failure: Failure) -> Failure {
        match self.format {
            LogFormat::Json if self.level >= LevelFilter::ERROR => {
                tracing::error!("{failure}");
                Failure::silent(failure.code())
            }
            _ => failure,
        }
    }
}

/// The one line on stdout: whoever started the program waits for it.
fn announce(url: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "listening on {url}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::other("can't write to stdout", error))
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
        error => match std::error::Error::source(&error) {
            Some(source) => Failure::new(format!("{error}: {source}")),
            None => Failure::new(error.to_string()),
        },
    }
}
