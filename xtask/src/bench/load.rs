//! Runs the example `load`, which sends the requests.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::distributed::interrupt;
use crate::failure::Failure;

/// What the example does.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Job {
    Requests(Requests),
    /// Creates files and syncs each.
    Files {
        folder: PathBuf,
        count: usize,
        bytes: usize,
        threads: usize,
    },
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Requests {
    pub(super) address: String,
    pub(super) connections: usize,
    /// Methods and targets, sent in turn.
    pub(super) requests: Vec<(&'static str, String)>,
    pub(super) headers: Vec<(&'static str, String)>,
    /// Size of the body of each request.
    pub(super) body: usize,
    pub(super) until: End,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// Each request was sent once.
    Once,
    Seconds(f64),
    /// [`Running::finish`] was called.
    StdinClosed,
}

/// What the example measured.
#[derive(Debug, Deserialize)]
pub(super) struct Report {
    /// Number of requests or files.
    pub(super) count: usize,
    pub(super) seconds: f64,
    /// Latency in seconds.
    pub(super) p99: f64,
}

impl Report {
    /// Requests or files of a second.
    pub(super) fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }
}

/// A running job. It is killed on drop.
pub(super) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Running {
    pub(super) fn start(program: &Path, job: &Job) -> Result<Self, Failure> {
        let child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failure(&format!("can't run: {error}")))?;
        let mut running = Self { child, stdin: None };
        running.stdin = running.child.stdin.take();
        let job = serde_json::to_string(job).map_err(|error| failure(&error.to_string()))?;
        if let Some(stdin) = &mut running.stdin {
            writeln!(stdin, "{job}").map_err(|error| failure(&error.to_string()))?;
        }
        Ok(running)
    }

    /// Closes its stdin and waits until it ends.
    pub(super) fn finish(mut self) -> Result<Report, Failure> {
        drop(self.stdin.take());
        let mut printed = String::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            std::io::Read::read_to_string(&mut stdout, &mut printed)
                .map_err(|error| failure(&error.to_string()))?;
        }
        let status = self
            .child
            .wait()
            .map_err(|error| failure(&error.to_string()))?;
        interrupt::check()?;
        if !status.success() {
            return Err(failure(&format!("ended with {status}")));
        }
        serde_json::from_str(&printed).map_err(|error| failure(&format!("{error}: {printed}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Errors mean that it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a job to its end.
pub(super) fn run(program: &Path, job: &Job) -> Result<Report, Failure> {
    Running::start(program, job)?.finish()
}

fn failure(problem: &str) -> Failure {
    Failure::new(
        format!("the example load {problem}"),
        "see its output above",
    )
}
