//! `agb serve`: the service in the foreground.

use std::{
    io::Write,
    net::{SocketAddr, ToSocketAddrs},
};

use agbcloud_server::{Server, StartError};

use crate::{arguments::ServeArguments, exit::Failure};

pub(crate) async fn run(arguments: ServeArguments) -> Result<(), Failure> {
    // Asked for before the service is ready, so that no signal after the line on stdout is lost.
    let stop = Stop::new()?;
    let open = arguments.api_keys.is_empty();
    let mut builder = Server::builder()
        .data_dir(&arguments.data_dir)
        .listen(address(&arguments.listen)?);
    for key in arguments.api_keys {
        builder = builder.api_key(key);
    }
    let server = builder.start().await.map_err(refused)?;
    eprintln!("data in {}", arguments.data_dir.display());
    if open {
        eprintln!(
            "no --api-key given: every non-empty key is accepted, each with contexts of its own"
        );
    }
    announce(server.url())?;
    stop.wait().await;
    eprintln!("stopping");
    // A second signal does not wait for what is under way.
    tokio::select! {
        () = server.shutdown() => Ok(()),
        () = stop.wait() => Err(Failure::interrupted()),
    }
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
        StartError::KeysRequired { .. } => Failure::usage(error.to_string()),
        error => match std::error::Error::source(&error) {
            Some(source) => Failure::new(format!("{error}: {source}")),
            None => Failure::new(error.to_string()),
        },
    }
}

/// Ctrl-C or SIGTERM.
struct Stop {
    #[cfg(unix)]
    terminate: tokio::sync::Mutex<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    interrupt: tokio::sync::Mutex<tokio::signal::unix::Signal>,
}

impl Stop {
    #[cfg(unix)]
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};

        let listen = |kind| {
            signal(kind)
                .map(tokio::sync::Mutex::new)
                .map_err(|error| Failure::other("can't listen for signals", error))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    #[cfg(unix)]
    async fn wait(&self) {
        let (mut terminate, mut interrupt) =
            (self.terminate.lock().await, self.interrupt.lock().await);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn new() -> Result<Self, Failure> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn wait(&self) {
        // Where it can't be listened for, nothing but the end of the process stops the service.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
