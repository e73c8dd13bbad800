//! `agb dav`: serves a context as a WebDAV share in the foreground.

use std::{
    io::Write,
    net::{SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
};

use agbcloud_dav::{DavServer, StartError};
use clap::{Args, builder::NonEmptyStringValueParser};
use clap_complete::ArgValueCompleter;

use super::{
    completion, lookup,
    session::{Run, Session},
};
use crate::{
    failure::{Code, Failure},
    output,
    signals::Interrupt,
    stderr,
};

/// The environment variable with the password. A flag would show it to other local users.
const PASSWORD: &str = "AGB_DAV_PASSWORD";

#[derive(Debug, Args)]
pub(crate) struct DavArguments {
    /// Name or id of the context
    #[arg(add = ArgValueCompleter::new(completion::contexts))]
    name: String,
    /// Address and port to listen on. Port 0 selects a free port. Other addresses than loopback require a password
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8785")]
    listen: String,
    /// Allow clients to change and delete files. Without it, the share is read-only
    #[arg(long, short)]
    write: bool,
    /// File whose first line is the password of clients, with any user name. Defaults to the password in AGB_DAV_PASSWORD, or
    /// none
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Name by which clients reach the share. Can be repeated. localhost and addresses are always accepted
    #[arg(long = "host", value_name = "HOST", value_parser = NonEmptyStringValueParser::new())]
    hosts: Vec<String>,
}

impl Run for DavArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let listen = address(&self.listen)?;
        let password = self.password()?;
        let client = session.connect()?;
        // Before the line on stdout, after which the caller may send a signal.
        let interrupt = Interrupt::new()?;
        let context = lookup::context(&client, &self.name).await?;
        let files = client.contexts().files(&context.id);
        let mut builder = DavServer::builder(files).listen(listen).write(self.write);
        if let Some(password) = password {
            if !listen.ip().to_canonical().is_loopback() && !session.output.is_quiet() {
                stderr::note(
                    "warning: the password and the files are readable on the network: use a proxy with TLS",
                );
            }
            builder = builder.password(password);
        }
        for host in &self.hosts {
            builder = builder.host(host);
        }
        let server = builder
            .start()
            .await
            .map_err(|error| start_failure(&error))?;
        let url = server.url();
        if !session.output.is_quiet() {
            let mode = match self.write {
                true => "writable",
                false => "read-only: pass --write to allow changes",
            };
            stderr::note(format_args!("context {} ({mode})", context.name));
            for line in instructions(&url) {
                stderr::note(line);
            }
        }
        announce(&url);
        interrupt.wait().await;
        // A second signal does not wait for open requests.
        tokio::select! {
            () = server.shutdown() => Ok(()),
            () = interrupt.wait() => Err(Failure::interrupted()),
        }
    }
}

impl DavArguments {
    fn password(&self) -> Result<Option<String>, Failure> {
        match &self.password_file {
            Some(file) => first_line(file).map(Some),
            None => match std::env::var(PASSWORD) {
                Ok(password) if password.is_empty() => Ok(None),
                Ok(password) => Ok(Some(password)),
                Err(std::env::VarError::NotPresent) => Ok(None),
                Err(_) => Err(Failure::usage(format!("{PASSWORD} is not UTF-8"))),
            },
        }
    }
}

fn first_line(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let message = format!("can't read --password-file {}", file.display());
        Failure::with_cause(message, error)
    })?;
    match text.lines().next().unwrap_or_default() {
        "" => Err(Failure::usage(format!(
            "--password-file {}: the first line is empty",
            file.display()
        ))),
        password => Ok(password.to_owned()),
    }
}

fn address(text: &str) -> Result<SocketAddr, Failure> {
    let resolved = text.to_socket_addrs().ok();
    resolved
        .and_then(|mut addresses| addresses.next())
        .ok_or_else(|| {
            Failure::usage(format!(
                "--listen {text}: expected an address and a port, such as 127.0.0.1:8785"
            ))
        })
}

fn start_failure(error: &StartError) -> Failure {
    match error {
        StartError::Listen { source, .. } => Failure::with_cause(error.to_string(), source)
            .with_hint(
                "choose another port with --listen, or a free one with --listen 127.0.0.1:0",
            ),
        StartError::PasswordRequired { .. } => {
            Failure::with_code(Code::NotAllowed, error.to_string()).with_hint(format!(
                "set {PASSWORD} or pass --password-file, or listen on 127.0.0.1"
            ))
        }
        _ => Failure::usage(error.to_string()),
    }
}

/// How to mount the share on each platform.
fn instructions(url: &str) -> [String; 5] {
    let gnome = url.replacen("http", "dav", 1);
    [
        format!("Finder:   Go > Connect to Server > {url}"),
        format!("Explorer: net use Z: {url}"),
        format!("GNOME:    gio mount {gnome}"),
        format!("davfs2:   sudo mount -t davfs {url} /mnt"),
        format!("rclone:   rclone ls :webdav: --webdav-url {url}"),
    ]
}

/// Prints the only line on stdout, for which the caller waits. The server runs even if this fails.
fn announce(url: &str) {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "listening on {url}");
    if let Err(error) = written.and_then(|()| stdout.flush()) {
        stderr::note(output::write_failure(&error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_the_first_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        for (content, password) in [
            ("secret\n", Some("secret")),
            ("secret", Some("secret")),
            (" two words \r\nmore\n", Some(" two words ")),
            ("", None),
            ("\nsecret\n", None),
        ] {
            std::fs::write(&file, content).unwrap();
            assert_eq!(first_line(&file).ok().as_deref(), password, "{content:?}");
        }
        assert!(first_line(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn an_address_has_a_port() {
        assert!(address("127.0.0.1:0").is_ok());
        assert_eq!(address("127.0.0.1").unwrap_err().code, Code::Usage);
    }
}
