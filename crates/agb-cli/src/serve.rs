//! `agb serve`: the service in the foreground.

use std::{
    io::Write,
    net::{SocketAddr, ToSocketAddrs},
};

use agbcloud_server::{Limits, Server, StartError};
use tracing_subscriber::filter::LevelFilter;

use crate::{arguments::ServeArguments, exit::Failure, say, stop::Stop};

pub(crate) async fn run(arguments: ServeArguments) -> Result<(), Failure> {
    // Asked for before the service is ready, so that no signal after the line on stdout is lost.
    let stop = Stop::new()?;
    log(arguments.log);
    let open = arguments.api_keys.is_empty();
    let address = address(&arguments.listen)?;
    if address.ip().is_unspecified() && arguments.public_url.is_none() {
        say::note(
            "presigned URLs will start with this address, which only this machine understands: give --public-url",
        );
    }
    let limits = limits(&arguments.limits)?;
    allow_open_files(limits.connections);
    let mut builder = Server::builder()
        .limits(limits)
        .data_dir(&arguments.data_dir)
        .listen(address);
    if let Some(url) = arguments.public_url {
        builder = builder.public_url(url);
    }
    for key in arguments.api_keys {
        builder = builder.api_key(key);
    }
    let server = builder.start().await.map_err(refused)?;
    say::note(format_args!("data in {}", arguments.data_dir.display()));
    if open {
        say::note(
            "no --api-key given: every non-empty key is accepted, each with contexts of its own",
        );
    }
    announce(server.url())?;
    stop.wait().await;
    say::note("stopping");
    // A second signal does not wait for what is under way.
    tokio::select! {
        () = server.shutdown() => Ok(()),
        () = stop.wait() => Err(Failure::interrupted()),
    }
}

/// What the service has to tell, on stderr: stdout is for the one line.
fn log(level: LevelFilter) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
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

/// Each connection may have a file open: raises the limit of open files as far as it may be raised, and says so
/// where that is not far enough.
#[cfg(unix)]
fn allow_open_files(connections: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};

    // The database, its readers and the listeners have some open as well.
    let wanted = 2 * connections as u64 + 64;
    let mut limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if enough(limit.current) {
        return;
    }
    limit.current = limit
        .maximum
        .map(|maximum| maximum.min(wanted))
        .or(Some(wanted));
    let raised = setrlimit(Resource::Nofile, limit).is_ok();
    if !raised || !enough(limit.current) {
        say::note(format_args!(
            "{connections} connections may need {wanted} open files, and this process may not have as many: raise its limit (ulimit -n), or lower connections in --limits"
        ));
    }
}

#[cfg(not(unix))]
fn allow_open_files(_: usize) {}

fn address(text: &str) -> Result<SocketAddr, Failure> {
    let unusable = || {
        Failure::usage(format!(
            "--listen {text}: give an address and a port, like 127.0.0.1:8780"
        ))
    };
    text.to_socket_addrs()
        .map_err(|_| unusable())?
        .next()
        .ok_or_else(unusable)
}

fn refused(error: StartError) -> Failure {
    match error {
        StartError::KeysRequired { .. } | StartError::InvalidPublicUrl => {
            Failure::usage(error.to_string())
        }
        error => match std::error::Error::source(&error) {
            Some(source) => Failure::new(format!("{error}: {source}")),
            None => Failure::new(error.to_string()),
        },
    }
}
