//! Runs `agb serve` as a subprocess: builds it, starts it on a free port, stops it with SIGTERM.

#![expect(
    clippy::disallowed_methods,
    reason = "waits for a process, in real time"
)]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::cargo;
use crate::failure::Failure;

/// Start of the line that reports the endpoint.
const READY: &str = "listening on ";
const START_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Builds `agb` without optimization and returns its path.
pub(crate) fn build(root: &Path) -> Result<PathBuf, Failure> {
    // With the features of the whole workspace, so that `cargo test --workspace` has compiled its dependencies. An
    // example is built as well since cargo otherwise leaves out the features of dev-dependencies.
    let arguments = ["--workspace", "--bin", "agb", "--example", "operations"];
    cargo::build(root, "agb", &arguments).map_err(failure)
}

/// Builds `agb` as it is released and returns its path.
pub(crate) fn build_release(root: &Path) -> Result<PathBuf, Failure> {
    let arguments = ["--package", "agb-cli", "--bin", "agb"];
    cargo::build_release(root, "agb", &arguments).map_err(failure)
}

/// A running service. It is stopped on drop.
pub(crate) struct Service {
    process: Child,
    endpoint: String,
}

impl Service {
    /// Starts the service and waits until it listens. `log` receives its stderr.
    pub(crate) fn start(
        program: &Path,
        data: &Path,
        arguments: &[&str],
        log: Stdio,
    ) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .args(arguments);
        Self::start_command(command, log)
    }

    /// Starts another command of `agb` that prints the same line.
    pub(crate) fn start_command(mut command: Command, log: Stdio) -> Result<Self, Failure> {
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| failure(format!("can't run agb: {error}")))?;
        // Created before anything else can fail, so that drop stops the process.
        let mut service = Self {
            process,
            endpoint: String::new(),
        };
        let stdout = service.process.stdout.take();
        let stdout = stdout.ok_or_else(|| failure("its stdout is not piped".to_owned()))?;
        service.endpoint = wait_for_endpoint(&read_lines(stdout))?;
        Ok(service)
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Stops the service with SIGTERM, and kills it after a timeout.
    pub(crate) fn stop(self) {
        drop(self);
    }

    /// Kills the service with SIGKILL.
    pub(crate) fn kill(&mut self) {
        // An error means that it has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        let signalled = Command::new("kill")
            .args(["-TERM", &self.process.id().to_string()])
            .status()
            .is_ok_and(|status| status.success());
        let deadline = Instant::now() + STOP_TIMEOUT;
        while signalled && Instant::now() < deadline {
            if self.has_ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        if signalled {
            eprintln!("agb serve did not stop within {STOP_TIMEOUT:?} after SIGTERM");
        }
        self.kill();
    }
}

/// Sends the lines of an output to a channel. The thread reads to the end, so that the writer never blocks.
fn read_lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // The receiver is dropped once the service is ready.
            let _ = sender.send(line);
        }
    });
    receiver
}

fn wait_for_endpoint(lines: &Receiver<String>) -> Result<String, Failure> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let remaining = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(remaining) {
            Ok(line) => {
                if let Some(endpoint) = line.trim().strip_prefix(READY) {
                    return Ok(endpoint.to_owned());
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let problem = format!("it printed no line `{READY}…` within {START_TIMEOUT:?}");
                return Err(failure(problem));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let problem = format!("it exited before it printed a line `{READY}…`");
                return Err(failure(problem));
            }
        }
    }
}

fn failure(problem: String) -> Failure {
    Failure::new(
        format!("agb serve does not start: {problem}"),
        "run it by hand: `cargo run -p agb-cli -- serve --listen 127.0.0.1:0`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_read_from_the_line_listening_on() {
        let output = "every key is a tenant\nlistening on http://127.0.0.1:4711\nmore\n";
        let endpoint = wait_for_endpoint(&read_lines(output.as_bytes())).unwrap();
        assert_eq!(endpoint, "http://127.0.0.1:4711");
    }

    #[test]
    fn a_service_that_exits_early_is_an_error() {
        let failed = wait_for_endpoint(&read_lines(&b"no\n"[..]));
        let failed = failed.unwrap_err().to_string();
        assert!(failed.contains("it exited before"), "{failed}");
    }
}
