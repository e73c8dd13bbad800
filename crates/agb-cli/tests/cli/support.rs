//! Running the binary.

use agbcloud::{Client, Contexts};
use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    time::Duration,
};

/// The binary, in an environment without any setting of AGB.
pub(crate) fn agb() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agb"));
    for name in [
        "AGB_API_KEY",
        "AGB_ENDPOINT",
        "AGB_TIMEOUT_MS",
        "AGB_PROFILE",
        "AGB_REGION",
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

/// The SDK against a service.
pub(crate) fn contexts(url: &str, key: &str) -> Contexts {
    Client::builder()
        .api_key(key)
        .endpoint(url)
        .build()
        .unwrap()
        .contexts()
}

/// Waits, where a process of its own tells of nothing that could be waited for.
#[allow(clippy::disallowed_methods)] // Processes of their own take no clock.
pub(crate) fn wait(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// Whether this process ignores a signal of this number, and with it those that it starts: SIGHUP under nohup, SIGINT in the
/// background of a script. Linux tells.
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

/// `agb serve`, running; killed when dropped.
pub(crate) struct Serve {
    child: Child,
    /// None where it goes elsewhere.
    stderr: Option<ChildStderr>,
    pub(crate) url: String,
}

impl Serve {
    /// Starts it on a free port and waits for its line.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_by(agb(), folder, arguments)
    }

    /// Starts it by a command that ends in the program.
    pub(crate) fn start_by(command: Command, folder: &Path, arguments: &[&str]) -> Self {
        Self::start_with_stderr(command, folder, arguments, Stdio::piped())
    }

    /// The same with another stderr.
    pub(crate) fn start_with_stderr(
        mut command: Command,
        folder: &Path,
        arguments: &[&str],
        stderr: Stdio,
    ) -> Self {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .args(arguments)
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

    /// Takes stderr away: nobody reads it any more.
    pub(crate) fn close_stderr(&mut self) {
        self.stderr = None;
    }

    /// The id of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal and waits for the end; gives the exit status and what was said on stderr.
    pub(crate) fn stop(self, signal: &str) -> (ExitStatus, String) {
        self::signal(signal, self.child.id());
        self.ended()
    }

    /// Waits for the end; gives the exit status and what was said on stderr.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        if let Some(stderr) = &mut self.stderr {
            stderr.read_to_string(&mut said).unwrap();
        }
        (status, said)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
