//! `agb serve`: the service in the foreground.

use std::{
    io::Write,
    net::{SocketAddr, ToSocketAddrs},
};

use agbcloud_server::{Server, StartError};
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
    let mut builder = Server::builder()
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
