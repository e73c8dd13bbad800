//! `agb serve` as a user runs it: built, started on a free port, stopped by SIGTERM.

#![allow(clippy::disallowed_methods)] // A real process is waited for in real time.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::cargo;
use crate::failure::Failure;

const READY: &str = "listening on ";
const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(10);

/// The running service. Dropping it stops it.
pub(crate) struct Service {
    process: Child,
    endpoint: String,
}

impl Service {
    /// Builds it with these arguments of cargo and starts it.
    pub(crate) fn start(
        root: &Path,
        how: &[&str],
        data: &Path,
        keys: &[&str],
    ) -> Result<Self, Failure> {
        let keys: Vec<&str> = keys.iter().flat_map(|key| ["--api-key", key]).collect();
        Self::launch(&build(root, how)?, data, &keys, Stdio::inherit())
    }

    /// Starts a program that was built, with more arguments; `log` takes what it says on stderr.
    pub(crate) fn launch(
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
        let spawned = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn();
        let process = spawned.map_err(|error| failure(format!("can't run agb: {error}")))?;
        // From here on the process is stopped whatever happens.
        let mut service = Self {
            process,
            endpoint: String::new(),
        };
        let stdout = service.process.stdout.take();
        let stdout = stdout.ok_or_else(|| failure("agb has no output".to_owned()))?;
        service.endpoint = ready(&lines(stdout))?;
        Ok(service)
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Asks it to end, and insists after a while.
    pub(crate) fn stop(self) {
        drop(self);
    }

    /// The id of its process.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Ends it at this instant, by SIGKILL.
    pub(crate) fn kill(&mut self) {
        // Where it can't be killed it has ended already.
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
        let asked = Command::new("kill")
            .args(["-TERM", &self.process.id().to_string()])
            .status()
            .is_ok_and(|status| status.success());
        let deadline = Instant::now() + STOP;
        while asked && Instant::now() < deadline {
            if self.has_ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        if asked {
            eprintln!("agb serve did not stop on SIGTERM within {STOP:?}");
        }
        // Where it can't be killed it has ended meanwhile.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Builds the command line and gives the path of the program.
pub(crate) fn build(root: &Path, how: &[&str]) -> Result<PathBuf, Failure> {
    let what = ["--package", "agb-cli", "--bin", "agb"];
    cargo::built(root, "agb", &[&what[..], how].concat()).map_err(failure)
}

/// The lines of the service, read on a thread of their own so that waiting for one can end, and so that the
/// service never waits for a reader.
fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody listens any more once it is ready.
            let _ = sender.send(line);
        }
    });
    receiver
}

fn ready(lines: &Receiver<String>) -> Result<String, Failure> {
    let deadline = Instant::now() + START;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) => {
                if let Some(endpoint) = line.trim().strip_prefix(READY) {
                    return Ok(endpoint.to_owned());
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                return Err(failure(format!("no line `{READY}…` within {START:?}")));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(failure(format!("it ended before its line `{READY}…`")));
            }
        }
    }
}

fn failure(problem: String) -> Failure {
    Failure::new(
        format!("agb serve does not start: {problem}"),
        "try it by hand: `cargo run -p agb-cli -- serve --listen 127.0.0.1:0`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_stands_in_the_line_that_says_ready() {
        let output = "every key is a tenant\nlistening on http://127.0.0.1:4711\nmore\n";
        let found = ready(&lines(output.as_bytes())).unwrap();
        assert_eq!(found, "http://127.0.0.1:4711");
    }

    #[test]
    fn a_service_that_ends_early_is_an_error() {
        let failed = ready(&lines(&b"no\n"[..])).unwrap_err().to_string();
        assert!(failed.contains("it ended before"), "{failed}");
    }
}
