//! Runs the binary.

use agbcloud::{Client, Contexts};
use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    time::Duration,
};

/// The binary in an environment without AGB settings.
pub(crate) fn agb() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agb"));
    for name in [
        "AGB_API_KEY",
        "AGB_ENDPOINT",
        "AGB_TIMEOUT_MS",
        "AGB_PROFILE",
        "AGB_REGION",
        "AGB_CA_FILE",
        "AGB_CLIENT_CERT",
        "AGB_CLIENT_KEY",
        "AGB_DAV_PASSWORD",
        "AGB_LISTEN",
        "AGB_DATA_DIR",
        "AGB_PUBLIC_URL",
        "AGB_KEYS",
        "AGB_TLS_CERT",
        "AGB_TLS_KEY",
        "AGB_METRICS_LISTEN",
        "AGB_LIMITS",
        "AGB_LOG",
        "AGB_LOG_FORMAT",
        "AGB_CONFIG",
        "AGB_DURABILITY",
        "CI",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "NO_COLOR",
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env_remove(name);
    }
    command
}

/// An SDK client for a service.
pub(crate) fn contexts(url: &str, key: &str) -> Contexts {
    Client::builder()
        .api_key(key)
        .endpoint(url)
        .build()
        .unwrap()
        .contexts()
}

/// Sleeps, where another process offers nothing to wait for.
#[expect(
    clippy::disallowed_methods,
    reason = "other processes use the real clock"
)]
pub(crate) fn wait(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// Whether this process and its children ignore a signal: SIGHUP under nohup, SIGINT in the background of a script. Only Linux
/// provides this.
pub(crate) fn ignores(signal: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

/// Sends a signal to a process.
pub(crate) fn signal(name: &str, process: u32) {
    let command = format!("kill -{name} {process}");
    assert!(
        Command::new("sh")
            .args(["-c", &command])
            .status()
            .unwrap()
            .success()
    );
}

/// A running `agb serve`, killed on drop.
pub(crate) struct Serve {
    child: Child,
    /// `None` if it is redirected.
    stderr: Option<ChildStderr>,
    pub(crate) url: String,
}

impl Serve {
    /// Starts on a free port and waits for the line on stdout.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_by(agb(), folder, arguments)
    }

    /// Starts with a command that runs the program.
    pub(crate) fn start_by(command: Command, folder: &Path, arguments: &[&str]) -> Self {
        Self::start_with_stderr(command, folder, arguments, Stdio::piped())
    }

    /// Starts with another stderr.
    pub(crate) fn start_with_stderr(
        mut command: Command,
        folder: &Path,
        arguments: &[&str],
        stderr: Stdio,
    ) -> Self {
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .args(arguments);
        Self::start_listening(command, stderr)
    }

    /// Starts a command that prints the same line as `agb serve`.
    pub(crate) fn start_listening(mut command: Command, stderr: Stdio) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let stderr = child.stderr.take();
        let url = line.trim_end().strip_prefix("listening on ");
        let url = url
            .unwrap_or_else(|| panic!("no line when ready: {line:?}"))
            .to_owned();
        Self { child, stderr, url }
    }

    /// Closes the reading end of stderr.
    pub(crate) fn close_stderr(&mut self) {
        self.stderr = None;
    }

    /// The process id.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal and waits for the end. Returns the exit status and stderr.
    pub(crate) fn stop(self, signal: &str) -> (ExitStatus, String) {
        self::signal(signal, self.child.id());
        self.ended()
    }

    /// Waits for the end. Returns the exit status and stderr.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        let mut text = String::new();
        if let Some(stderr) = &mut self.stderr {
            stderr.read_to_string(&mut text).unwrap();
        }
        (status, text)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // Fails if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
