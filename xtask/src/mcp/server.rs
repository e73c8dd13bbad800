//! `agb mcp --listen` as a subprocess.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::failure::Failure;

/// Start of the line that reports the URL.
const READY: &str = "listening on ";

/// A running server. It is killed on drop.
pub(super) struct HttpServer {
    process: Child,
    url: String,
}

impl HttpServer {
    /// Starts a server that allows everything, on a free port.
    pub(super) fn start(
        agb: &Path,
        endpoint: &str,
        key: &str,
        token: &str,
    ) -> Result<Self, Failure> {
        let process = Command::new(agb)
            .args(["mcp", "--no-dotenv", "--listen", "127.0.0.1:0"])
            .args(["--allow-write", "--allow-destructive"])
            .env("AGB_ENDPOINT", endpoint)
            .env("AGB_API_KEY", key)
            .env("AGB_MCP_TOKEN", token)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failure(format!("can't run agb: {error}")))?;
        let mut server = Self {
            process,
            url: String::new(),
        };
        let stdout = server.process.stdout.take();
        let stdout = stdout.ok_or_else(|| failure("its stdout is not piped".to_owned()))?;
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(|error| failure(error.to_string()))?;
        match line.trim().strip_prefix(READY) {
            Some(url) => server.url = url.to_owned(),
            None => return Err(failure(format!("it printed no line `{READY}…`"))),
        }
        Ok(server)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn stop(self) {
        drop(self);
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        // An error means that it has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn failure(problem: String) -> Failure {
    Failure::new(
        format!("agb mcp does not start: {problem}"),
        "run it by hand: `cargo run -p agb-cli -- mcp --listen 127.0.0.1:0`",
    )
}
