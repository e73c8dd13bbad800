//! `agb mcp`.

use std::{
    env, fs,
    io::{self, IsTerminal, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use agbcloud_mcp::{BearerToken, HttpOptions, HttpServer, McpServer};
use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{
    completion,
    session::{Run, Session},
};
use crate::{
    failure::Failure,
    output::{self, quote},
    signals::Interrupt,
    stderr,
};

/// The variable of the bearer token.
const TOKEN_VARIABLE: &str = "AGB_MCP_TOKEN";

/// Default of `--listen` without a value.
const DEFAULT_LISTEN: &str = "127.0.0.1:8790";

#[derive(Debug, Args)]
pub(crate) struct McpArguments {
    /// Use only this context, by name or id. Defaults to all contexts of the API key
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(completion::contexts))]
    context: Option<String>,
    /// Allow tools to write and delete files and to create contexts
    #[arg(long)]
    allow_write: bool,
    /// Allow tools to delete and clear contexts
    #[arg(long)]
    allow_destructive: bool,
    /// Serve streamable HTTP instead of stdin and stdout. A port alone means 127.0.0.1
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = DEFAULT_LISTEN, value_parser = listen)]
    listen: Option<SocketAddr>,
    /// Read the bearer token from the first line of a file. Defaults to AGB_MCP_TOKEN, or to a new token, which is printed
    #[arg(long, value_name = "FILE", requires = "listen")]
    token_file: Option<PathBuf>,
    /// Also accept this name in Host, such as that of a proxy. Can be repeated
    #[arg(long, value_name = "HOST", requires = "listen")]
    allow_host: Vec<String>,
    /// Also accept web pages of this origin, such as `https://app.example.com`. Can be repeated
    #[arg(long, value_name = "ORIGIN", requires = "listen")]
    allow_origin: Vec<String>,
}

/// Parses an address with a port, or a port.
fn listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse()
        .map_err(|_| format!("expected an address and a port, such as {DEFAULT_LISTEN}"))
}

impl Run for McpArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        if session.connection.api_key_stdin && self.listen.is_none() {
            let failure = Failure::usage("--api-key-stdin reads stdin, which belongs to the agent");
            return Err(failure.with_hint("log in with 'agb login', or set AGB_API_KEY"));
        }
        // Before the line on stdout, after which the caller may send a signal.
        let interrupt = Interrupt::new()?;
        let server = self.server(session)?;
        match self.listen {
            Some(address) => self.serve_http(server, address, session, interrupt).await,
            None => serve_stdio(server, &interrupt).await,
        }
    }
}

impl McpArguments {
    fn server(&self, session: &Session) -> Result<McpServer, Failure> {
        let client = session.connect()?;
        let mut builder = McpServer::builder((*client).clone())
            .allow_write(self.allow_write)
            .allow_destructive(self.allow_destructive);
        if let Some(context) = &self.context {
            builder = builder.context(context);
        }
        if let Some(region) = client.region() {
            builder = builder.region(region);
        }
        builder
            .build()
            .map_err(|error| Failure::usage(error.to_string()))
    }

    async fn serve_http(
        self,
        server: McpServer,
        address: SocketAddr,
        session: &Session,
        interrupt: Interrupt,
    ) -> Result<(), Failure> {
        let token = self.token()?;
        if !address.ip().to_canonical().is_loopback() && !session.output.is_quiet() {
            stderr::note(format_args!(
                "warning: {address} does not use TLS, so the token and the files are readable on the network: use a proxy with TLS and --allow-host"
            ));
        }
        let mut options = HttpOptions::new(address, token.value);
        for host in self.allow_host {
            options = options.allow_host(host);
        }
        for origin in self.allow_origin {
            options = options
                .allow_origin(origin)
                .map_err(|error| Failure::usage(format!("--allow-origin: {error}")))?;
        }
        let http = HttpServer::bind(server, options).await.map_err(|error| {
            Failure::with_cause(format!("can't listen on {address}"), error)
                .with_hint("choose another address with --listen")
        })?;
        if let Some(generated) = token.generated {
            stderr::note(format_args!("token {generated}"));
        }
        let mut stdout = io::stdout().lock();
        let written = writeln!(stdout, "listening on {}", http.url());
        written
            .and_then(|()| stdout.flush())
            .map_err(|error| output::write_failure(&error))?;
        drop(stdout);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let mut running = Box::pin(http.run(async {
            let _ = stopped.await;
        }));
        let failed = |error| Failure::with_cause("the server stopped", error);
        tokio::select! {
            result = &mut running => return result.map_err(failed),
            () = interrupt.wait() => {}
        }
        // An error means that the server has stopped.
        let _ = stop.send(());
        // A second signal does not wait for open requests.
        tokio::select! {
            result = running => result.map_err(failed),
            () = interrupt.wait() => Err(Failure::interrupted()),
        }
    }

    fn token(&self) -> Result<Token, Failure> {
        let text = match (&self.token_file, env::var_os(TOKEN_VARIABLE)) {
            (Some(path), _) => Some((first_line(path)?, quote(path.display()))),
            (None, Some(text)) if !text.is_empty() => {
                let text = text.into_string().unwrap_or_default();
                Some((text, TOKEN_VARIABLE.to_owned()))
            }
            _ => None,
        };
        match text {
            Some((text, source)) => {
                let value = BearerToken::new(text)
                    .map_err(|error| Failure::usage(format!("{source}: {error}")))?;
                Ok(Token {
                    value,
                    generated: None,
                })
            }
            None => {
                let value = BearerToken::generate()
                    .map_err(|error| Failure::with_cause("can't generate a token", error))?;
                Ok(Token {
                    generated: Some(value.as_str().to_owned()),
                    value,
                })
            }
        }
    }
}

struct Token {
    value: BearerToken,
    /// The text to print.
    generated: Option<String>,
}

fn first_line(path: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::with_cause(format!("can't read {}", quote(path.display())), error)
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

async fn serve_stdio(server: McpServer, interrupt: &Interrupt) -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        stderr::note("agb mcp speaks the Model Context Protocol over stdin and stdout.");
        stderr::note("An agent starts it: see docs/agents.md. Ctrl-C ends it.");
    }
    tokio::select! {
        ended = server.serve_stdio() => {
            ended.map_err(|error| Failure::with_cause("the client does not speak the protocol", error))
        }
        () = interrupt.wait() => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_on_loopback() {
        assert_eq!(listen("8000").unwrap(), "127.0.0.1:8000".parse().unwrap());
        assert_eq!(listen("[::1]:1").unwrap(), "[::1]:1".parse().unwrap());
        for wrong in ["", "localhost", "99999", "0.0.0.0"] {
            assert!(listen(wrong).is_err(), "{wrong}");
        }
    }
}
